// What the attack lab shows: pictures of 28x28 pixels, ten probabilities as bars, the loss by step as a line.

(() => {
  const lab = window.AdvnotesLab;
  const { SIDE, CLASSES } = lab;
  const RED = [214, 66, 58];
  const BLUE = [47, 124, 208];

  /** Fill a canvas of any size with pixels, each given as red, green, blue and opacity. */
  function fill(canvas, colour) {
    const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    const picture = new ImageData(SIDE, SIDE);
    for (let i = 0; i < SIDE * SIDE; i++) picture.data.set(colour(i), 4 * i);
    small.getContext("2d").putImageData(picture, 0, 0);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
  }

  /** A digit, white on black. */
  function paint(canvas, pixels) {
    fill(canvas, (i) => [255 * pixels[i], 255 * pixels[i], 255 * pixels[i], 255]);
  }

  /** A perturbation: red adds ink, blue takes it, and what is as before shows the page behind the canvas. */
  function paintChange(canvas, delta, most) {
    fill(canvas, (i) => [...(delta[i] > 0 ? RED : BLUE), (255 * Math.abs(delta[i])) / most]);
  }

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  /** Ten bars in a box: what the network makes of the changed digit, and a mark for the digit as it was. */
  class Bars {
    constructor(box) {
      this.box = box;
      this.rows = Array.from({ length: CLASSES }, (_, k) => {
        const row = document.createElement("div");
        row.className = "lab-bar";
        row.innerHTML = `<span class="lab-bar-class">${k}</span>
          <span class="lab-bar-track"><span class="lab-bar-fill"></span>
          <span class="lab-bar-before"></span></span>
          <span class="lab-bar-share"></span>`;
        box.append(row);
        return row;
      });
    }

    show(before, now, y) {
      this.rows.forEach((row, k) => {
        const [fill, mark] = row.querySelectorAll(".lab-bar-fill, .lab-bar-before");
        fill.style.width = `${100 * now.probabilities[k]}%`;
        mark.style.left = `${100 * before.probabilities[k]}%`;
        mark.hidden = before.probabilities[k] < 0.01;
        row.querySelector(".lab-bar-share").textContent = lab.percent(now.probabilities[k]);
        row.classList.toggle("lab-true", k === y);
        row.classList.toggle("lab-said", k === now.said);
      });
      const order = [...now.probabilities.keys()].sort((a, b) => now.probabilities[b] - now.probabilities[a]);
      const named = order.slice(0, 3).map((k) => `${k} ${lab.percent(now.probabilities[k])}`);
      this.box.setAttribute(
        "aria-label",
        `Probabilities, the likeliest first: ${named.join(", ")}. The true class is ${y}.`,
      );
    }
  }

  const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [360, 216, 34, 10, 12, 36];

  /** A round number of units between grid lines, so that there are at most five. */
  function gap(range) {
    const power = 10 ** Math.floor(Math.log10(range / 5));
    return [1, 2, 5, 10].map((factor) => factor * power).find((size) => range / size <= 5);
  }

  /** The loss against the step, over at least so many: in colour the attack's, dashed the other's. */
  function drawLoss(svg, attack, other, least) {
    const ways = [attack, other].filter(Boolean).map(({ points }) => points);
    const last = Math.max(attack.steps, least);
    // The loss of a guess among ten is always in the picture: so a loss that hardly rises looks like one.
    const guess = Math.log(CLASSES);
    const top = Math.max(1.3 * guess, ...ways.flat().map(({ loss }) => 1.05 * loss));
    const x = (step) => LEFT + ((WIDTH - LEFT - RIGHT) * step) / last;
    const y = (loss) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * loss) / top;
    const label = (text, px, py, anchor) => element("text", { x: px, y: py, "text-anchor": anchor }, text);
    const line = (points) =>
      points.map(({ loss }, step) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(" ");
    const parts = [];
    for (let loss = 0; loss <= top; loss += gap(top)) {
      parts.push(
        element("line", { class: "lab-grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(loss), y2: y(loss) }),
      );
      parts.push(label(String(Number(loss.toFixed(2))), LEFT - 6, y(loss) + 4, "end"));
    }
    const each = Math.max(Math.ceil(gap(last)), 1);
    for (let step = 0; step <= last; step += each)
      parts.push(label(String(step), x(step), HEIGHT - BOTTOM + 16, "middle"));
    parts.push(label("step", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "middle"));
    parts.push(
      element("line", { class: "lab-guess", x1: LEFT, x2: WIDTH - RIGHT, y1: y(guess), y2: y(guess) }),
    );
    parts.push(label("a guess among ten", WIDTH - RIGHT, y(guess) - 4, "end"));
    if (other) parts.push(element("polyline", { class: "lab-line-other", points: line(other.points) }));
    parts.push(element("polyline", { class: "lab-line", points: line(attack.points) }));
    attack.points.forEach(({ loss, said }, step) => {
      const kind = said === attack.y ? "lab-dot" : "lab-dot lab-fooled";
      parts.push(element("circle", { class: kind, cx: x(step), cy: y(loss), r: last > 40 ? 2 : 3.5 }));
    });
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.replaceChildren(...parts);
    const fooled = attack.points.findIndex(({ said }) => said !== attack.y);
    svg.setAttribute(
      "aria-label",
      `Loss by step: ${lab.nats(attack.points[0].loss)} at step 0, ` +
        `${lab.nats(attack.now.loss)} at step ${attack.steps}. ` +
        (fooled < 0 ? "The network is not fooled." : `First fooled at step ${fooled}.`),
    );
  }

  Object.assign(lab, { paint, paintChange, Bars, drawLoss });
})();
