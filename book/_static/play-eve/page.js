// What the reader sees who plays Eve: the HTML of the parts, the bars, the rows of bits, and the scores.
//
// These are classic scripts that share one global object: a page opened from the disk may load no modules.

window.AdvnotesEve = window.AdvnotesEve || {};

(() => {
  const eve = window.AdvnotesEve;
  const [BAR, GAP, HEIGHT, LEFT, AXIS] = [16, 6, 120, 34, 8]; // of the drawing, with room for the axis's numbers
  const VIEWS = { eve: "Eve, without the key", bob: "Bob, with the key" };

  const radios = (id, name, choices) =>
    Object.entries(choices)
      .map(
        ([value, text]) => `<label class="eve-choice"><input type="radio" name="${id}-${name}"
          data-setting="${name}" value="${value}"><span>${text}</span></label>`,
      )
      .join("");

  const button = (name, text, main = "") =>
    `<button type="button" ${main && 'class="eve-main"'} data-do="${name}">${text}</button>`;

  const template = (id, pairs) => `
    <div class="eve-choose">
      <fieldset><legend>Who sends</legend>${radios(id, "pair", pairs)}</fieldset>
      <fieldset><legend>You are</legend>${radios(id, "view", VIEWS)}</fieldset>
    </div>
    <div class="eve-play">
      <p class="eve-title" id="${id}-sent">What goes over the wire <small>a number from −1 to 1 at each place</small></p>
      <svg class="eve-bars" role="img" aria-labelledby="${id}-sent ${id}-numbers"></svg>
      <p class="eve-hidden" id="${id}-numbers"></p>
      <div data-row="key"><p class="eve-title">The key</p><p class="eve-bits" data-bits="key"></p></div>
      <fieldset class="eve-guess"><legend>Your guess of the message <small>press a bit to turn it over</small></legend>
        <div class="eve-row" data-guess></div></fieldset>
      <div class="eve-buttons">${button("reveal", "Show the message", "main")}${button("next", "Next message")}
        ${button("read", "Let Bob's network read")}${button("again", "Begin again")}</div>
      <p class="eve-told" role="status"></p>
      <div data-row="message"><p class="eve-title">The message <small>marked where your guess is wrong</small></p>
        <p class="eve-bits" data-bits="message"></p></div>
      <table class="eve-scores"><caption>Bits wrong of <span data-count></span></caption>
        <thead><tr><th scope="col">reader</th><th scope="col">this message</th><th scope="col">mean of all shown</th></tr></thead>
        <tbody></tbody></table>
    </div>`;

  /** The numbers of the ciphertext as bars up and down, to the scale of the largest one that is ever sent. */
  function drawBars(svg, numbers, span) {
    const middle = AXIS + HEIGHT / 2;
    const x = (n) => LEFT + n * (BAR + GAP);
    const width = x(numbers.length) + 2;
    const bars = numbers.map((value, n) => {
      const size = Math.max((Math.abs(value) * HEIGHT) / (2 * span), 1);
      const top = value < 0 ? middle : middle - size;
      return `<rect class="eve-bar" x="${x(n)}" y="${top.toFixed(1)}" width="${BAR}" height="${size.toFixed(1)}"/>`;
    });
    const ticks = [span, 0, -span].map((value) => {
      const y = middle - (value * HEIGHT) / (2 * span);
      return `<path class="eve-grid" d="M${LEFT - 4},${y}H${width}"/>
        <text x="${LEFT - 8}" y="${y + 4}" text-anchor="end">${String(value).replace("-", "−")}</text>`;
    });
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT + 2 * AXIS}`);
    svg.innerHTML = ticks.join("") + bars.join("");
  }

  const number = (value) => value.toFixed(2).replace("-", "−");

  /** Bits in a row that is only read; those that differ from `other` are marked, and said to be wrong. */
  function drawBits(holder, bits, other = bits) {
    holder.innerHTML = [...bits]
      .map((bit, n) =>
        bit === other[n]
          ? `<span>${bit}</span>`
          : `<span class="eve-wrong">${bit}<span class="eve-hidden"> (place ${n + 1} wrong)</span></span>`,
      )
      .join(" ");
  }

  /** One button for each bit of the guess. */
  function drawGuess(holder, guess, flip) {
    holder.replaceChildren(
      ...guess.map((bit, n) => {
        const one = document.createElement("button");
        one.type = "button";
        one.className = "eve-bit";
        one.textContent = bit;
        one.setAttribute("aria-label", `Place ${n + 1}: ${bit}`);
        one.addEventListener("click", () => {
          const now = flip(n);
          one.textContent = now;
          one.setAttribute("aria-label", `Place ${n + 1}: ${now}`);
        });
        return one;
      }),
    );
  }

  /** The table of scores: rows [reader, this message, mean]; null where there is nothing to show. */
  function drawScores(body, rows) {
    const shown = (value, digits) => (value === null ? "–" : value.toFixed(digits));
    body.innerHTML = rows
      .map(
        ([who, now, mean]) =>
          `<tr><th scope="row">${who}</th><td>${shown(now, 0)}</td><td>${shown(mean, 1)}</td></tr>`,
      )
      .join("");
  }

  Object.assign(eve, { template, drawBars, drawBits, drawGuess, drawScores, number });
})();
