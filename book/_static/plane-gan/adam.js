// Adam as torch has it, one step as a function, and the way back through that step for the unrolled generator.

(() => {
  const [FIRST, SECOND, EPS] = [0.5, 0.999, 1e-8]; // betas as in the chapter on mode collapse
  const LEAST = 1e-30; // under the root, whose derivative at 0 is infinite: as in unrolled.py

  /** Adam before its first step, for so many weights. */
  const adamStart = (count) => ({ count: 0, mean: new Float64Array(count), square: new Float64Array(count) });

  /** Where a step leads: the weights, Adam's two running means, and the number of steps. */
  function adamStep({ theta, mean, square, count }, gradient, rate) {
    const next = {
      count: count + 1,
      mean: mean.map((m, k) => FIRST * m + (1 - FIRST) * gradient[k]),
      square: square.map((s, k) => SECOND * s + (1 - SECOND) * gradient[k] ** 2),
    };
    const [c, d] = [1 - FIRST ** next.count, 1 - SECOND ** next.count];
    next.theta = theta.map(
      (w, k) => w - (rate * next.mean[k]) / c / (Math.sqrt(Math.max(next.square[k] / d, LEAST)) + EPS),
    );
    return next;
  }

  /**
   * From how a loss depends on what a step led to, how it depends on what went into it.
   *
   * Of the weights it is the same, apart from what goes by way of the gradient: that is the caller's.
   */
  function adamBack(price, after, gradient, rate) {
    const [c, d] = [1 - FIRST ** after.count, 1 - SECOND ** after.count];
    const before = { theta: price.theta, mean: [], square: [], gradient: [] };
    for (const name of ["mean", "square", "gradient"]) before[name] = new Float64Array(gradient.length);
    for (let k = 0; k < gradient.length; k++) {
      const root = Math.sqrt(Math.max(after.square[k] / d, LEAST));
      const step = rate / c / (root + EPS);
      const mean = price.mean[k] - step * price.theta[k];
      const bends = after.square[k] / d > LEAST;
      const slope = bends ? (step * after.mean[k]) / (root + EPS) / (2 * root * d) : 0;
      const square = price.square[k] + slope * price.theta[k];
      before.gradient[k] = (1 - FIRST) * mean + 2 * (1 - SECOND) * gradient[k] * square;
      before.mean[k] = FIRST * mean;
      before.square[k] = SECOND * square;
    }
    return before;
  }

  Object.assign(window.AdvnotesPlane, { adamStart, adamStep, adamBack });
})();
