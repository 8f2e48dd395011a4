// The sentences and numbers of the two players: where they are, what one round's matrix says, and the same in Python.

(() => {
  const players = window.AdvnotesPlayers;
  const FATES = {
    turns: { out: "spirals out", stays: "circles", in: "spirals in" },
    straight: { out: "runs away", stays: "stays on a line", in: "creeps in" },
    jumps: { out: "jumps out, from side to side", stays: "jumps to and fro", in: "jumps in, from side to side" },
  };
  const SIGNS = { out: "above 1", stays: "exactly 1", in: "below 1" };

  const number = (value, digits = 3) =>
    String(Number(Math.abs(value) < 1e-9 ? 0 : value.toPrecision(digits))).replace("-", "−");

  /** A modulus: one that only rounds to 1 has more decimal places. */
  function modulus({ modulus: value, fate }) {
    if (fate === "stays") return "1";
    return value.toFixed(Math.abs(value - 1) < 1e-4 ? 8 : 4);
  }

  const size = (judged) => `modulus ${modulus(judged)}, ${SIGNS[judged.fate]}`;
  const verdict = ({ way, fate }) => FATES[way][fate];
  const capital = (text) => text[0].toUpperCase() + text.slice(1);

  /** The largest eigenvalue, or the pair of them. */
  function largest({ values, way }) {
    const [[real, imaginary]] = values;
    return way === "turns" ? `${number(real)} ± ${number(Math.abs(imaginary))} i` : number(real, 4);
  }

  /** What the eigenvalues say, in a few sentences. */
  function reasons({ game, settings, judged }) {
    const { fate, way, turn, values } = judged;
    const curved = game.title === "Dirac-GAN";
    const what = `(${game.names.join(", ")})${settings.momentum === 0 ? "" : " and the two speeds"}`;
    const which = `${values.length === 2 && way === "turns" ? "" : "largest "}${way === "turns" ? "eigenvalues are" : "eigenvalue is"}`;
    return [
      `${curved ? "Near the rest point one" : "One"} round multiplies ${what} by a matrix.`,
      `Its ${which} ${largest(judged)}; the distance from 0 is the modulus.`,
      fate === "stays"
        ? "In the long run the pair comes no nearer to the rest point and goes no farther."
        : `In the long run it makes the distance from the rest point ${modulus(judged)} times as long.`,
      turn ? `A turn takes ${number(turn)} rounds.` : "",
      curved ? "Farther out the losses are curved, and the path may do otherwise." : "",
    ].join(" ");
  }

  const place = ({ names }, { point }) => names.map((name, i) => `${name} = ${number(point[i])}`).join(", ");

  /** Where the pair is after the last round. */
  function position({ game, path }) {
    const far = number(players.distance(path.now));
    if (path.rounds === 0) return `Start: ${place(game, path.now)}, distance ${far}.`;
    const from = number(players.distance(path.states[0]));
    return `Round ${path.rounds}: ${place(game, path.now)}, distance ${far}; at the start it was ${from}.`;
  }

  /** The verdict and the place: what is told when a setting has changed. */
  const summary = (it) =>
    `${capital(verdict(it.judged))}: ${size(it.judged)}. ${position(it)}`;

  // The same in Python

  const SLOPES = {
    ab: () => [
      "def slopes(a, b):  # of each player's loss in its own number",
      "    return b, gamma * b - a",
    ],
    dirac: (wish) => [
      "def slopes(theta, psi):  # of each player's loss in its own number",
      "    theta, psi = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (theta, psi))",
      "    loss_D = lambda line: F.softplus(line * theta) + gamma / 2 * line**2",
      "    line = psi",
      "    for _ in range(unroll):",
      "        line = line - lr * torch.autograd.grad(loss_D(line), line, create_graph=True)[0]",
      `    loss_G = ${wish === "zero-sum" ? "-F.softplus(line * theta)" : "F.softplus(-line * theta)"}`,
      "    return torch.autograd.grad(loss_G, theta)[0].item(), torch.autograd.grad(loss_D(psi), psi)[0].item()",
    ],
  };

  const NAMES = { ab: ["a", "b"], dirac: ["theta", "psi"] };

  /** The body of the loop over rounds. */
  function moves([x, y], { order }, first) {
    const both = [`(${x}, ${y})`, `v_${x}, v_${y}`];
    const step = (name, slope) => [`v_${name} = momentum * v_${name} - lr * ${slope}`, `${name} += v_${name}`];
    if (order === "turn") {
      const turn = (player) => step([x, y][player], `slopes${both[0]}[${player}]`);
      return [...turn(first), ...turn(1 - first)];
    }
    const ahead = [`g, h = slopes(${x} - lr * g, ${y} - lr * h)  # where both are about to be`];
    return [
      `g, h = slopes${both[0]}`,
      ...(order === "ahead" ? ahead : []),
      ...step(x, "g"),
      ...step(y, "h"),
    ];
  }

  /** A program that ends where the page's path does: its last line is the pair. */
  function python({ settings, game, start, path }) {
    const names = NAMES[settings.game];
    const dirac = settings.game === "dirac";
    const values = [settings.lr, settings.momentum, settings.gamma, ...(dirac ? [settings.unroll] : [])];
    return [
      ...(dirac ? ["import torch", "import torch.nn.functional as F", ""] : []),
      `lr, momentum, gamma${dirac ? ", unroll" : ""} = ${values.join(", ")}`,
      "",
      "",
      ...SLOPES[settings.game](settings.wish),
      "",
      "",
      `${names.join(", ")}, v_${names[0]}, v_${names[1]} = ${[...start, 0, 0].map((x) => (x % 1 ? x : x.toFixed(1))).join(", ")}`,
      `for _ in range(${path.rounds}):`,
      ...moves(names, settings, game.first).map((line) => `    ${line}`),
      `print(${names.join(", ")})`,
    ].join("\n");
  }

  Object.assign(players, { number, modulus, size, verdict, capital, largest, reasons, position, summary, python });
})();
