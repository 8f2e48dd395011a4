// The eigenvalues of a small matrix, and what they say of a map that is played again and again.

(() => {
  const players = window.AdvnotesPlayers;
  const ONE = 1e-9; // how near to 1 a modulus counts as 1
  const SAME = 1e-6; // double eigenvalues are found to about half of the digits

  const times = ([a, b], [c, d]) => [a * c - b * d, a * d + b * c];
  const minus = ([a, b], [c, d]) => [a - c, b - d];
  const over = ([a, b], [c, d]) => [(a * c + b * d) / (c * c + d * d), (b * c - a * d) / (c * c + d * d)];

  /** The coefficients after the leading 1 of det(x I - matrix) (Faddeev and LeVerrier). */
  function characteristic(matrix) {
    const indices = matrix.map((_, i) => i);
    let power = matrix.map((row) => row.map(() => 0));
    let last = 1;
    return indices.map((k) => {
      const shifted = power.map((row, i) => row.map((value, j) => value + (i === j ? last : 0)));
      power = matrix.map((row) =>
        indices.map((j) => row.reduce((sum, value, i) => sum + value * shifted[i][j], 0)),
      );
      last = -indices.reduce((sum, i) => sum + power[i][i], 0) / (k + 1);
      return last;
    });
  }

  /** The eigenvalues as pairs [real, imaginary], the largest in modulus first (Durand and Kerner). */
  function eigenvalues(matrix) {
    const coefficients = characteristic(matrix);
    const size = 1 + Math.max(...coefficients.map(Math.abs));
    let roots = coefficients.map((_, k) => [size * Math.cos(0.4 + 2.4 * k), size * Math.sin(0.4 + 2.4 * k)]);
    for (let turn = 0; turn < 300; turn++) {
      roots.forEach((root, k) => {
        const value = coefficients.reduce((sum, c) => minus(times(sum, root), [-c, 0]), [1, 0]);
        const others = roots.filter((_, i) => i !== k);
        const slope = others.reduce((product, other) => times(product, minus(root, other)), [1, 0]);
        if (Math.hypot(...slope) > 0) roots[k] = minus(root, over(value, slope));
      });
    }
    return roots.sort((one, other) => Math.hypot(...other) - Math.hypot(...one));
  }

  /**
   * What a map does when it is played again and again.
   *
   * @return modulus: the largest; fate: "out", "stays" or "in"; way: "turns", "straight" or, where the largest
   *     eigenvalue is negative, "jumps"; turn: the rounds of one turn, where it turns
   */
  function judge(matrix) {
    const values = eigenvalues(matrix);
    const modulus = Math.hypot(...values[0]);
    const largest = values.filter((value) => Math.hypot(...value) > modulus - SAME);
    const turning = largest.find(([, imaginary]) => Math.abs(imaginary) > SAME);
    return {
      values,
      modulus,
      fate: modulus > 1 + ONE ? "out" : modulus < 1 - ONE ? "in" : "stays",
      way: turning ? "turns" : largest.some(([real]) => real < 0) ? "jumps" : "straight",
      turn: turning ? (2 * Math.PI) / Math.abs(Math.atan2(turning[1], turning[0])) : null,
    };
  }

  Object.assign(players, { eigenvalues, judge });
})();
