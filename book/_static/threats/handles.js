// What can be moved in the picture: by mouse or finger, and by the arrow keys.

(() => {
  const threats = window.AdvnotesThreats;
  const { LOW, HIGH, clip, pair } = threats;
  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const FINE = 0.01; // all places are multiples of it, so that what is said is what is computed
  const COARSE = 0.05; // by keyboard with Shift

  const snap = (point) => point.map((value) => Math.round(value / FINE) / Math.round(1 / FINE));

  /** The place of a pointer in the picture. */
  function place(box, { clientX, clientY }) {
    const { left, top, width, height } = box.getBoundingClientRect();
    return [
      LOW + ((HIGH - LOW) * (clientX - left)) / width,
      HIGH - ((HIGH - LOW) * (clientY - top)) / height,
    ];
  }

  class Handle {
    /**
     * @param box the element in which the handle lies
     * @param name a word for the style sheet, and `label` one for the reader
     * @param move called with the wanted place, and whether more is to come
     */
    constructor(box, { name, label, sign, hint }, move) {
      Object.assign(this, { box, move, grip: null });
      this.element = document.createElement("div");
      Object.assign(this.element, { className: `threats-handle threats-handle-${name}`, tabIndex: 0 });
      this.element.dataset.handle = name;
      const attributes = {
        role: "slider",
        "aria-label": label,
        "aria-roledescription": "point in the plane",
      };
      for (const [key, value] of Object.entries({ ...attributes, "aria-describedby": hint }))
        this.element.setAttribute(key, value);
      this.element.innerHTML = `<i></i><b aria-hidden="true">${sign}</b>`;
      this.element.addEventListener("pointerdown", (event) => this.press(event));
      this.element.addEventListener("pointermove", (event) => this.drag(event));
      for (const end of ["pointerup", "pointercancel"])
        this.element.addEventListener(end, (event) => this.lift(event));
      this.element.addEventListener("keydown", (event) => this.key(event));
      box.append(this.element);
    }

    /** Show the handle at a place, its word above or below, and not beyond the picture's sides. */
    show(point, above) {
      this.point = point;
      const [left, top] = [point[0] - LOW, HIGH - point[1]].map((value) => (100 * value) / (HIGH - LOW));
      Object.assign(this.element.style, { left: `${left}%`, top: `${top}%` });
      this.element.style.setProperty("--left", `${-left}%`);
      this.element.style.setProperty("--down", above ? -1 : 1);
      const [least, most] = [LOW, HIGH].map(String);
      const values = { now: String(point[0]), min: least, max: most, text: pair(point) };
      for (const [key, value] of Object.entries(values)) this.element.setAttribute(`aria-value${key}`, value);
    }

    press(event) {
      if (event.button !== 0 || this.grip) return;
      this.element.setPointerCapture(event.pointerId);
      const start = place(this.box, event);
      // The handle is held where it was touched, and does not jump to the pointer.
      this.grip = { id: event.pointerId, off: this.point.map((value, axis) => value - start[axis]) };
    }

    drag(event) {
      if (event.pointerId !== this.grip?.id) return;
      const at = place(this.box, event).map((value, axis) => value + this.grip.off[axis]);
      this.grip.last = snap(clip(at, LOW, HIGH));
      this.move(this.grip.last, true);
    }

    lift(event) {
      if (event.pointerId !== this.grip?.id) return;
      const { last } = this.grip;
      this.grip = null;
      if (last) this.move(last, false);
    }

    key(event) {
      const way = KEYS[event.key];
      if (!way) return;
      event.preventDefault(); // the keys would scroll the page
      const far = event.shiftKey ? COARSE : FINE;
      this.move(
        snap(
          clip(
            this.point.map((value, axis) => value + far * way[axis]),
            LOW,
            HIGH,
          ),
        ),
        false,
      );
    }
  }

  Object.assign(threats, { Handle, place, snap });
})();
