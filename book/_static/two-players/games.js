// The two games of two numbers: for each the slope of every player's wish in its own number, at any point and, as a
// matrix, near the point where both rest, which is (0, 0).
//
// These are classic scripts that share one global object: a page opened from the disk may load no modules.

window.AdvnotesPlayers = window.AdvnotesPlayers || {};

(() => {
  const sigmoid = (s) => 1 / (1 + Math.exp(-s));

  // The first lowers a b, the second raises it. The penalty is the second's, as in the Dirac-GAN: gamma / 2 b^2.
  const product = {
    title: "Game a · b",
    names: ["a", "b"],
    first: 0,
    start: [1, 0],
    slopes: ([a, b], { gamma }) => [b, gamma * b - a],
    linear: ({ gamma }) => [
      [0, 1],
      [-1, gamma],
    ],
  };

  // The data are 0, the generator makes theta, the discriminator is the line psi x. As in advnotes.gan, D moves first.
  const dirac = {
    title: "Dirac-GAN",
    names: ["θ", "ψ"],
    first: 1,
    start: [1, 1],
    /**
     * G's wish is judged by the line of `unroll` steps later, and feels how its number bends that line. Each of these
     * steps is D's own, with its penalty, and without momentum.
     */
    slopes([theta, psi], { lr, gamma, unroll, wish }) {
      let line = psi;
      let bend = 0; // the line's derivative in theta
      for (let step = 0; step < unroll; step++) {
        const real = sigmoid(line * theta); // how likely D thinks that theta is real
        const slope = real * theta + gamma * line;
        bend -= lr * (real + theta * real * (1 - real) * (line + theta * bend) + gamma * bend);
        line -= lr * slope;
      }
      const logit = line * theta;
      const weight = wish === "zero-sum" ? sigmoid(logit) : sigmoid(-logit);
      return [-weight * (line + theta * bend), sigmoid(psi * theta) * theta + gamma * psi];
    },
    linear({ lr, gamma, unroll }) {
      let kept = 1; // how much of psi the line of `unroll` steps later has
      let steps = 0; // and how often it has stepped against theta, counted in lr / 2
      for (let step = 0; step < unroll; step++) {
        kept *= 1 - lr * gamma;
        steps = 1 + (1 - lr * gamma) * steps;
      }
      return [
        [(lr * steps) / 2, -kept / 2],
        [1 / 2, gamma],
      ];
    },
  };

  window.AdvnotesPlayers.GAMES = { ab: product, dirac };
})();
