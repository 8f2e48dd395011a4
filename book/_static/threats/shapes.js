// What the picture is made of: lines, balls and arrows of the plane, as parts of an SVG.

(() => {
  const threats = window.AdvnotesThreats;
  const { plus, minus, times, length } = threats;
  const [LOW, HIGH] = [-0.15, 1.15]; // what of each coordinate is seen
  const UNIT = 400;
  const SIZE = UNIT * (HIGH - LOW);
  const CORNERS = { linf: ["++", "-+", "--", "+-"], l1: ["+0", "0+", "-0", "0-"] };
  const SIGNS = { "+": 1, 0: 0, "-": -1 };

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const at = ([a, b]) => [UNIT * (a - LOW), UNIT * (HIGH - b)];
  const told = (point) =>
    at(point)
      .map((value) => value.toFixed(1))
      .join(" ");
  const polygon = (corners) => `M${corners.map(told).join("L")}Z`;
  const path = (d, className) => element("path", { d, class: `threats-${className}` });
  const line = (from, to, className) => path(`M${told(from)}L${told(to)}`, className);
  /** A square from one number to another in both coordinates, as the data of a path. */
  const square = ([low, high]) => edge("linf", [0, 0].fill((low + high) / 2), (high - low) / 2);

  function dot(point, className, r = 6) {
    const [cx, cy] = at(point);
    return element("circle", { cx, cy, r, class: `threats-${className}` });
  }

  const text = (words, transform) => element("text", { transform }, words);

  /** The edge of a ball, as the data of a path. */
  function edge(norm, centre, radius) {
    const ways = CORNERS[norm]?.map((signs) => [...signs].map((sign) => SIGNS[sign]));
    if (ways) return polygon(ways.map((way) => plus(centre, times(radius, way))));
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

  Object.assign(threats, {
    ...{ LOW, HIGH, UNIT, SIZE },
    shapes: { element, at, told, path, line, square, dot, text, edge, arrow, across },
  });
})();
