// What the figure says: numbers, and a sentence or two on the step, the projection, and what PGD has just done.

(() => {
  const threats = window.AdvnotesThreats;
  const { NORMS, back, minus, plus, times, length, movable } = threats;
  const NAMES = ["first", "second"];

  /** A number with two decimal places; one that rounds to zero has no sign. */
  function number(value, places = 2) {
    const text = value.toFixed(places);
    return Number(text) === 0 ? (0).toFixed(places) : text.replace("-", "−");
  }

  // With spaces that do not break, so that a pair stays on its line.
  const pair = (vector) => `(${vector.map((value) => number(value)).join(",\u00a0")})`;
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1];
  const same = (a, b) => length(minus(a, b)) < 1e-9;

  /** Why the steepest step is as it is. */
  function reason(norm, gradient, free) {
    const [a, b] = free.map(Math.abs);
    if (a === 0 && b === 0) return "no coordinate that may move has a slope";
    const blocked = NAMES.filter((_, i) => free[i] !== gradient[i]);
    const [stays, takes] = a < b ? NAMES : [NAMES[1], NAMES[0]];
    if (norm === "linf") {
      if (Math.min(a, b) === 0) return `the ${takes} coordinate goes by α; the ${stays} one has no slope`;
      return "each coordinate goes by α in the sign of its slope, however small the slope";
    }
    if (blocked.length) {
      return `the ${blocked[0]} coordinate is at the end of its range, so the ${takes} one takes all of α`;
    }
    if (norm === "l2") return "it points along the gradient";
    if (a === b) return "both slopes are equal, so either coordinate may take all of α";
    return `the ${takes} coordinate has the larger slope and takes all of α`;
  }

  /** What the way back did to a point: nothing, or what the norm does, and then the range. */
  function wayBack({ norm, eps, x, range }, point) {
    const delta = minus(point, x);
    const size = NORMS[norm].norm(delta);
    const inside = plus(x, NORMS[norm].project(delta, eps));
    const end = back(norm, point, x, eps, range);
    if (same(end, point)) return "It is inside the ball, so the projection leaves it there.";
    const clipped = same(end, inside) ? "" : `, and then clips to the range: ${pair(end)}`;
    if (same(inside, point))
      return `It is inside the ball, but not in the range, which clips it to ${pair(end)}.`;
    const { name } = NORMS[norm];
    return (
      `It is outside the ball: its distance from x in ${name} is ${number(size)}, more than ε. ` +
      `The projection ${how(norm, delta, eps)}: ${pair(inside)}${clipped}.`
    );
  }

  /** What the projection of a change that is too large does. */
  function how(norm, delta, eps) {
    const [a, b] = delta.map(Math.abs);
    if (norm === "linf") {
      if (Math.min(a, b) > eps) return "clips both coordinates of the change to ε, which is a corner";
      return `clips the ${NAMES[a > b ? 0 : 1]} coordinate of the change to ε and leaves the other one alone`;
    }
    if (norm === "l2") return `shortens the change to ${Math.round((100 * eps) / length(delta))}%`;
    const taken = minus([a, b], NORMS.l1.project([a, b], eps));
    const most = Math.max(...taken);
    const rest = most - Math.min(...taken) > 1e-9 ? ", but none past zero" : "";
    return `takes ${number(most)} off each coordinate${rest}`;
  }

  /** The dual norm of the gradient, spelled out. */
  function slope(norm, gradient, free) {
    const sizes = gradient.map((value) => number(Math.abs(value)));
    if (norm === "linf") return `(${sizes.join("\u00a0+\u00a0")})`;
    return norm === "l2"
      ? `${number(length(free), 3)}, the length of the gradient`
      : number(NORMS.l1.dual(free));
  }

  /** The view of the step: the gradient, the steepest step, and what it gains. */
  function stepWords(it) {
    const { norm, gradient, x, alpha, range } = it;
    const step = times(alpha, NORMS[norm].steepest(gradient, x, range));
    const free = movable(gradient, x, range);
    const end = plus(x, step);
    const came = back(norm, end, x, it.eps, range);
    const gain = `To first order the loss rises by ${number(dot(gradient, step), 3)} = α · ${slope(norm, gradient, free)}.`;
    const home = same(end, came)
      ? ""
      : ` It leaves the ball or the range; the way back leads to ${pair(came)}.`;
    return (
      `Gradient ${pair(gradient)}. The steepest step of length ${number(alpha)} in ${NORMS[norm].name} is ` +
      `${pair(step)}: ${reason(norm, gradient, free)}. ${gain}${home}`
    );
  }

  const projectionWords = (it) =>
    `Point ${pair(it.point)}, change ${pair(minus(it.point, it.x))}. ${wayBack(it, it.point)}`;

  /** The view of PGD: what the last step did, and the gradient where it has led. */
  function ascentWords(it) {
    const { points, steps, now } = it.ascent;
    const here = `The gradient here is ${pair(now.gradient)}.`;
    if (steps === 0)
      return `Start ${pair(now.point)}, loss ${number(now.loss)}. ${here} Where will the step lead?`;
    const before = points[steps - 1];
    const change =
      Math.abs(now.loss - before.loss) < 0.005
        ? "stays at"
        : now.loss > before.loss
          ? "rises to"
          : "falls to";
    return (
      `Step ${steps}: by ${pair(minus(now.end, before.point))} to ${pair(now.end)}. ${wayBack(it, now.end)} ` +
      `The loss ${change} ${number(now.loss)}. ${here}`
    );
  }

  const words = { step: stepWords, projection: projectionWords, pgd: ascentWords };

  /** The rows of the table, as texts, and which of them is the one that the figure is about. */
  function rows(it) {
    const { view, norm, x, gradient, alpha, range, eps, point } = it;
    if (view === "pgd") {
      const body = it.ascent.points.map((seen, k) => [
        String(k),
        pair(seen.point),
        number(NORMS[norm].norm(minus(seen.point, x))),
        number(seen.loss),
      ]);
      return { head: ["step", "point", "norm", "loss"], body, chosen: body.length - 1 };
    }
    const names = Object.keys(NORMS);
    const row = {
      step: (key) => {
        const step = times(alpha, NORMS[key].steepest(gradient, x, range));
        return [pair(step), number(dot(gradient, step), 3)];
      },
      projection: (key) => {
        const nearest = back(key, point, x, eps, range);
        return [pair(nearest), number(length(minus(nearest, point)))];
      },
    }[view];
    const head = {
      step: ["norm", "steepest step", "gain"],
      projection: ["norm", "leads to", "how far away"],
    }[view];
    return { head, body: names.map((key) => [NORMS[key].name, ...row(key)]), chosen: names.indexOf(norm) };
  }

  Object.assign(threats, { number, pair, same, words, rows });
})();
