// The data of the GAN in the plane, and the chance that everything is drawn with, by seed.

(() => {
  const SIDE = 3; // the plane shown is [-3, 3] in both directions
  const turn = (k, n) => (2 * Math.PI * k) / n;

  /** Numbers in [0, 1) from a seed: mulberry32, a counter that is stirred (Tommy Ettinger, public domain). */
  function chance(seed) {
    let state = Math.imul(seed + 1, 0x9e3779b1);
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  /** A row of normally distributed numbers (Box and Muller); 1 - random() is never 0. */
  const normals = (random, count) =>
    Float64Array.from(
      { length: count },
      () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
    );

  const ring = Array.from({ length: 8 }, (_, k) => [2 * Math.cos(turn(k, 8)), 2 * Math.sin(turn(k, 8))]);
  const grid = Array.from({ length: 25 }, (_, k) => [1.1 * ((k % 5) - 2), 1.1 * (Math.floor(k / 5) - 2)]);
  // A curve is a row of places, close enough to melt into one.
  const moon = (side, k) => {
    const angle = (Math.PI * (k + 0.5)) / 12;
    return [side * (1.6 * Math.cos(angle) - 0.8), side * (1.6 * Math.sin(angle) - 0.4)];
  };
  const moons = Array.from({ length: 24 }, (_, k) => moon(k < 12 ? 1 : -1, k % 12));
  const line = Array.from({ length: 16 }, (_, k) => [-2.2 + (4.4 * (k + 0.5)) / 16, -1.1 + (2.2 * (k + 0.5)) / 16]);

  /** Each: the centres of equal Gaussians, their standard deviation, and what one of them is called. */
  const DATA = {
    ring: { text: "ring", centres: ring, sigma: 0.07, part: "dots" },
    grid: { text: "grid", centres: grid, sigma: 0.07, part: "dots" },
    moons: { text: "two moons", centres: moons, sigma: 0.12, part: "parts" },
    line: { text: "line", centres: line, sigma: 0.1, part: "parts" },
    own: { text: "your own", centres: [], sigma: 0.07, part: "dots" },
  };

  /** So many points of a mixture of equal Gaussians. */
  function sample({ centres, sigma }, count, random) {
    const points = normals(random, 2 * count);
    for (let i = 0; i < count; i++) {
      const [x, y] = centres[Math.floor(random() * centres.length)];
      points[2 * i] = x + sigma * points[2 * i];
      points[2 * i + 1] = y + sigma * points[2 * i + 1];
    }
    return points;
  }

  /** How many centres have a point within three standard deviations, and the share of points that are so near one. */
  function coverage({ centres, sigma }, points) {
    const found = new Set();
    let near = 0;
    for (let i = 0; i < points.length; i += 2) {
      const far = centres.map(([x, y]) => Math.hypot(points[i] - x, points[i + 1] - y));
      const nearest = far.indexOf(Math.min(...far));
      if (far[nearest] > 3 * sigma) continue;
      found.add(nearest);
      near += 1;
    }
    return { covered: found.size, share: (2 * near) / points.length };
  }

  Object.assign(window.AdvnotesPlane, { SIDE, DATA, chance, normals, sample, coverage });
})();
