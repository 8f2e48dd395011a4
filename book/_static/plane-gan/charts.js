// What has been measured over the rounds, and its two charts.

(() => {
  const plane = window.AdvnotesPlane;
  const MOST = 240; // entries of a history; beyond, each two are merged into one
  const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [360, 170, 48, 20, 10, 34];

  /** Coverage and losses by round: means over stretches that grow with the game. */
  class History {
    constructor(covered) {
      this.entries = [{ round: 0, covered }];
      this.changes = []; // the rounds after which a setting was changed
    }

    add(entry) {
      this.entries.push(entry);
      if (this.entries.length <= MOST) return;
      const [first, ...rest] = this.entries;
      const halves = rest.filter((_, k) => k % 2 === 1);
      const mean = (a, b) => (a + b) / 2;
      this.entries = [
        first,
        ...halves.map((entry, k) => ({
          round: entry.round,
          covered: entry.covered,
          discriminator: mean(rest[2 * k].discriminator, entry.discriminator),
          generator: mean(rest[2 * k].generator, entry.generator),
        })),
      ];
    }

    change(round) {
      if (this.changes.at(-1) !== round) this.changes.push(round);
    }
  }

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  /** A round number of units between two marks, so that there are at most so many. */
  function gap(range, most) {
    const power = 10 ** Math.floor(Math.log10(range / most));
    return [1, 2, 5, 10].map((factor) => factor * power).find((size) => range / size <= most);
  }

  /**
   * Lines over the rounds.
   * @param lines each with a class and points [round, value]; @param scale low, high, text of a value; a level to mark
   */
  function draw(svg, history, lines, { low, high, text, level }) {
    const last = Math.max(200, history.entries.at(-1).round);
    const x = (round) => LEFT + ((WIDTH - LEFT - RIGHT) * round) / last;
    const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * (value - low)) / (high - low);
    const label = (words, px, py, anchor) => element("text", { x: px, y: py, "text-anchor": anchor }, words);
    const flat = (kind, value) =>
      element("line", { class: kind, x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) });
    const parts = [];
    const each = gap(high - low, 4);
    for (let k = Math.ceil(low / each); k * each <= high + 1e-9; k++) {
      parts.push(flat("gan-grid", k * each), label(text(k * each), LEFT - 6, y(k * each) + 4, "end"));
    }
    for (let round = 0; round <= last; round += gap(last, 4))
      parts.push(label(round.toLocaleString("en"), x(round), HEIGHT - BOTTOM + 16, "middle"));
    parts.push(label("round", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "middle"));
    if (level) parts.push(flat("gan-level", level));
    for (const round of history.changes)
      parts.push(element("line", { class: "gan-change", x1: x(round), x2: x(round), y1: TOP, y2: HEIGHT - BOTTOM }));
    for (const { kind, points } of lines) {
      const way = points.map(([round, value]) => `${x(round).toFixed(1)},${y(value).toFixed(1)}`);
      parts.push(element("polyline", { class: kind, points: way.join(" ") }));
    }
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.replaceChildren(...parts);
  }

  function drawCovered(svg, history) {
    const points = history.entries.map(({ round, covered }) => [round, covered]);
    const text = (value) => `${Math.round(100 * value)}%`;
    draw(svg, history, [{ kind: "gan-covered", points }], { low: 0, high: 1, text });
    const best = Math.max(...points.map(([, covered]) => covered));
    svg.setAttribute(
      "aria-label",
      `Share of the data covered, by round: ${text(points.at(-1)[1])} now, ${text(best)} at most.`,
    );
  }

  function drawLosses(svg, history) {
    const known = history.entries.slice(1);
    const players = { discriminator: "gan-of-d", generator: "gan-of-g" };
    const lines = Object.entries(players).map(([player, kind]) => ({
      kind,
      points: known.map((entry) => [entry.round, entry[player]]),
    }));
    const values = lines.flatMap(({ points }) => points.map(([, value]) => value));
    const low = Math.min(0, ...values);
    const high = Math.max(2, ...values);
    const text = (value) => String(Number(value.toFixed(2)));
    draw(svg, history, lines, { low, high, text, level: Math.log(4) }); // D's loss where it always says one half
    const end = known.at(-1);
    const now = end && `${end.discriminator.toFixed(2)} of D, ${end.generator.toFixed(2)} of G now`;
    svg.setAttribute("aria-label", `Losses, by round: ${now ?? "no round yet"}.`);
  }

  Object.assign(plane, { History, drawCovered, drawLosses });
})();
