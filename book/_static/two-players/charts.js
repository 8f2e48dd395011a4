// What is measured of two players: the distance from the rest point by round, and eigenvalues in the unit circle.

(() => {
  const players = window.AdvnotesPlayers;
  const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [360, 210, 52, 10, 10, 38];
  const SHORTEST = 60; // rounds in the picture at least
  const LEAST = 1e-6; // a smaller distance is drawn there

  const text = (words, x, y, anchor) => `<text x="${x}" y="${y}" text-anchor="${anchor}">${words}</text>`;

  /** The distance by round on a logarithmic scale; dashed, what the largest modulus makes of the first. */
  function drawDistance(svg, path, { modulus }) {
    const far = path.states.map((state) => Math.max(players.distance(state), LEAST));
    const last = Math.max(SHORTEST, path.rounds);
    const lowest = Math.min(Math.floor(Math.log10(Math.min(...far))), -1);
    const highest = Math.max(Math.ceil(Math.log10(Math.max(...far))), 1);
    const x = (round) => LEFT + ((WIDTH - LEFT - RIGHT) * round) / last;
    const y = (distance) =>
      TOP + ((HEIGHT - TOP - BOTTOM) * (highest - Math.log10(distance))) / (highest - lowest);
    const each = Math.ceil((highest - lowest) / 5);
    const parts = [];
    for (let power = lowest; power <= highest; power += each) {
      const height = y(10 ** power).toFixed(1);
      parts.push(`<line class="players-grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${height}" y2="${height}"/>`);
      parts.push(text(Number((10 ** power).toPrecision(1)), LEFT - 6, Number(height) + 4, "end"));
    }
    for (let n = 0; n <= 3; n++)
      parts.push(text(Math.round((last * n) / 3), x((last * n) / 3), HEIGHT - BOTTOM + 16, "middle"));
    parts.push(text("round", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "middle"));
    // The straight line of the theory ends where it leaves the picture.
    const rate = Math.log10(modulus);
    const room = (rate > 0 ? highest : lowest) - Math.log10(far[0]);
    const end = Math.abs(rate) < 1e-12 ? last : Math.min(last, room / rate);
    parts.push(
      `<line class="players-theory" x1="${x(0)}" y1="${y(far[0])}" x2="${x(end)}" y2="${y(far[0] * modulus ** end)}"/>`,
    );
    const line = far.map((distance, n) => `${x(n).toFixed(1)},${y(distance).toFixed(1)}`).join(" ");
    parts.push(`<polyline class="players-line" points="${line}"/>`);
    parts.push(`<circle class="players-now" cx="${x(path.rounds)}" cy="${y(far.at(-1))}" r="4"/>`);
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.innerHTML = parts.join("");
    svg.setAttribute(
      "aria-label",
      `Distance from the rest point: ${players.number(far[0])} at the start` +
        (path.rounds ? `, ${players.number(far.at(-1))} after ${path.rounds} rounds.` : "."),
    );
  }

  /** The eigenvalues of one round among the complex numbers, with the circle of modulus 1. */
  function drawCircle(svg, judged) {
    const size = 1.25 * Math.max(1, judged.modulus);
    const dots = judged.values.map(
      ([real, imaginary]) => `<circle class="players-eigenvalue" cx="${((50 * real) / size).toFixed(2)}"
        cy="${((-50 * imaginary) / size).toFixed(2)}" r="3.6"/>`,
    );
    svg.setAttribute("viewBox", "-50 -50 100 100");
    svg.innerHTML = `<path class="players-axes" d="M-50,0h100M0,-50v100"/>
      <circle class="players-unit" r="${(50 / size).toFixed(2)}"/>${dots.join("")}`;
    svg.setAttribute(
      "aria-label",
      `One round's eigenvalues among the complex numbers: the largest is ${players.largest(judged)}, of modulus ` +
        `${players.modulus(judged)}.`,
    );
  }

  Object.assign(players, { drawDistance, drawCircle });
})();
