// What PGD climbs in the plane: the loss of a network with two inputs and four hidden units, and its level lines.

(() => {
  const threats = window.AdvnotesThreats;
  // Chosen by hand, so that two hills and a saddle lie near the point at which the figure begins.
  const NETWORK = {
    weight: [
      [4, 1],
      [-7, 2],
      [-2, 5],
      [2, 7],
    ],
    bias: [-3.3, 0.6, -0.55, -7.26],
    out: [-1.9, -1.2, -1, 1.3],
    shift: -0.2,
  };

  /** The cross-entropy of the logits (m, 0) for the first class, at a point, and its gradient there. */
  function look(point) {
    const { weight, bias, out, shift } = NETWORK;
    const hidden = weight.map(([a, b], k) => Math.tanh(a * point[0] + b * point[1] + bias[k]));
    const margin = hidden.reduce((total, value, k) => total + out[k] * value, shift);
    const wrong = 1 / (1 + Math.exp(margin)); // the probability of the other class
    const pull = hidden.map((value, k) => -wrong * out[k] * (1 - value * value));
    return {
      loss: Math.log1p(Math.exp(-margin)),
      gradient: [0, 1].map((i) => pull.reduce((total, value, k) => total + value * weight[k][i], 0)),
    };
  }

  /** The function's values on a grid over a square from lowest to highest, row by row from below. */
  function grid(lowest, highest, count) {
    const places = Array.from({ length: count }, (_, i) => lowest + ((highest - lowest) * i) / (count - 1));
    return { places, values: places.map((b) => places.map((a) => look([a, b]).loss)) };
  }

  /** The line on which a grid's function has a value, as pairs of points: one cell, two triangles, after another. */
  function levelLine({ places, values }, level) {
    const found = [];
    const corner = (i, j) => ({ at: [places[i], places[j]], over: values[j][i] - level });
    const crossing = (one, other) => {
      const share = one.over / (one.over - other.over);
      return one.at.map((value, axis) => value + share * (other.at[axis] - value));
    };
    for (let i = 0; i + 1 < places.length; i++) {
      for (let j = 0; j + 1 < places.length; j++) {
        const diagonal = [corner(i, j), corner(i + 1, j + 1)];
        for (const third of [corner(i + 1, j), corner(i, j + 1)]) {
          const triangle = [...diagonal, third];
          const ends = triangle
            .map((one, k) => [one, triangle[(k + 1) % 3]])
            .filter(([one, other]) => one.over > 0 !== other.over > 0)
            .map(([one, other]) => crossing(one, other));
          if (ends.length) found.push(ends);
        }
      }
    }
    return found;
  }

  Object.assign(threats, { NETWORK, look, grid, levelLine });
})();
