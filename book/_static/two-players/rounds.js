// Rounds of a game: who looks when and moves where, the path of many rounds, and one round near the rest point as a
// matrix.

(() => {
  const players = window.AdvnotesPlayers;
  const FAR = 1e6; // where a path is no longer followed

  /**
   * One round from a state: the point, and each player's speed, which momentum keeps.
   *
   * @param game with `slopes`, and `first`, the one who moves first where they move in turn
   * @param settings order: "once", "turn" or "ahead"; lr; momentum; and what the game's slopes ask for
   * @return the next state; `corner` is where the pair is between two moves, `glance` where both looked ahead
   */
  function round(game, settings, { point, speed }) {
    const { order, lr, momentum } = settings;
    const next = { point: [...point], speed: [...speed] };
    const move = (player, slopes) => {
      next.speed[player] = momentum * speed[player] - lr * slopes[player];
      next.point[player] += next.speed[player];
    };
    if (order === "turn") {
      move(game.first, game.slopes(point, settings));
      next.corner = [...next.point];
      move(1 - game.first, game.slopes(next.point, settings));
      return next;
    }
    let slopes = game.slopes(point, settings);
    if (order === "ahead") {
      next.glance = point.map((value, player) => value - lr * slopes[player]);
      slopes = game.slopes(next.glance, settings);
    }
    for (const player of [0, 1]) move(player, slopes);
    return next;
  }

  /** One round near the rest point, as a matrix on (point) or, with momentum, on (point, speed). */
  function matrix(game, settings) {
    const rows = game.linear(settings);
    const linear = {
      first: game.first,
      slopes: (point) => rows.map(([p, q]) => p * point[0] + q * point[1]),
    };
    const size = settings.momentum === 0 ? 2 : 4;
    const columns = Array.from({ length: size }, (_, k) => {
      const state = [0, 0, 0, 0].map((_, i) => (i === k ? 1 : 0));
      const { point, speed } = round(linear, settings, { point: state.slice(0, 2), speed: state.slice(2) });
      return [...point, ...speed].slice(0, size);
    });
    return columns.map((_, i) => columns.map((column) => column[i]));
  }

  const distance = ({ point }) => Math.hypot(...point);

  /** The states after each round, from a start at which both stand still. */
  class Path {
    constructor(game, settings, start) {
      Object.assign(this, { game, settings, states: [{ point: start, speed: [0, 0] }] });
    }

    get rounds() {
      return this.states.length - 1;
    }

    get now() {
      return this.states[this.rounds];
    }

    get gone() {
      return !(distance(this.now) < FAR);
    }

    /** Play rounds until there are so many, or the pair is too far away. */
    follow(rounds) {
      while (this.rounds < rounds && !this.gone)
        this.states.push(round(this.game, this.settings, this.now));
    }
  }

  Object.assign(players, { round, matrix, distance, Path });
})();
