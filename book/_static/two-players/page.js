// What the two players consist of before they move: their choices, and the HTML of their parts.

(() => {
  const players = window.AdvnotesPlayers;
  const CHOICES = {
    game: ["Game", { ab: "a · b", dirac: "Dirac-GAN" }],
    wish: ["G's loss", { "zero-sum": "zero-sum", "non-saturating": "non-saturating" }],
    order: ["They move", { once: "at once", turn: "in turn", ahead: "looking ahead" }],
  };
  // The least, the most and the step of each slider, and its label.
  const SLIDERS = {
    lr: [0.01, 1.5, 0.01, "Learning rate η"],
    momentum: [-0.9, 0.9, 0.05, "Momentum μ"],
    gamma: [0, 4, 0.05, "Penalty γ"],
    unroll: [0, 10, 1, "Unrolled steps T"],
  };
  const SPEEDS = { slow: 200, medium: 50, fast: 12 }; // milliseconds between two rounds
  const NOTES = {
    ab: "The first player moves a to make ab small, the second moves b to make it large. The penalty γ/2 · b² is part of the second one's loss.",
    dirac:
      "All data are 0. G makes the number θ, and D is the line ψx. The penalty γR₁ = γ/2 · ψ² is part of D's loss. G faces the D of T steps later.",
  };

  const radios = (id, name, choices) =>
    Object.entries(choices)
      .map(
        ([value, text]) => `<label class="players-choice"><input type="radio" name="${id}-${name}"
          data-setting="${name}" value="${value}"><span>${text}</span></label>`,
      )
      .join("");

  const choice = (id, name) => `<fieldset data-row="${name}"><legend>${CHOICES[name][0]}</legend>
    ${radios(id, name, CHOICES[name][1])}</fieldset>`;

  const slider = (id, name) => {
    const [least, most, step, text] = SLIDERS[name];
    return `<div class="players-slider" data-row="${name}"><label for="${id}-${name}">${text}</label>
      <input type="range" id="${id}-${name}" data-slider="${name}" min="${least}" max="${most}" step="${step}">
      <output for="${id}-${name}"></output></div>`;
  };

  const template = (id) => `
    <div class="players-choose">
      <div class="players-settings">${["game", "wish", "order"].map((name) => choice(id, name)).join("")}</div>
      <div class="players-sliders">${Object.keys(SLIDERS)
        .map((name) => slider(id, name))
        .join("")}</div>
      <p class="players-note" data-note></p>
    </div>
    <div class="players-play">
      <div class="players-bar">
        <div class="players-buttons">
          <button type="button" class="players-main" data-do="play">Play</button>
          <button type="button" data-do="step">One round</button>
          <button type="button" data-do="reset">Reset</button>
        </div>
        <fieldset class="players-speed" data-row="speed"><legend>Speed</legend><div>${radios(
          id,
          "speed",
          Object.fromEntries(Object.keys(SPEEDS).map((name) => [name, name])),
        )}</div></fieldset>
      </div>
      <p class="players-on-paper" data-played></p>
      <p class="players-told" role="status"></p>
      <div class="players-seen">
        <div>
          <svg class="players-plane" role="application" tabindex="0" aria-describedby="${id}-keys"></svg>
          <p class="players-key" data-key></p>
          <p class="players-note" id="${id}-keys">Drag the start, or move it by the arrow keys; Shift makes it fast,
            Home puts it back.</p>
        </div>
        <div class="players-measures">
          <div class="players-judged">
            <svg class="players-circle" role="img"></svg>
            <p><b class="players-verdict" data-verdict></b><span data-size></span></p>
            <p data-reasons></p>
          </div>
          <div><p class="players-title" aria-hidden="true">Distance by round
            <small>dashed: what the modulus says</small></p>
            <svg class="players-chart" role="img"></svg></div>
        </div>
      </div>
      <details><summary>The rounds in numbers</summary>
        <div class="players-scroll" tabindex="0" role="group" aria-label="The rounds in numbers"><table></table></div></details>
      <details><summary>The same in Python</summary>
        <pre tabindex="0" aria-label="The same in Python"></pre></details>
    </div>`;

  /** What is played, in a line: on paper, where there are no controls. */
  function played(settings) {
    const rows = ["game", "order", "wish"].map((name) => CHOICES[name][1][settings[name]]);
    const symbols = Object.entries(SLIDERS).map(
      ([name, [, , , text]]) => `${text.split(" ").at(-1)} = ${players.number(settings[name])}`,
    );
    const dirac = settings.game === "dirac";
    return [...rows.slice(0, dirac ? 3 : 2), ...symbols.slice(0, dirac ? 4 : 3)].join(", ");
  }

  /** What the colours and marks of the plane mean. */
  const key = ({ names }, { order }) => {
    const movers = names.map((name, n) => `<span class="players-move-${n}">${name} moves</span>`);
    const glance = "<span class=\"players-glance\">the last look ahead</span>";
    const marks = { once: [], turn: movers, ahead: [glance] }[order];
    return ["○ start", "● now", "+ rest", "arrows: where one round leads", ...marks].join(" · ");
  };

  /** The path as a table, with about so many rows. */
  function table({ names }, { states, rounds }, rows) {
    const each = Math.ceil((rounds + 1) / rows);
    const head = ["round", ...names, "distance"].map((name) => `<th scope="col">${name}</th>`).join("");
    const body = states
      .map((state, round) => [round, ...state.point, players.distance(state)])
      .filter(([round]) => round % each === 0 || round === rounds)
      .map((row) => `<tr>${row.map((value) => `<td>${players.number(value, 4)}</td>`).join("")}</tr>`);
    return `<thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody>`;
  }

  Object.assign(players, { SLIDERS, SPEEDS, NOTES, template, played, key, table });
})();
