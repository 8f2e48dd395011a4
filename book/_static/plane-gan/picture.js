// The plane as a picture: what D says of each place, real and generated points, and G's sheet.

(() => {
  const plane = window.AdvnotesPlane;
  const { SIDE, SIZE } = plane;
  const CELLS = 56; // of D's map, in both directions
  const REAL = [47, 134, 198];
  const GENERATED = [209, 98, 15];
  const DEEPEST = 150; // opacity of the map, of 255, where D is sure: points must stand out from it
  const LINES = [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2]; // of the grid of z, and 2 is far out for a normal number
  const ALONG = Array.from({ length: 33 }, (_, k) => -2 + k / 8);

  const places = new Float64Array(2 * CELLS * CELLS);
  for (let k = 0; k < CELLS * CELLS; k++) {
    places[2 * k] = SIDE * ((2 * ((k % CELLS) + 0.5)) / CELLS - 1);
    places[2 * k + 1] = SIDE * (1 - (2 * (Math.floor(k / CELLS) + 0.5)) / CELLS);
  }
  const threads = [true, false].flatMap((across) =>
    LINES.map((fixed) => ALONG.map((free) => (across ? [free, fixed] : [fixed, free]))),
  );
  const sheet = Float64Array.from(threads.flat(2));

  const across = (x) => ((x / SIDE + 1) * SIZE) / 2;
  const down = (y) => ((1 - y / SIDE) * SIZE) / 2;

  /** Blue where D says real, orange where it says generated, and nothing where it cannot tell. */
  function paintMap(context, believed) {
    const small = Object.assign(document.createElement("canvas"), { width: CELLS, height: CELLS });
    const picture = new ImageData(CELLS, CELLS);
    believed.forEach((share, k) => {
      const sure = 2 * share - 1;
      picture.data.set([...(sure > 0 ? REAL : GENERATED), DEEPEST * Math.abs(sure)], 4 * k);
    });
    small.getContext("2d").putImageData(picture, 0, 0);
    context.drawImage(small, 0, 0, SIZE, SIZE);
  }

  function paintPoints(context, points, radius, filled) {
    context.beginPath();
    for (let i = 0; i < points.length; i += 2) {
      const [x, y] = [across(points[i]), down(points[i + 1])];
      context.moveTo(x + radius, y);
      context.arc(x, y, radius, 0, 2 * Math.PI);
    }
    if (filled) context.fill();
    else context.stroke();
  }

  function paintSheet(context, points) {
    context.beginPath();
    points.forEach((y, k) => {
      if (k % 2 === 0) return;
      const first = ((k - 1) / 2) % ALONG.length === 0;
      context[first ? "moveTo" : "lineTo"](across(points[k - 1]), down(y));
    });
    context.stroke();
  }

  /** Everything; real points are always the same ones. */
  function paint(canvas, game, real, generated, withSheet) {
    const context = canvas.getContext("2d");
    const ink = getComputedStyle(canvas).color;
    context.clearRect(0, 0, SIZE, SIZE);
    paintMap(context, game.believe(places));
    if (withSheet) {
      Object.assign(context, { strokeStyle: ink, lineWidth: 1, globalAlpha: 0.35 });
      paintSheet(context, game.generate(sheet));
    }
    Object.assign(context, { globalAlpha: 1, strokeStyle: `rgb(${REAL})`, lineWidth: 1.4 });
    paintPoints(context, real, 3.2, false);
    Object.assign(context, { globalAlpha: 0.8, fillStyle: `rgb(${GENERATED})` });
    paintPoints(context, generated, 2.6, true);
    context.globalAlpha = 1;
  }

  Object.assign(plane, { paint, across, down });
})();
