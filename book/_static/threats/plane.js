// The picture of each view, and the loss as a veil of colour behind it.

(() => {
  const threats = window.AdvnotesThreats;
  const { NORMS, RANGE, LOW, HIGH, SIZE, back, plus, minus, times, length, same } = threats;
  const { element, at, told, path, line, square, dot, text, edge, arrow, across } = threats.shapes;
  const FINE = 53; // grid lines of the loss
  const LEVEL = 0.2; // its level lines are so many nats apart

  const others = (it) => (it.others ? Object.keys(NORMS).filter((norm) => norm !== it.norm) : []);

  const frame = (it) => path(square(RANGE), it.range ? "range" : "range threats-off");

  /** The ball round x and, faintly, the other norms' balls. */
  const balls = (it) => [
    ...others(it).map((norm) => path(edge(norm, it.x, it.eps), "other")),
    path(edge(it.norm, it.x, it.eps), "ball"),
  ];

  /** The tangent's level lines, the ball of all steps, and the step that touches the highest line. */
  function drawStep(it) {
    const { x, gradient, alpha, eps, norm, range } = it;
    const parts = [];
    const steep = length(gradient);
    for (let k = -60; steep > 0.01 && k <= 60; k++) {
      const along = (k * 0.025) / steep; // lines a fortieth of a nat apart
      if (Math.abs(along) < 2) parts.push(across(plus(x, times(along / steep, gradient)), gradient, "level"));
    }
    parts.push(frame(it), path(edge(norm, x, eps), "ball"));
    for (const other of others(it)) {
      const end = plus(x, times(alpha, NORMS[other].steepest(gradient, x, range)));
      parts.push(path(edge(other, x, alpha), "other"), ...arrow(x, end, "other"));
    }
    const end = plus(x, times(alpha, NORMS[norm].steepest(gradient, x, range)));
    parts.push(path(edge(norm, x, alpha), "steps"));
    if (steep > 0.01) parts.push(across(end, gradient, "touch"));
    parts.push(...arrow(x, plus(x, gradient), "gradient"), ...arrow(x, end, "step"));
    const came = back(norm, end, x, eps, range);
    if (!same(end, came)) parts.push(line(end, came, "back"), dot(came, "now"));
    return parts;
  }

  /** A point, and the way to where each norm brings it. */
  function drawProjection(it) {
    const { x, point, eps, norm, range } = it;
    const parts = [frame(it), ...balls(it)];
    for (const other of others(it)) {
      parts.push(line(point, back(other, point, x, eps, range), "other"));
    }
    for (const other of others(it)) parts.push(dot(back(other, point, x, eps, range), "other-dot", 5));
    const inside = plus(x, NORMS[norm].project(minus(point, x), eps));
    const end = back(norm, point, x, eps, range);
    const far = length(minus(inside, point));
    parts.push(line(x, point, "change"));
    if (far > 1e-9) parts.push(path(edge("l2", point, far), "nearest"), line(point, inside, "back"));
    if (!same(inside, end)) parts.push(line(inside, end, "back"));
    parts.push(dot(end, "now"));
    return parts;
  }

  /** The way that PGD went, and the gradient where it stands. */
  function drawAscent(it) {
    const { points, steps, now } = it.ascent;
    const parts = [path(`${square([LOW, HIGH])}${edge(it.norm, it.x, it.eps)}`, "outside")];
    parts.push(it.lines, frame(it), ...balls(it));
    points.slice(1).forEach(({ end, point }, k) => {
      const group = element("g", { class: k + 1 < steps ? "threats-old" : "threats-last" });
      group.append(...arrow(points[k].point, end, "step"), dot(points[k].point, "visited", 4));
      if (!same(end, point)) group.append(line(end, point, "back"), dot(end, "end", 5));
      parts.push(group);
    });
    const far = length(now.gradient);
    const shown = times(Math.min(0.06, 0.2 / Math.max(far, 1e-9)), now.gradient);
    parts.push(...arrow(now.point, plus(now.point, shown), "gradient"), dot(now.point, "now", 8));
    return parts;
  }

  const drawings = { step: drawStep, projection: drawProjection, pgd: drawAscent };

  function draw(svg, it) {
    svg.replaceChildren(...drawings[it.view](it));
    const [middle, edge] = [SIZE / 2, SIZE - 12];
    svg.append(text("first coordinate", `translate(${middle} ${edge})`));
    svg.append(text("second coordinate", `translate(20 ${middle}) rotate(-90)`));
    for (const value of RANGE) svg.append(text(String(value), `translate(${at([value, 0])[0]} ${edge})`));
  }

  /** The loss: paint it on a canvas, more colour where it is higher, and give its level lines. */
  function landscape(canvas) {
    const seen = threats.grid(LOW, HIGH, FINE);
    const highest = Math.max(...seen.values.flat());
    const picture = new ImageData(FINE, FINE);
    seen.values.forEach((row, j) =>
      row.forEach((loss, i) => {
        picture.data.set([160, 101, 196, (190 * loss) / highest], 4 * ((FINE - 1 - j) * FINE + i));
      }),
    );
    Object.assign(canvas, { width: FINE, height: FINE });
    canvas.getContext("2d").putImageData(picture, 0, 0);
    const lines = element("g");
    for (let level = LEVEL; level < highest; level += LEVEL) {
      const pieces = threats.levelLine(seen, level).map((ends) => `M${ends.map(told).join("L")}`);
      lines.append(path(pieces.join(""), "level"));
    }
    return lines;
  }

  Object.assign(threats, { draw, landscape });
})();
