// The threats in the plane: norms, steepest steps and projections, as advnotes.threats has them.
//
// These are classic scripts that share one global object: a page opened from the disk may load no modules.

window.AdvnotesThreats = window.AdvnotesThreats || {};

(() => {
  const RANGE = [0, 1]; // of each coordinate, as of a pixel
  const sizes = (vector) => vector.map(Math.abs);
  const sum = ([a, b]) => a + b;
  const largest = (vector) => Math.max(...sizes(vector));
  const length = (vector) => Math.hypot(...vector);
  const plus = (a, b) => a.map((value, i) => value + b[i]);
  const minus = (a, b) => a.map((value, i) => value - b[i]);
  const times = (factor, vector) => vector.map((value) => factor * value);
  const clip = (vector, lowest, highest) => vector.map((value) => Math.min(Math.max(value, lowest), highest));

  /** The gradient without the coordinates that a step would take out of the range at once. */
  const movable = (gradient, point, range) =>
    gradient.map((g, i) =>
      range && ((point[i] <= range[0] && g < 0) || (point[i] >= range[1] && g > 0)) ? 0 : g,
    );

  // Each norm: itself and its dual; the nearest point of the ball; and the direction of norm 1 that gains most.
  const NORMS = {
    linf: {
      name: "L∞",
      norm: largest,
      dual: (gradient) => sum(sizes(gradient)),
      project: (delta, eps) => clip(delta, -eps, eps),
      // A blocked coordinate takes nothing from the other one here, so the range need not be looked at.
      steepest: (gradient) => gradient.map(Math.sign),
    },
    l2: {
      name: "L2",
      norm: length,
      dual: length,
      project: (delta, eps) => (length(delta) <= eps ? delta : times(eps / length(delta), delta)),
      steepest: (gradient, point, range) => {
        const free = movable(gradient, point, range);
        return length(free) > 0 ? times(1 / length(free), free) : free;
      },
    },
    l1: {
      name: "L1",
      norm: (delta) => sum(sizes(delta)),
      dual: largest,
      // The same amount off both sizes, none past zero, so that they sum to eps: of two coordinates, either both stay
      // or only the larger one does.
      project: (delta, eps) => {
        if (sum(sizes(delta)) <= eps) return delta;
        const amount = Math.max(largest(delta) - eps, (sum(sizes(delta)) - eps) / 2);
        return delta.map((value) => Math.sign(value) * Math.max(Math.abs(value) - amount, 0));
      },
      // The package moves the strongest hundredth of the coordinates, at least one: of two, it is one.
      steepest: (gradient, point, range) => {
        const [a, b] = movable(gradient, point, range);
        return Math.abs(a) >= Math.abs(b) ? [Math.sign(a), 0] : [0, Math.sign(b)];
      },
    },
  };

  /** What brings the end of a step back: the projection onto the ball around x, and then the range's, if any. */
  function back(norm, point, x, eps, range) {
    const inside = plus(x, NORMS[norm].project(minus(point, x), eps));
    return range ? clip(inside, ...range) : inside;
  }

  /** PGD from a start: where each step set out, with the loss and the gradient there; where it led before the way back. */
  class Ascent {
    constructor({ norm, x, eps, alpha, range, start }, look) {
      Object.assign(this, { norm, x, eps, alpha, range, look });
      this.points = [{ point: start, ...look(start) }];
    }

    get steps() {
      return this.points.length - 1;
    }

    get now() {
      return this.points[this.steps];
    }

    step() {
      const { point, gradient } = this.now;
      const end = plus(point, times(this.alpha, NORMS[this.norm].steepest(gradient, point, this.range)));
      const next = back(this.norm, end, this.x, this.eps, this.range);
      this.points.push({ end, point: next, ...this.look(next) });
    }
  }

  Object.assign(window.AdvnotesThreats, {
    ...{ RANGE, NORMS, Ascent, back },
    ...{ plus, minus, times, clip, length, movable },
  });
})();
