// The figure itself: its controls, and what they do. One for each <div class="advnotes-threats">.

(() => {
  const threats = window.AdvnotesThreats;
  const { LOW, HIGH, RANGE, RUN, plus, minus, clip } = threats;
  const PAUSE = 700; // milliseconds between two steps of a run
  const MOST = 40; // steps
  const CALM = window.matchMedia("(prefers-reduced-motion: reduce)");
  // What can be moved in each view; the last one also goes where the plane is clicked.
  const MOVED = { step: ["x", "tip"], projection: ["x", "point"], pgd: ["x", "start"] };
  const HANDLES = {
    x: { label: "The input x", sign: "x" },
    tip: { label: "Tip of the gradient", sign: "gradient" },
    point: { label: "The point to be projected", sign: "point" },
    start: { label: "Where PGD starts", sign: "start" },
  };

  class Figure {
    constructor(root, number) {
      const id = `threats-${number}`;
      Object.assign(this, { view: "step", norm: "linf", eps: 0.3, alpha: 0.2, others: true, range: RANGE });
      // Gradient and start are kept relative to x, and go with it; the point to be projected stays where it is.
      Object.assign(this, {
        x: [0.55, 0.45],
        gradient: [0.36, 0.15],
        point: [0.95, 0.63],
        off: [-0.1, 0.05],
      });
      this.steps = 0;
      this.find = (selector) => root.querySelector(selector);
      this.all = (selector) => [...root.querySelectorAll(selector)];
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", "Threats in the plane");
      root.innerHTML = threats.template(id, this);
      const box = this.find(".threats-plane");
      this.handles = Object.fromEntries(
        Object.entries(HANDLES).map(([name, words]) => {
          const move = (point, more) => this.move(name, point, more);
          return [name, new threats.Handle(box, { name, ...words, hint: `${id}-hint` }, move)];
        }),
      );
      this.lines = threats.landscape(this.find("canvas"));
      this.wire();
      this.show();
    }

    wire() {
      for (const input of this.all("[data-setting]"))
        input.addEventListener("change", () => this.set({ [input.dataset.setting]: input.value }));
      for (const input of this.all("[data-slider]")) {
        const set = (more) => this.set({ [input.dataset.slider]: Number(input.value) }, more);
        input.addEventListener("input", () => set(true));
        input.addEventListener("change", () => set(false));
      }
      this.find("[data-check=others]").addEventListener("change", ({ target }) =>
        this.set({ others: target.checked }),
      );
      this.find("[data-check=range]").addEventListener("change", ({ target }) =>
        this.set({ range: target.checked ? RANGE : null }),
      );
      for (const button of this.all("[data-do]"))
        button.addEventListener("click", () => this[button.dataset.do]());
      this.find("svg").addEventListener("click", (event) => {
        const box = this.find(".threats-plane");
        this.move(MOVED[this.view].at(-1), threats.snap(clip(threats.place(box, event), LOW, HIGH)), false);
      });
    }

    /** Change settings; `more` where further changes follow at once, so that they are not all read aloud. */
    set(settings, more = false) {
      this.pause();
      Object.assign(this, settings);
      this.show(more);
    }

    move(name, point, more) {
      if (name === "x") {
        const x = clip(point, ...RANGE);
        const tip = clip(plus(x, this.gradient), LOW, HIGH);
        this.set({ x, gradient: threats.snap(minus(tip, x)) }, more);
      } else if (name === "tip") this.set({ gradient: threats.snap(minus(point, this.x)) }, more);
      else if (name === "point") this.set({ point }, more);
      else this.set({ off: threats.snap(minus(point, this.x)), steps: 0 }, more);
    }

    /** Where PGD starts: the chosen place, brought into the ball and the range. */
    get start() {
      return threats.back(this.norm, plus(this.x, this.off), this.x, this.eps, this.range);
    }

    step() {
      this.pause();
      this.advance();
    }

    advance() {
      if (this.steps >= MOST) return;
      this.steps += 1;
      this.show(Boolean(this.timer));
      this.travel();
    }

    run() {
      if (this.timer) {
        this.pause();
        return;
      }
      const end = Math.min(this.steps + RUN, MOST);
      if (CALM.matches) {
        this.set({ steps: end });
        return;
      }
      this.find('[data-do="run"]').textContent = "Pause";
      this.timer = setInterval(() => {
        this.advance();
        if (this.steps >= end) this.pause();
      }, PAUSE);
      this.advance();
    }

    pause() {
      if (!this.timer) return;
      clearInterval(this.timer);
      this.timer = null;
      this.find('[data-do="run"]').textContent = `Run ${RUN} steps`;
      this.find(".threats-told").removeAttribute("aria-busy");
    }

    reset() {
      this.set({ steps: 0 });
    }

    /** Move the dot along the last step, out and back. */
    travel() {
      if (CALM.matches) return;
      const { points, steps, now } = this.ascent;
      const from = ([a, b]) => `translate(${threats.UNIT * a}px, ${-threats.UNIT * b}px)`;
      const way = [points[steps - 1].point, now.end, now.end, now.point];
      this.find("svg > .threats-now").animate(
        way.map((point) => ({ transform: from(minus(point, now.point)) })),
        { duration: 0.8 * PAUSE, easing: "ease-in-out" },
      );
    }

    /** The picture, the words and the table, as the settings say. */
    show(more = false) {
      const { x, gradient, point, view } = this;
      this.ascent = new threats.Ascent(this, threats.look);
      while (this.ascent.steps < this.steps) this.ascent.step();
      threats.draw(this.find("svg"), this);
      const ball = `the ${threats.NORMS[this.norm].name} ball of radius ${threats.number(this.eps)} around it`;
      this.find("svg").setAttribute("aria-label", `The plane, with x at ${threats.pair(x)} and ${ball}.`);
      const places = { x, tip: plus(x, gradient), point, start: this.start };
      const up = places[MOVED[view].at(-1)][1] >= x[1]; // x has its word on the other side
      for (const [name, handle] of Object.entries(this.handles)) {
        handle.element.hidden = !MOVED[view].includes(name);
        handle.show(places[name], (name === "x") !== up);
      }
      for (const part of this.all("[data-only]")) part.hidden = part.dataset.only !== view;
      this.find('[data-row="alpha"]').hidden = view === "projection";
      this.find("canvas").hidden = view !== "pgd";
      for (const input of this.all("[data-slider]"))
        input.nextElementSibling.textContent = threats.number(this[input.dataset.slider]);
      const told = this.find(".threats-told");
      if (more) told.setAttribute("aria-busy", "true");
      told.textContent = threats.words[view](this);
      if (!more) told.removeAttribute("aria-busy");
      this.showTable();
    }

    showTable() {
      const { head, body, chosen } = threats.rows(this);
      const row = (cells, k) => {
        const [first, ...rest] = cells;
        const others = rest.map((cell) => `<td>${cell}</td>`).join("");
        return `<tr ${k === chosen ? 'class="threats-chosen"' : ""}><th scope="row">${first}</th>${others}</tr>`;
      };
      this.find("thead").innerHTML =
        `<tr>${head.map((name) => `<th scope="col">${name}</th>`).join("")}</tr>`;
      this.find("tbody").innerHTML = body.map(row).join("");
      const scroll = this.find(".threats-scroll");
      scroll.scrollTop = scroll.scrollHeight;
    }
  }

  threats.figures = [...document.querySelectorAll(".advnotes-threats")].map(
    (root, number) => new Figure(root, number + 1),
  );
})();
