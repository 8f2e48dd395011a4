// One's own data: dots put into the plane by mouse, finger or keyboard.

(() => {
  const plane = window.AdvnotesPlane;
  const { SIDE, SIZE } = plane;
  const APART = 0.25; // between the dots that a drag leaves
  const MOST = 60;
  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const inside = (at) => Math.min(Math.max(at, -SIDE), SIDE);

  class Dots {
    /**
     * @param canvas where the dots are put
     * @param told.changed called when there are more or fewer; told.mark called with a sentence on the keyboard's mark
     */
    constructor(canvas, told) {
      Object.assign(this, { canvas, told, centres: [], mark: [0, 0], active: false, pointer: null });
      canvas.addEventListener("pointerdown", (event) => this.press(event));
      canvas.addEventListener("pointermove", (event) => this.drag(event));
      for (const end of ["pointerup", "pointercancel"])
        canvas.addEventListener(end, (event) => this.lift(event));
      canvas.addEventListener("keydown", (event) => this.key(event));
      for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.told.mark());
    }

    /** The canvas takes dots, or is a picture again. */
    activate(active, help) {
      this.active = active;
      this.canvas.classList.toggle("gan-drawable", active);
      this.canvas.setAttribute("role", active ? "application" : "img");
      if (active) {
        this.canvas.setAttribute("aria-describedby", help);
        this.canvas.tabIndex = 0;
      } else {
        this.canvas.removeAttribute("aria-describedby");
        this.canvas.removeAttribute("tabindex");
      }
    }

    put(at) {
      if (this.centres.length >= MOST) return;
      this.centres.push(at.map(inside));
      this.told.changed(false);
    }

    place({ clientX, clientY }) {
      const box = this.canvas.getBoundingClientRect();
      return [
        SIDE * ((2 * (clientX - box.left)) / box.width - 1),
        SIDE * (1 - (2 * (clientY - box.top)) / box.height),
      ];
    }

    press(event) {
      if (!this.active || event.button !== 0 || this.pointer !== null) return;
      this.canvas.setPointerCapture(event.pointerId);
      this.pointer = event.pointerId;
      this.put(this.place(event));
    }

    drag(event) {
      if (event.pointerId !== this.pointer) return;
      const at = this.place(event);
      const last = this.centres.at(-1);
      if (!last || Math.hypot(at[0] - last[0], at[1] - last[1]) >= APART) this.put(at);
    }

    lift(event) {
      if (event.pointerId !== this.pointer) return;
      this.pointer = null;
      this.told.changed(true);
    }

    key(event) {
      if (!this.active) return;
      const way = KEYS[event.key];
      if (way) {
        const far = event.shiftKey ? 1 : 0.25;
        this.mark = this.mark.map((at, axis) => inside(at + far * way[axis]));
        this.told.mark(`The mark is ${this.mark[0]} across and ${this.mark[1]} up.`);
      } else if (event.key === " " || event.key === "Enter") {
        this.put(this.mark);
        this.told.changed(true);
      } else if (event.key === "Backspace") {
        this.undo();
      } else {
        return;
      }
      event.preventDefault(); // the keys would scroll the page
    }

    undo() {
      this.centres.pop();
      this.told.changed(true);
    }

    clear() {
      this.centres.length = 0; // the game holds the same list
      this.told.changed(true);
    }

    /** The keyboard's mark, while the plane has the focus. */
    paint() {
      if (!this.active || !this.canvas.matches(":focus-visible")) return;
      const context = this.canvas.getContext("2d");
      const [x, y] = [plane.across(this.mark[0]), plane.down(this.mark[1])];
      Object.assign(context, { strokeStyle: getComputedStyle(this.canvas).color, lineWidth: 2 });
      context.strokeRect(x - SIZE / 56, y - SIZE / 56, SIZE / 28, SIZE / 28);
    }
  }

  plane.Dots = Dots;
})();
