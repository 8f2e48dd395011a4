// The losses of the GAN in the plane and their gradients: the discriminator's with R1, the generator's unrolled.
// The formulas are those of advnotes.gan: standard.py, r1.py and unrolled.py. Everything is computed in float64.

(() => {
  const plane = window.AdvnotesPlane;

  const sigmoid = (l) => (l >= 0 ? 1 / (1 + Math.exp(-l)) : Math.exp(l) / (1 + Math.exp(l)));
  const softplus = (l) => Math.max(l, 0) + Math.log1p(Math.exp(-Math.abs(l)));

  /** Two batches in one. */
  function both(real, fake) {
    const x = new Float64Array(real.length + fake.length);
    x.set(real);
    x.set(fake, real.length);
    return x;
  }

  /** The discriminator's loss from its logits, the first `n` of which are of real points; slopes and curvatures. */
  function judge(logits, n) {
    const m = logits.length - n;
    let loss = 0;
    const slopes = logits.map((l, i) => (i < n ? -sigmoid(-l) / n : sigmoid(l) / m));
    const curvatures = logits.map((l, i) => (sigmoid(l) * sigmoid(-l)) / (i < n ? n : m));
    logits.forEach((l, i) => (loss += i < n ? softplus(-l) / n : softplus(l) / m));
    return { loss, slopes, curvatures };
  }

  /** R1: half the mean squared length of the logit's gradient at real points, and its gradient in the weights. */
  function penalise(shape, theta, real) {
    const values = shape.forward(theta, real);
    const n = values.at(-1).length;
    const ones = new Float64Array(n).fill(1);
    const { input } = shape.backward(theta, values, ones);
    // The gradient of g(x)·u in the weights, with u held at g(x), is how fast that of the logit changes along u.
    const move = { input: input.map((slope) => slope / n) };
    const speeds = shape.forwardSpeed(theta, values, move);
    const gradient = shape.backwardSpeed(theta, values, ones, move, speeds, new Float64Array(n));
    return { penalty: input.reduce((sum, slope) => sum + slope * slope, 0) / (2 * n), theta: gradient.theta };
  }

  /** The discriminator's loss, without the penalty, and the gradient of both together. */
  function discriminatorLoss(shape, theta, real, fake, gamma) {
    const values = shape.forward(theta, both(real, fake));
    const { loss, slopes } = judge(values.at(-1), real.length / 2);
    const gradient = shape.backward(theta, values, slopes).theta;
    if (gamma > 0) {
      const { theta: steeper } = penalise(shape, theta, real);
      for (let k = 0; k < gradient.length; k++) gradient[k] += gamma * steeper[k];
    }
    return { loss, gradient };
  }

  /** What the generator's loss makes of the logits; minimax looks at real points too, as unrolled.py does. */
  function please(logits, n, minimax) {
    if (minimax) {
      const { loss, slopes } = judge(logits, n);
      return { loss: -loss, slopes: slopes.map((slope) => -slope) };
    }
    const m = logits.length - n;
    let loss = 0;
    const slopes = logits.map((l, i) => (i < n ? 0 : -sigmoid(-l) / m));
    logits.forEach((l, i) => (loss += i < n ? 0 : softplus(-l) / m));
    return { loss, slopes };
  }

  /**
   * The generator's loss at generated points, and how it would change with each of them.
   *
   * With `unroll` above 0 it is judged by the discriminator of so many steps later. They all see these points, so
   * that a point moves the loss in two ways: directly, and by what it makes of the discriminator.
   */
  function generatorLoss(shape, theta, real, fake, { minimax, unroll, adam, rate }) {
    const x = both(real, fake);
    const n = real.length / 2;
    const steps = [];
    let state = { theta, ...adam };
    for (let k = 0; k < unroll; k++) {
      const values = shape.forward(state.theta, x);
      const { slopes, curvatures } = judge(values.at(-1), n);
      const gradient = shape.backward(state.theta, values, slopes).theta;
      steps.push({ theta: state.theta, values, slopes, curvatures, gradient });
      state = plane.adamStep(state, gradient, rate);
      steps.at(-1).after = state;
    }
    const values = shape.forward(state.theta, x);
    const { loss, slopes } = please(values.at(-1), n, minimax);
    const last = shape.backward(state.theta, values, slopes);
    const points = last.input;
    // Back through the steps: how the loss depends on the weights before each of them, and on Adam's two means.
    let price = { theta: last.theta, mean: new Float64Array(shape.count), square: new Float64Array(shape.count) };
    for (const step of steps.reverse()) {
      price = plane.adamBack(price, step.after, step.gradient, rate);
      const move = { theta: price.gradient };
      const speeds = shape.forwardSpeed(step.theta, step.values, move);
      const change = speeds.at(-1).map((speed, i) => speed * step.curvatures[i]);
      const along = shape.backwardSpeed(step.theta, step.values, step.slopes, move, speeds, change);
      price.theta = price.theta.map((value, k) => value + along.theta[k]);
      for (let k = 0; k < points.length; k++) points[k] += along.input[k];
    }
    return { loss, points: points.subarray(real.length) };
  }

  Object.assign(plane, { sigmoid, penalise, discriminatorLoss, generatorLoss });
})();
