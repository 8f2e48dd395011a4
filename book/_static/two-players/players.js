// Two players: the controls, and what they do. One for each <div class="advnotes-two-players">.
//
// Its attributes data-game ("ab" or "dirac"), data-order ("once", "turn" or "ahead"), data-wish, data-lr,
// data-momentum, data-gamma and data-unroll say how it begins.

(() => {
  const players = window.AdvnotesPlayers;
  const { GAMES, SLIDERS, SPEEDS, SPAN } = players;
  const BEGIN = { game: "ab", order: "once", wish: "zero-sum", lr: 0.2, momentum: 0, gamma: 0, unroll: 0 };
  const MOST = 600; // rounds of a play
  const CORNER = Math.SQRT2 * SPAN; // nothing that is farther away is in the picture
  const RESTS = 1e-3; // and the one at which it has come to rest
  const ROWS = 40; // of the table, about
  const CALM = window.matchMedia("(prefers-reduced-motion: reduce)");

  class Players {
    constructor(root, number) {
      const id = `two-players-${number}`;
      this.settings = { ...BEGIN };
      for (const name of Object.keys(BEGIN)) {
        const given = root.dataset[name];
        if (given !== undefined) this.settings[name] = name in SLIDERS ? Number(given) : given;
      }
      this.rounds = 0;
      this.speed = "medium";
      this.start = this.game.start;
      this.find = (selector) => root.querySelector(selector);
      this.all = (selector) => [...root.querySelectorAll(selector)];
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", "Two players");
      root.innerHTML = players.template(id);
      this.plane = new players.Plane(this.find(".players-plane"), id, (start, last) => this.begin(start, last));
      this.wire();
      this.pause();
      this.renew();
      this.tell(players.summary(this));
    }

    get game() {
      return GAMES[this.settings.game];
    }

    wire() {
      for (const input of this.all("[data-setting]")) {
        const { setting } = input.dataset;
        input.checked = input.value === (setting === "speed" ? this.speed : this.settings[setting]);
        input.addEventListener("change", () => this.choose(setting, input.value));
      }
      for (const input of this.all("[data-slider]")) {
        input.value = this.settings[input.dataset.slider];
        input.addEventListener("input", () => this.slide(input));
        input.addEventListener("change", () => this.tell(players.summary(this)));
      }
      for (const button of this.all("[data-do]"))
        button.addEventListener("click", () => this[button.dataset.do]());
      for (const details of this.all("details")) details.addEventListener("toggle", () => this.renew());
      CALM.addEventListener("change", () => this.pause());
      // On paper nobody can press Play.
      let still = false;
      window.addEventListener("beforeprint", () => {
        still = this.rounds === 0;
        if (still) this.run();
      });
      window.addEventListener("afterprint", () => {
        if (still) this.reset();
      });
    }

    // How they play

    choose(name, value) {
      if (name === "speed") {
        this.speed = value;
        if (this.timer) this.resume();
        return;
      }
      this.pause();
      this.settings[name] = value;
      if (name === "game") this.start = this.game.start;
      this.renew();
      this.tell(players.summary(this));
    }

    slide(input) {
      this.pause();
      this.settings[input.dataset.slider] = Number(input.value);
      this.later();
    }

    /** From another start, as many rounds; null is the game's own. */
    begin(start, last) {
      this.pause();
      this.start = start ?? this.game.start;
      if (!last) {
        this.later();
        return;
      }
      this.renew();
      this.tell(players.summary(this));
    }

    // What they do

    /** Why a play ends here, or null. */
    get end() {
      const { now, rounds, gone } = this.path;
      const far = players.distance(now);
      if (gone || (this.judged.fate === "out" && far > CORNER)) return "The pair has left the picture.";
      if (this.judged.fate === "in" && Math.hypot(far, ...now.speed) < RESTS) return "The pair has come to rest.";
      return rounds >= MOST ? `${MOST} rounds are played.` : null;
    }

    advance() {
      this.rounds = Math.min(this.rounds, this.path.rounds) + 1;
      this.renew();
      this.tell(players.position(this));
    }

    step() {
      this.pause();
      this.advance();
    }

    /** Play to the end, or pause; at the end, play again from the start. */
    play() {
      if (this.timer) {
        this.pause();
        return;
      }
      if (this.end) this.rounds = 0;
      this.renew();
      if (CALM.matches) this.run();
      else this.resume();
    }

    resume() {
      clearInterval(this.timer);
      this.find('[data-do="play"]').textContent = "Pause";
      // The sentences of a play come too fast to be read aloud: the last one is, when it is no longer busy.
      this.find(".players-told").setAttribute("aria-busy", "true");
      this.timer = setInterval(() => {
        this.advance();
        if (this.end) this.finish();
      }, SPEEDS[this.speed]);
    }

    /** The whole path at once. */
    run() {
      do {
        this.rounds += 1;
        this.path.follow(this.rounds);
      } while (!this.end);
      this.finish();
    }

    finish() {
      this.pause();
      this.renew();
      this.tell(`${this.end} ${players.summary(this)}`);
    }

    pause() {
      clearInterval(this.timer);
      this.timer = null;
      this.find('[data-do="play"]').textContent = CALM.matches ? "Draw path" : "Play";
      this.find('[data-row="speed"]').hidden = CALM.matches;
      this.find(".players-told").removeAttribute("aria-busy");
    }

    reset() {
      this.pause();
      this.rounds = 0;
      this.renew();
      this.tell(players.summary(this));
    }

    /** Bring the path to where settings, start and number of rounds say, and show it. */
    renew() {
      const wanted = JSON.stringify([this.settings, this.start]);
      if (wanted !== this.wanted || this.path.rounds > this.rounds) {
        this.wanted = wanted;
        this.path = new players.Path(this.game, { ...this.settings }, this.start);
        this.judged = players.judge(players.matrix(this.game, this.settings));
      }
      this.path.follow(this.rounds);
      this.show();
    }

    /** Renew at the next frame: a slider and a pointer may move faster than that. */
    later() {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = null;
        this.renew();
      });
    }

    // What is seen

    tell(sentence) {
      this.find(".players-told").textContent = sentence;
    }

    show() {
      const { game, settings, path, judged } = this;
      for (const name of ["wish", "unroll"]) this.find(`[data-row="${name}"]`).hidden = settings.game !== "dirac";
      for (const input of this.all("[data-slider]"))
        input.nextElementSibling.textContent = players.number(settings[input.dataset.slider]);
      this.find("[data-note]").textContent = players.NOTES[settings.game];
      this.find("[data-played]").textContent = players.played(settings);
      this.plane.show(this);
      const label = `The plane of ${game.names.join(" and ")}. Start: ${game.names
        .map((name, n) => `${name} = ${players.number(this.start[n])}`)
        .join(", ")}. One round after the other, the pair ${players.verdict(judged)}.`;
      this.find(".players-plane").setAttribute("aria-label", label);
      this.find("[data-key]").innerHTML = players.key(game, settings);
      this.find("[data-verdict]").textContent = players.capital(players.verdict(judged));
      this.find("[data-verdict]").dataset.fate = judged.fate;
      this.find("[data-size]").textContent = players.capital(players.size(judged));
      this.find("[data-reasons]").textContent = players.reasons(this);
      players.drawCircle(this.find(".players-circle"), judged);
      players.drawDistance(this.find(".players-chart"), path, judged);
      const [numbers, program] = this.all("details");
      if (numbers.open) this.find("table").innerHTML = players.table(game, path, ROWS);
      if (program.open) this.find("pre").textContent = players.python(this);
    }
  }

  players.all = [...document.querySelectorAll(".advnotes-two-players")].map(
    (root, number) => new Players(root, number + 1),
  );
})();
