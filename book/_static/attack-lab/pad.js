// The attack lab's drawing pad: strokes by mouse, finger or keyboard, and the digit that is made of them.

(() => {
  const lab = window.AdvnotesLab;
  const { SIDE } = lab;
  const PEN = 1.75; // pixels from the middle of a stroke to where its ink ends
  const BOX = 20; // MNIST's digits were scaled to so many pixels, and then centred by their ink
  const ZOOM = 10;
  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  /** How far a point is from the straight line between two others. */
  function distance(x, y, [ax, ay], [bx, by]) {
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const along = length
      ? Math.min(Math.max(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0), 1)
      : 0;
    return Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay));
  }

  /** The ink that strokes leave: 784 numbers in [0, 1]. */
  function ink(strokes) {
    const pixels = new Float64Array(SIDE * SIDE);
    for (const stroke of strokes) {
      stroke.forEach((point, n) => {
        const before = stroke[Math.max(n - 1, 0)];
        for (let i = 0; i < pixels.length; i++) {
          const far = distance((i % SIDE) + 0.5, Math.floor(i / SIDE) + 0.5, before, point);
          pixels[i] = Math.max(pixels[i], Math.min(Math.max(PEN - far, 0), 1));
        }
      });
    }
    return pixels;
  }

  const moved = (strokes, move) => strokes.map((stroke) => stroke.map(move));

  /** The strokes as MNIST would have them: scaled to its box, the middle of their ink in the middle. */
  function centred(strokes) {
    const [xs, ys] = [0, 1].map((axis) => strokes.flat().map((point) => point[axis]));
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const scale = Math.min((BOX - 2) / Math.max(right - left, bottom - top, 1), 3);
    const middle = SIDE / 2;
    const scaled = moved(strokes, ([x, y]) => [
      middle + scale * (x - (left + right) / 2),
      middle + scale * (y - (top + bottom) / 2),
    ]);
    const pixels = ink(scaled);
    const total = pixels.reduce((a, b) => a + b, 0);
    const mean = (place) => pixels.reduce((sum, value, i) => sum + value * (place(i) + 0.5), 0) / total;
    const [dx, dy] = [middle - mean((i) => i % SIDE), middle - mean((i) => Math.floor(i / SIDE))];
    return moved(scaled, ([x, y]) => [x + dx, y + dy]);
  }

  class Pad {
    /**
     * @param canvas where to draw
     * @param told.drawn called with the digit, or null, when a stroke has grown; and if the pen was lifted
     * @param told.pen called with a sentence on where the keyboard's pen is
     */
    constructor(canvas, told) {
      Object.assign(this, { canvas, told, strokes: [], cursor: [14, 6], down: false, pointer: null });
      canvas.width = canvas.height = SIDE * ZOOM;
      canvas.addEventListener("pointerdown", (event) => this.press(event));
      canvas.addEventListener("pointermove", (event) => this.drag(event));
      for (const end of ["pointerup", "pointercancel"])
        canvas.addEventListener(end, (event) => this.lift(event));
      canvas.addEventListener("keydown", (event) => this.key(event));
      for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.paint());
      this.paint();
    }

    place({ clientX, clientY }) {
      const box = this.canvas.getBoundingClientRect();
      return [((clientX - box.left) / box.width) * SIDE, ((clientY - box.top) / box.height) * SIDE];
    }

    press(event) {
      if (event.button !== 0 || this.pointer !== null) return;
      this.canvas.setPointerCapture(event.pointerId);
      this.pointer = event.pointerId;
      this.down = false;
      this.strokes.push([this.place(event)]);
      this.changed(false);
    }

    drag(event) {
      if (event.pointerId !== this.pointer) return;
      this.strokes.at(-1).push(this.place(event));
      this.changed(false);
    }

    lift(event) {
      if (event.pointerId !== this.pointer) return;
      this.pointer = null;
      this.changed(true);
    }

    key(event) {
      const way = KEYS[event.key];
      if (way) {
        const far = event.shiftKey ? 4 : 1;
        this.cursor = this.cursor.map((at, axis) => Math.min(Math.max(at + far * way[axis], 0), SIDE - 1));
        if (this.down) this.strokes.at(-1).push(this.pen());
        this.told.pen(
          `Row ${this.cursor[1] + 1}, column ${this.cursor[0] + 1}, pen ${this.down ? "down" : "up"}.`,
        );
        if (this.down) this.changed(false);
      } else if (event.key === " " || event.key === "Enter") {
        this.down = !this.down;
        if (this.down) {
          this.strokes.push([this.pen()]);
          this.told.pen("Pen down: the arrow keys draw.");
        }
        this.changed(!this.down);
      } else if (event.key === "Backspace") {
        this.undo();
      } else {
        return;
      }
      event.preventDefault(); // the keys would scroll the page
      this.paint();
    }

    /** The middle of the pixel under the keyboard's pen. */
    pen() {
      return this.cursor.map((at) => at + 0.5);
    }

    undo() {
      this.strokes.pop();
      this.down = false;
      this.changed(true);
    }

    clear() {
      this.strokes = [];
      this.down = false;
      this.changed(true);
    }

    changed(lifted) {
      this.paint();
      this.told.drawn(this.strokes.length ? ink(centred(this.strokes)) : null, lifted);
    }

    paint() {
      const context = this.canvas.getContext("2d");
      lab.paint(this.canvas, ink(this.strokes));
      if (this.strokes.length === 0) {
        Object.assign(context, { fillStyle: "#a3abb8", font: "20px sans-serif", textAlign: "center" });
        context.fillText("draw here", this.canvas.width / 2, this.canvas.height / 2);
      }
      if (this.canvas.matches(":focus-visible")) {
        context.strokeStyle = this.down ? "#f2a56d" : "#7fbcec";
        context.lineWidth = 3;
        context.strokeRect(this.cursor[0] * ZOOM - 2, this.cursor[1] * ZOOM - 2, ZOOM + 4, ZOOM + 4);
      }
    }
  }

  lab.Pad = Pad;
})();
