// The picture: the plane as an SVG, balls, arrows and lines in it, and the loss as a veil of colour behind it.

(() => {
  const threats = window.AdvnotesThreats;
  const { NORMS, RANGE, back, plus, minus, times, length } = threats;
  const [LOW, HIGH] = [-0.15, 1.15]; // what of each coordinate is seen
  const UNIT = 400;
  const SIZE = UNIT * (HIGH - LOW);
  const FINE = 53; // grid lines of the loss; its level lines are so many nats apart
  const LEVEL = 0.2;

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const at = ([a, b]) => [UNIT * (a - LOW), UNIT * (HIGH - b)];
  const told = (point) => at(point).map((value) => value.toFixed(1)).join(" ");
  const polygon = (corners) => `M${corners.map(told).join("L")}Z`;
  const path = (d, className) => element("path", { d, class: `threats-${className}` });
  const line = (from, to, className) => path(`M${told(from)}L${told(to)}`, className);
  const square = ([low, high]) => polygon([[low, low], [high, low], [high, high], [low, high]]); // prettier-ignore

  function dot(point, className, r = 6) {
    const [cx, cy] = at(point);
    return element("circle", { cx, cy, r, class: `threats-${className}` });
  }

  const text = (words, transform) => element("text", { transform }, words);

  /** The edge of a ball, as the data of a path. */
  function edge(norm, centre, radius) {
    const around = (ways) => polygon(ways.map((way) => plus(centre, times(radius, way))));
    if (norm === "linf") return around([[1, 1], [-1, 1], [-1, -1], [1, -1]]); // prettier-ignore
    if (norm === "l1") return around([[1, 0], [0, 1], [-1, 0], [0, -1]]); // prettier-ignore
    const [[x, y], r] = [at(centre), UNIT * radius];
    return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
  }

  /** An arrow, its head not longer than itself. */
  function arrow(from, to, className) {
    const far = length(minus(to, from));
    if (far < 1e-6) return [];
    const way = times(1 / far, minus(to, from));
    const head = Math.min(0.035, far);
    const neck = plus(to, times(-head, way));
    const side = times(0.4 * head, [-way[1], way[0]]);
    return [
      line(from, neck, className),
      path(polygon([to, plus(neck, side), minus(neck, side)]), `${className} threats-head`),
    ];
  }

  /** A line across a direction, through a point, from one side of the picture to the other. */
  function across(point, way, className) {
    const side = times(2 / length(way), [-way[1], way[0]]);
    return line(plus(point, side), minus(point, side), className);
  }

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
    if (!threats.same(end, came)) parts.push(line(end, came, "back"), dot(came, "now"));
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
    if (!threats.same(inside, end)) parts.push(line(inside, end, "back"));
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
      if (!threats.same(end, point)) group.append(line(end, point, "back"), dot(end, "end", 5));
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

  Object.assign(threats, { LOW, HIGH, UNIT, SIZE, draw, landscape });
})();
