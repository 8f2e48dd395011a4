// The attack lab's threats and attacks: FGSM and PGD as advnotes.attacks has them, one digit at a time.

(() => {
  const lab = window.AdvnotesLab;
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const length = (values) => Math.sqrt(sum(values.map((value) => value * value)));
  const largest = (values) => values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  const clip = (value, lowest, highest) => Math.min(Math.max(value, lowest), highest);
  const minus = (a, b) => a.map((value, i) => value - b[i]);

  /** The gradient without the pixels that a step would take out of [0, 1] at once. */
  const movable = (gradient, point) =>
    gradient.map((g, i) => ((point[i] <= 0 && g < 0) || (point[i] >= 1 && g > 0) ? 0 : g));

  /** A normally distributed number (Box and Muller); 1 - random() is never 0. */
  const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

  const scaled = (values, factor) => values.map((value) => value * factor);

  // Each threat: the norm; the nearest point of the ball; the direction of norm 1 in which the loss rises
  // most; and a random point of the ball of radius 1.
  const THREATS = {
    linf: {
      norm: largest,
      project: (delta, eps) => delta.map((value) => clip(value, -eps, eps)),
      steepest: (gradient) => gradient.map(Math.sign),
      sample: (size) => Float64Array.from({ length: size }, () => 2 * Math.random() - 1),
    },
    l2: {
      norm: length,
      project: (delta, eps) => {
        const size = length(delta);
        return size <= eps ? delta : scaled(delta, eps / size);
      },
      steepest: (gradient, point) => {
        const free = movable(gradient, point);
        const top = largest(free);
        if (top === 0) return free;
        const even = scaled(free, 1 / top); // the square of a small gradient would round to 0
        return scaled(even, 1 / length(even));
      },
      sample: (size) => {
        const direction = Float64Array.from({ length: size }, normal);
        return scaled(direction, Math.random() ** (1 / size) / length(direction));
      },
    },
    l1: {
      norm: (delta) => sum(delta.map(Math.abs)),
      // Soft thresholding with the threshold that makes the sizes sum to eps (Duchi et al. 2008).
      project: (delta, eps) => {
        const sizes = delta.map(Math.abs);
        if (sum(sizes) <= eps) return delta;
        let total = 0;
        let threshold = 0;
        [...sizes]
          .sort((a, b) => b - a)
          .forEach((size, rank) => {
            total += size;
            const next = (total - eps) / (rank + 1);
            if (size > next) threshold = next;
          });
        return delta.map((value) => Math.sign(value) * Math.max(Math.abs(value) - threshold, 0));
      },
      // The strongest percent of the pixels, all by the same amount.
      steepest: (gradient, point) => {
        const free = movable(gradient, point);
        const strongest = [...free.keys()].sort((a, b) => Math.abs(free[b]) - Math.abs(free[a]));
        const moved = strongest
          .slice(0, Math.max(1, Math.round(0.01 * free.length)))
          .filter((i) => free[i] !== 0);
        const direction = new Float64Array(free.length);
        for (const i of moved) direction[i] = Math.sign(free[i]) / moved.length;
        return direction;
      },
      sample: (size) => {
        // Exponential spacings, normalised, fall uniformly in the simplex; signs spread them over the ball.
        const spacings = Float64Array.from({ length: size + 1 }, () => -Math.log(1 - Math.random()));
        const total = sum(spacings);
        return spacings.slice(0, size).map((spacing) => (Math.random() < 0.5 ? -1 : 1) * (spacing / total));
      },
    },
  };

  /** The way of an attack on one digit: where it was after each step, and what the network read there. */
  class Attack {
    /**
     * @param network what is attacked
     * @param x the digit, 784 numbers in [0, 1]
     * @param y the true class
     * @param settings threat: a key of THREATS; eps: its size; stepSize: in the same unit; start: null, or
     *     a point of the ball of radius 1 from which to begin
     */
    constructor(network, x, y, { threat, eps, stepSize, start }) {
      Object.assign(this, { network, x, y, eps, stepSize, threat: THREATS[threat] });
      this.points = [];
      this.arrive(start ? x.map((pixel, i) => clip(pixel + eps * start[i], 0, 1)) : x);
    }

    arrive(point) {
      const norm = this.threat.norm(minus(point, this.x));
      this.points.push({ point, norm, ...this.network.look(point, this.y) });
    }

    get steps() {
      return this.points.length - 1;
    }

    get now() {
      return this.points[this.steps];
    }

    /** One step up the loss, back into the ball, and back among the pictures. */
    step() {
      const { point } = this.now;
      const direction = this.threat.steepest(this.network.gradient(this.now), point);
      const delta = this.threat.project(
        point.map((pixel, i) => pixel + this.stepSize * direction[i] - this.x[i]),
        this.eps,
      );
      this.arrive(delta.map((change, i) => clip(this.x[i] + change, 0, 1)));
    }
  }

  Object.assign(lab, { THREATS, Attack, minus });
})();
