// The plane of two players: the field of one round's moves, the path, and a start that is dragged or moved by keys.

(() => {
  const players = window.AdvnotesPlayers;
  const SPAN = 3; // the plane reaches from -SPAN to SPAN
  const [SIZE, LEFT, TOP, BOTTOM] = [376, 30, 8, 34];
  const UNIT = SIZE / (2 * SPAN);
  const EDGE = 2.8; // where a start may be
  const GRID = 0.05; // starts lie on it
  const ARROWS = [-2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5];
  const LAST = 60; // rounds whose two moves are drawn: more would hide each other
  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  const bounded = (value) => Math.min(Math.max(value, -1000), 1000); // what lies far outside is not seen anyhow
  const across = (x) => Number((LEFT + (bounded(x) + SPAN) * UNIT).toFixed(2));
  const down = (y) => Number((TOP + (SPAN - bounded(y)) * UNIT).toFixed(2));
  const at = ([x, y]) => `${across(x)},${down(y)}`;
  const onGrid = (value) => {
    const kept = Math.min(Math.max(value, -EDGE), EDGE);
    return Number((Math.round(kept / GRID) * GRID).toFixed(2)) + 0; // no -0
  };

  /** An arrow from a point, as strokes. */
  function arrow([x, y], [dx, dy]) {
    const [px, py, length] = [across(x + dx), down(y + dy), Math.hypot(dx, dy)];
    const head = [0.4, -0.4].map((turn) => {
      const angle = Math.atan2(dy, dx) + Math.PI + turn;
      const size = Math.min(0.35 * length, 0.1) * UNIT;
      return `M${px},${py}l${(size * Math.cos(angle)).toFixed(1)},${(-size * Math.sin(angle)).toFixed(1)}`;
    });
    return `M${at([x, y])}L${px},${py}${head.join("")}`;
  }

  /** Where one round leads from a grid of points, from rest: a tenth as far is an arrow of a third of the length. */
  function field(game, settings) {
    const moves = ARROWS.flatMap((x) =>
      ARROWS.map((y) => {
        const { point } = players.round(game, settings, { point: [x, y], speed: [0, 0] });
        return [
          [x, y],
          [point[0] - x, point[1] - y],
        ];
      }),
    );
    const longest = Math.max(...moves.map(([, move]) => Math.hypot(...move)));
    return moves
      .map(([from, move]) => {
        const length = Math.hypot(...move) || 1;
        return arrow(
          from,
          move.map((value) => (0.45 * value) / Math.sqrt(length * longest)),
        );
      })
      .join("");
  }

  /** The lines of a path: of both players together, or of each where they move in turn. */
  function lines({ states, game, settings }) {
    if (settings.order !== "turn") return [`M${states.map(({ point }) => at(point)).join("L")}`, "", ""];
    const own = ["", ""];
    states.forEach(({ point, corner }, n) => {
      if (n === 0 || n < states.length - LAST) return;
      own[game.first] += `M${at(states[n - 1].point)}L${at(corner)}`;
      own[1 - game.first] += `M${at(corner)}L${at(point)}`;
    });
    return ["", ...own];
  }

  const ticks = [-2, 0, 2]
    .map(
      (value) => `<text x="${across(value)}" y="${TOP + SIZE + 16}" text-anchor="middle">${players.number(value)}</text>
        <text x="${LEFT - 6}" y="${down(value) + 4}" text-anchor="end">${players.number(value)}</text>`,
    )
    .join("");

  const drawing = (id) => `<clipPath id="${id}-clip">
      <rect x="${LEFT}" y="${TOP}" width="${SIZE}" height="${SIZE}"/></clipPath>
    <rect class="players-ground" x="${LEFT}" y="${TOP}" width="${SIZE}" height="${SIZE}"/>${ticks}
    <text data-name="0" x="${LEFT + SIZE}" y="${TOP + SIZE + 16}" text-anchor="end"></text>
    <text data-name="1" x="${LEFT - 6}" y="${TOP + 10}" text-anchor="end"></text>
    <g clip-path="url(#${id}-clip)">
      <path class="players-axes" d="M${LEFT},${down(0)}h${SIZE}M${across(0)},${TOP}v${SIZE}"/>
      <path class="players-field"/>
      <path class="players-way"/><path class="players-move-0"/><path class="players-move-1"/>
      <path class="players-dots"/><path class="players-glance"/>
      <path class="players-rest" d="M${across(0) - 8},${down(0)}h16M${across(0)},${down(0) - 8}v16"/>
      <g class="players-start"><circle class="players-reach" r="24"/><circle r="8"/></g>
      <circle class="players-now" r="5"/>
    </g>`;

  class Plane {
    /**
     * @param svg where to draw
     * @param id a prefix for ids
     * @param moved called with the new start, and whether it has been let go there
     */
    constructor(svg, id, moved) {
      Object.assign(this, { svg, moved, pointer: null, start: [0, 0] });
      svg.setAttribute("viewBox", `0 0 ${LEFT + SIZE + 8} ${TOP + SIZE + BOTTOM}`);
      svg.innerHTML = drawing(id);
      svg.addEventListener("pointerdown", (event) => this.press(event));
      svg.addEventListener("pointermove", (event) => this.drag(event, false));
      for (const end of ["pointerup", "pointercancel"])
        svg.addEventListener(end, (event) => this.drag(event, true));
      // The page would scroll under a finger that drags the start. (CSS's touch-action does not reach inside an SVG.)
      const handle = svg.querySelector(".players-start");
      handle.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
      svg.addEventListener("click", (event) => this.moved(this.place(event), true)); // a finger's tap
      svg.addEventListener("keydown", (event) => this.key(event));
    }

    /** The start under a pointer. */
    place({ clientX, clientY }) {
      const box = this.svg.getBoundingClientRect();
      const scale = (LEFT + SIZE + 8) / box.width;
      return [
        onGrid(((clientX - box.left) * scale - LEFT) / UNIT - SPAN),
        onGrid(SPAN - ((clientY - box.top) * scale - TOP) / UNIT),
      ];
    }

    /** A mouse takes the start from anywhere, a finger by its handle: elsewhere it scrolls the page. */
    press(event) {
      if (event.button !== 0 || this.pointer !== null) return;
      if (event.pointerType === "touch" && !event.target.closest(".players-start")) return;
      this.svg.setPointerCapture(event.pointerId);
      this.pointer = event.pointerId;
      this.moved(this.place(event), false);
    }

    drag(event, last) {
      if (event.pointerId !== this.pointer) return;
      if (last) this.pointer = null;
      this.moved(event.type === "pointercancel" ? this.start : this.place(event), last);
    }

    key(event) {
      const way = KEYS[event.key];
      if (way) {
        const far = event.shiftKey ? 0.5 : 0.1;
        this.moved(
          this.start.map((value, axis) => onGrid(value + far * way[axis])),
          true,
        );
      } else if (event.key === "Home") {
        this.moved(null, true);
      } else {
        return;
      }
      event.preventDefault(); // the keys would scroll the page
    }

    /** Draw the field and the path of what is played. */
    show({ path, game, settings }) {
      const set = (part, name, value) => this.svg.querySelector(`.players-${part}`).setAttribute(name, value);
      const { states, now } = path;
      this.start = states[0].point;
      this.svg.classList.toggle("players-many", path.rounds > 2 * LAST);
      game.names.forEach((name, n) => {
        this.svg.querySelector(`[data-name="${n}"]`).textContent = name;
      });
      set("field", "d", field(game, settings));
      ["way", "move-0", "move-1"].forEach((part, n) => set(part, "d", lines(path)[n]));
      set("dots", "d", states.map(({ point }) => `M${at(point)}h0`).join(""));
      const before = states.at(-2)?.point;
      set("glance", "d", now.glance ? `M${at(before)}L${at(now.glance)}` : "");
      set("start", "transform", `translate(${at(states[0].point)})`);
      set("now", "cx", across(now.point[0]));
      set("now", "cy", down(now.point[1]));
    }
  }

  Object.assign(players, { Plane, SPAN });
})();
