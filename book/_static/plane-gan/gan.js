// The GAN in the plane itself: its controls, and what they do. One for each <div class="advnotes-plane-gan">.
//
// Its attributes say how it begins: data-data, data-loss, data-moves, data-gamma, data-unroll, data-rate-d,
// data-rate-g and data-seed. The values that may be chosen stand in page.js and data.js.

(() => {
  const plane = window.AdvnotesPlane;
  const PACE = 200; // rounds a second, where the processor can
  const MOST = 6; // rounds between two pictures
  const SLICE = 12; // milliseconds of them that rounds may take, so that the page answers
  const TOLD = 1000; // rounds between two sentences of a game that plays: five seconds at least
  const LEAP = 200; // rounds between two pictures without motion
  const LONGEST = 6000; // rounds of one press of the button
  const MEASURED = 10; // rounds between two entries of the charts
  const CALM = window.matchMedia("(prefers-reduced-motion: reduce)");
  const START = { data: "ring", loss: "non-saturating", moves: 1, gamma: 0, unroll: 0, rateD: 0.002, rateG: 0.002 };

  class Gan {
    constructor(root, number) {
      const { seed = "1", ...asked } = root.dataset;
      this.settings = Object.fromEntries(
        Object.entries(START).map(([name, value]) => [
          name,
          typeof value === "number" ? Number(asked[name] ?? value) : (asked[name] ?? value),
        ]),
      );
      this.seed = Number(seed);
      this.find = (selector) => root.querySelector(selector);
      this.all = (selector) => [...root.querySelectorAll(selector)];
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", "A GAN in the plane");
      root.innerHTML = plane.template(`plane-gan-${number}`);
      this.canvas = this.find(".gan-plane");
      this.dots = new plane.Dots(this.canvas, {
        changed: (done) => this.redraw(done),
        mark: (sentence) => this.see(sentence),
      });
      this.wire();
      this.reset();
    }

    wire() {
      for (const input of this.all("[data-setting]")) {
        input.checked = input.value === this.settings[input.dataset.setting];
        input.addEventListener("change", () => this.choose(input));
      }
      for (const input of this.all("[data-slider]")) {
        const name = input.dataset.slider;
        input.value = plane.SLIDERS[name][0].indexOf(this.settings[name]);
        input.addEventListener("input", () => this.slide(input));
        input.addEventListener("change", () => this.announce(plane.SLIDERS[name][1], this.settings[name]));
        this.label(input);
      }
      for (const button of this.all("[data-do]"))
        button.addEventListener("click", () => this[button.dataset.do]());
      this.find("[data-sheet]").addEventListener("change", () => this.show());
      const theme = { attributes: true, attributeFilter: ["data-theme"] };
      new MutationObserver(() => this.show()).observe(document.documentElement, theme); // the net has the text's colour
    }

    // What is played

    choose({ dataset, value }) {
      this.settings[dataset.setting] = value;
      if (dataset.setting === "data") this.reset();
      else this.announce("Loss of G", value);
    }

    slide(input) {
      const name = input.dataset.slider;
      this.settings[name] = plane.SLIDERS[name][0][Number(input.value)];
      this.label(input);
    }

    label(input) {
      const value = String(this.settings[input.dataset.slider]);
      input.nextElementSibling.textContent = value;
      input.setAttribute("aria-valuetext", value);
    }

    /** A cure is turned while the game plays: the networks stay as they are. */
    announce(text, value) {
      if (this.game.rounds) this.history.change(this.game.rounds);
      this.tell(plane.changed(text, value, this.game.rounds));
      this.show();
    }

    /** The same game from its beginning. */
    reset() {
      this.pause();
      const own = this.settings.data === "own";
      const data = plane.DATA[this.settings.data];
      this.game = new plane.Game(own ? { ...data, centres: this.dots.centres } : data, this.seed);
      this.dots.activate(own, this.find(".gan-own p").id);
      this.find(".gan-own").hidden = !own;
      this.drawReal();
      this.generated = this.game.generate();
      this.history = new plane.History(this.share());
      this.sums = { discriminator: 0, generator: 0 };
      this.show();
      this.tellAll();
    }

    reseed() {
      this.seed += 1;
      this.reset();
    }

    // One's own dots

    /** The data are others now; the game goes on with them. */
    redraw(done) {
      this.drawReal();
      if (this.game.rounds) this.history.change(this.game.rounds);
      if (this.game.data.centres.length === 0) this.pause();
      this.show();
      if (done) this.tellAll();
    }

    undo() {
      this.dots.undo();
    }

    clear() {
      this.dots.clear();
    }

    drawReal() {
      const { data } = this.game;
      this.real = data.centres.length ? plane.sample(data, 240, plane.chance(0)) : new Float64Array(0);
    }

    // How it plays

    advance() {
      const { game, sums } = this;
      const losses = game.round({ ...this.settings, minimax: this.settings.loss === "minimax" });
      for (const name of Object.keys(sums)) sums[name] += losses[name] / MEASURED;
      if (game.rounds % MEASURED !== 0) return;
      this.generated = game.generate();
      this.history.add({ round: game.rounds, covered: this.share(), ...sums });
      this.sums = { discriminator: 0, generator: 0 };
    }

    get empty() {
      return this.game.data.centres.length === 0;
    }

    step() {
      this.pause();
      if (!this.empty) this.advance();
      this.show();
      this.tellAll();
    }

    play() {
      if (this.end) {
        this.pause();
        this.show();
        this.tellAll();
        return;
      }
      if (this.empty) {
        this.tellAll();
        return;
      }
      this.end = this.game.rounds + LONGEST;
      this.find('[data-do="play"]').textContent = "Pause";
      let before = performance.now();
      const frame = (now) => {
        if (!this.end) return;
        this.playFor(Math.min(Math.max(((now - before) * PACE) / 1000, 1), MOST));
        before = now;
        this.frame = requestAnimationFrame(frame);
      };
      this.frame = requestAnimationFrame(frame);
    }

    /** So many rounds, or as many as there is time for, and the picture. */
    playFor(rounds) {
      const { game } = this;
      const began = performance.now();
      for (let k = 1; k <= rounds && this.end && performance.now() - began < SLICE; k++) {
        this.advance();
        if (CALM.matches && game.rounds % LEAP === 0) this.show();
        if (game.rounds === this.end) this.play();
        else if (game.rounds % TOLD === 0) this.tellAll();
      }
      if (!CALM.matches) this.show();
    }

    pause() {
      cancelAnimationFrame(this.frame);
      this.end = null;
      this.find('[data-do="play"]').textContent = "Play";
    }

    // What is seen

    share() {
      const { data } = this.game;
      return this.empty ? 0 : plane.coverage(data, this.generated).covered / data.centres.length;
    }

    show() {
      const { game, history } = this;
      this.generated = game.generate();
      plane.paint(this.canvas, game, this.real, this.generated, this.find("[data-sheet]").checked);
      this.dots.paint();
      plane.drawCovered(this.find('[data-chart="covered"]'), history);
      plane.drawLosses(this.find('[data-chart="losses"]'), history);
      this.find(".gan-count").textContent = `Seed ${this.seed} · round ${game.rounds.toLocaleString("en")}`;
    }

    /** The keyboard's mark has moved. */
    see(sentence) {
      this.show();
      if (sentence) this.tell(sentence);
    }

    tell(sentence) {
      this.find(".gan-told").textContent = sentence;
    }

    tellAll() {
      const sentence = plane.standing(this);
      this.tell(sentence);
      const label = "The plane: blue where D says real, orange where it says generated.";
      this.canvas.setAttribute("aria-label", this.dots.active ? `${label} Put dots here.` : `${label} ${sentence}`);
    }
  }

  plane.all = [...document.querySelectorAll(".advnotes-plane-gan")].map((root, n) => new Gan(root, n + 1));
})();
