// The attack lab itself: its controls, and what they do. One for each <div class="advnotes-attack-lab">.
//
// Its attributes: data-form="small" has stored digits only, and neither threats nor methods to choose from;
// data-digit (a test digit's index), data-network, data-method, data-threat and data-eps say how it begins.

(() => {
  const lab = window.AdvnotesLab;
  const { RUN } = lab;
  // The sizes of each threat: the least, the most, the slider's step, and the first.
  const SIZES = { linf: [0.01, 0.5, 0.01, 0.3], l2: [0.1, 6, 0.1, 2.5], l1: [1, 60, 1, 20] };
  const SHARES = [1 / 80, 1 / 40, 1 / 20, 1 / 10, 1 / 5, 1 / 2, 1, 2]; // of eps, as in the chapter on PGD
  const MOST = 60; // steps: more change little, and all are computed again where a slider moves
  const PAUSE = 160; // milliseconds between two steps of a run
  const CALM = window.matchMedia("(prefers-reduced-motion: reduce)");

  const loaded = {}; // a promise of each network that was asked for
  const packed = {};
  const folder = new URL(".", document.currentScript.src);

  lab.receive = (name, network) => {
    packed[name] = network;
  };

  /** The network of that name; its weights are a script, since a page from the disk may not fetch a file. */
  function load(name) {
    loaded[name] ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(`${name}.js`, folder);
      script.onload = () => resolve(new lab.Network(packed[name]));
      script.onerror = () => reject(new Error(`the weights of the ${name} network could not be loaded`));
      document.head.append(script);
    });
    return loaded[name];
  }

  class Lab {
    constructor(root, number) {
      const { form, digit = 0, network = "natural", method = "pgd", threat = "linf", eps } = root.dataset;
      const id = `attack-lab-${number}`;
      this.settings = { digit: Number(digit), network, method, threat, start: null };
      this.sizes = Object.fromEntries(Object.keys(SIZES).map((name) => [name, SIZES[name][3]]));
      if (eps) this.sizes[threat] = Number(eps);
      this.share = 1 / 10;
      this.steps = 0;
      this.networks = {};
      this.attacks = {}; // on each network that is loaded, with the same settings
      this.find = (selector) => root.querySelector(selector);
      this.all = (selector) => [...root.querySelectorAll(selector)];
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", "Attack lab");
      root.innerHTML = lab.template(id, this.settings, form === "small");
      this.bars = new lab.Bars(this.find(".lab-bars"));
      this.wire();
      this.take(this.settings.digit);
      this.showSliders();
      const wanted =
        form === "small"
          ? [network]
          : [network, ...Object.keys(lab.NETWORKS).filter((name) => name !== network)];
      for (const name of wanted) this.use(name);
    }

    /** Load a network, and attack it too. */
    async use(name) {
      try {
        this.networks[name] ??= await load(name);
      } catch (error) {
        this.tell(`Sorry, ${error.message}.`);
        return;
      }
      this.renew();
      if (name !== this.network) return;
      if (this.pad?.strokes.length)
        this.pad.changed(true); // drawn before there was a network to read it
      else this.tell(lab.lastStep(this));
    }

    get attack() {
      return this.attacks[this.settings.network];
    }

    get network() {
      return this.settings.network;
    }

    wire() {
      for (const input of this.all("[data-setting]")) {
        input.addEventListener("change", () => this.choose(input.dataset.setting, input.value));
      }
      for (const input of this.all("[data-slider]")) {
        input.addEventListener("input", () => this.slide(input));
        input.addEventListener("change", () => this.tellAgain());
      }
      for (const button of this.all("[data-do]"))
        button.addEventListener("click", () => this[button.dataset.do]());
      this.find("[data-start]").addEventListener("change", () => this.reset());
      for (const [n, canvas] of this.all(".lab-thumb canvas").entries())
        lab.paint(canvas, pixels(lab.digits[n]));
      const truth = this.find("[data-truth]");
      truth?.addEventListener("change", () => {
        this.y = Number(truth.value);
        this.reset();
      });
      if (this.find(".lab-pad")) {
        this.pad = new lab.Pad(this.find(".lab-pad"), {
          drawn: (x, lifted) => this.draw(x, lifted),
          pen: (sentence) => this.tell(sentence),
        });
      }
    }

    // What is attacked

    /** Take one of the stored digits. */
    take(index) {
      this.settings.digit = index;
      this.digit = lab.digits.find((digit) => digit.index === index);
      this.x = pixels(this.digit);
      this.y = this.digit.label;
      for (const input of this.all('[data-setting="digit"]')) input.checked = Number(input.value) === index;
      if (this.pad) {
        this.pad.strokes = [];
        this.pad.paint();
        this.find(".lab-truth").hidden = true;
      }
    }

    /** Take what was drawn; with nothing drawn, the stored digit from before. */
    draw(x, lifted) {
      const network = this.networks[this.network];
      if (!network) return;
      this.pause();
      this.steps = 0;
      if (x === null) {
        this.take(this.settings.digit);
      } else {
        this.digit = null;
        this.x = x;
        this.y = network.look(x, 0).said;
        for (const input of this.all('[data-setting="digit"]')) input.checked = false;
        this.find(".lab-truth").hidden = false;
        this.find("[data-truth]").value = String(this.y);
      }
      this.later();
      if (!lifted) return;
      if (this.digit) this.tell(`The pad is empty: back to the stored ${this.y}.`);
      else this.tell(`Drawn. The network reads ${this.y}. If that is not what you drew, say what it is.`);
    }

    undo() {
      this.pad.undo();
    }

    clear() {
      this.pad.clear();
    }

    // How it is attacked

    choose(name, value) {
      this.pause();
      if (name === "digit") {
        this.take(Number(value));
        this.reset();
        return;
      }
      this.settings[name] = value;
      if (value === "fgsm") this.steps = Math.min(this.steps, 1);
      if (name !== "network") this.drawStart(); // a random point of another ball
      this.showSliders();
      if (name === "network" && !this.networks[value]) this.use(value);
      else this.tellAgain();
    }

    slide(input) {
      this.pause();
      if (input.dataset.slider === "eps") this.sizes[this.settings.threat] = Number(input.value);
      else this.share = SHARES[Number(input.value)];
      this.showSliders();
      this.later();
    }

    drawStart() {
      const random = this.settings.method === "pgd" && this.find("[data-start]").checked;
      this.settings.start = random ? lab.THREATS[this.settings.threat].sample(this.x.length) : null;
    }

    // What it does

    step() {
      this.pause();
      this.advance();
    }

    advance() {
      if (!this.attack) return;
      const most = this.settings.method === "fgsm" ? 1 : MOST;
      if (this.steps >= most) {
        this.tell(
          most === 1
            ? "FGSM has taken its one step. Change ε, or reset."
            : `${MOST} steps are enough. Reset.`,
        );
        return;
      }
      this.steps += 1;
      this.renew();
      this.tell(lab.lastStep(this));
    }

    run() {
      if (this.timer) {
        this.pause();
        return;
      }
      const end = Math.min(this.steps + RUN, MOST);
      if (!this.attack || this.steps >= end) {
        this.advance();
      } else if (CALM.matches) {
        this.steps = end;
        this.tellAgain();
      } else {
        this.find('[data-do="run"]').textContent = "Pause";
        // The sentences of a run come too fast to be read aloud: the last one is, when it is no longer busy.
        this.find(".lab-told").setAttribute("aria-busy", "true");
        this.timer = setInterval(() => {
          this.advance();
          if (this.steps >= end) this.pause();
        }, PAUSE);
      }
    }

    pause() {
      clearInterval(this.timer);
      this.timer = null;
      this.find('[data-do="run"]').textContent = `Run ${RUN} steps`;
      this.find(".lab-told").removeAttribute("aria-busy");
    }

    /** Back to the digit, or to another random point of the ball. */
    reset() {
      this.pause();
      this.steps = 0;
      this.drawStart();
      this.tellAgain();
    }

    /** Bring the attacks to where the settings and the number of steps say: from where they are, or anew. */
    renew() {
      const { threat, method, start } = this.settings;
      const eps = this.sizes[threat];
      const stepSize = method === "fgsm" ? eps : this.share * eps;
      const wanted = { x: this.x, y: this.y, threat, eps, stepSize, start };
      const same = Object.keys(wanted).every((key) => wanted[key] === this.wanted?.[key]);
      this.wanted = wanted;
      for (const [name, network] of Object.entries(this.networks)) {
        const kept = same && this.attacks[name]?.steps <= this.steps;
        if (!kept) this.attacks[name] = new lab.Attack(network, this.x, this.y, wanted);
        while (this.attacks[name].steps < this.steps) this.attacks[name].step();
      }
      if (this.attack) lab.show(this);
    }

    /** Renew at the next frame: a slider moves, and a pen draws, faster than attacks can be computed. */
    later() {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = null;
        this.renew();
      });
    }

    // What is seen

    tell(sentence) {
      this.find(".lab-told").textContent = sentence;
    }

    tellAgain() {
      this.renew();
      if (this.attack) this.tell(lab.lastStep(this));
    }

    showSliders() {
      const { method, threat } = this.settings;
      const [least, most, step] = SIZES[threat];
      const eps = this.sizes[threat];
      const [size, share] = [this.find('[data-slider="eps"]'), this.find('[data-slider="share"]')];
      Object.assign(size, { min: least, max: most, step, value: eps });
      Object.assign(share, { min: 0, max: SHARES.length - 1, step: 1, value: SHARES.indexOf(this.share) });
      const part =
        this.share < 1 ? `ε/${Math.round(1 / this.share)}` : this.share === 1 ? "ε" : `${this.share} ε`;
      size.nextElementSibling.textContent = lab.size(eps);
      share.nextElementSibling.textContent = `${part} = ${lab.size(this.share * eps)}`;
      share.setAttribute("aria-valuetext", share.nextElementSibling.textContent);
      for (const name of ["share", "start"]) this.find(`[data-row="${name}"]`).hidden = method === "fgsm";
      this.find('[data-do="run"]').hidden = method === "fgsm";
      this.find('[data-do="step"]').textContent = method === "fgsm" ? "Take the step" : "Step";
    }
  }

  const pixels = ({ pixels: text }) => Float64Array.from(lab.bytes(text), (byte) => byte / 255);

  lab.labs = [...document.querySelectorAll(".advnotes-attack-lab")].map(
    (root, number) => new Lab(root, number + 1),
  );
})();
