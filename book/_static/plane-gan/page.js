// What the GAN in the plane consists of before it plays: its choices, and the HTML of its parts.

(() => {
  const plane = window.AdvnotesPlane;
  const LOSSES = { "non-saturating": "non-saturating", minimax: "minimax" };
  const RATES = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01];
  // The values that each slider may take, and its label.
  const SLIDERS = {
    moves: [[1, 2, 3, 4, 5, 6, 7, 8], "Moves of D a round"],
    gamma: [[0, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5], "R₁ penalty γ"],
    unroll: [[0, 1, 2, 3, 4, 5], "Unrolled steps"],
    rateD: [RATES, "Learning rate of D"],
    rateG: [RATES, "Learning rate of G"],
  };
  const LOSS_KEY =
    '<b class="gan-of-d">D</b>, <b class="gan-of-g">G, dashed</b>; thin: log 4, the loss of a D that cannot tell';
  const SIZE = 560; // pixels of the canvas, in both directions

  const radios = (id, name, choices) =>
    Object.entries(choices)
      .map(
        ([value, text]) => `<label class="gan-choice"><input type="radio" name="${id}-${name}"
          data-setting="${name}" value="${value}"><span>${text}</span></label>`,
      )
      .join("");

  const slider = (id, name) => `<div class="gan-slider"><label for="${id}-${name}">${SLIDERS[name][1]}</label>
    <input type="range" id="${id}-${name}" data-slider="${name}" min="0" max="${SLIDERS[name][0].length - 1}">
    <output for="${id}-${name}"></output></div>`;

  const button = (name, text, main = "") =>
    `<button type="button" ${main && 'class="gan-main"'} data-do="${name}">${text}</button>`;

  const chart = (name, text, key) => `<div><p class="gan-title" aria-hidden="true">${text} <small>${key}</small></p>
    <svg class="gan-chart" data-chart="${name}" role="img"></svg></div>`;

  const data = Object.fromEntries(Object.entries(plane.DATA).map(([name, { text }]) => [name, text]));

  const template = (id) => `
    <div class="gan-choose">
      <div class="gan-settings">
        <fieldset><legend>Data</legend>${radios(id, "data", data)}</fieldset>
        <fieldset><legend>Loss of G</legend>${radios(id, "loss", LOSSES)}</fieldset>
      </div>
      <div class="gan-sliders">${Object.keys(SLIDERS)
        .map((name) => slider(id, name))
        .join("")}</div>
    </div>
    <div class="gan-play">
      <div class="gan-bar"><div class="gan-buttons">
        ${button("play", "Play", "main")}${button("step", "One round")}
        ${button("reset", "Reset")}${button("reseed", "New seed")}</div>
        <p class="gan-count" aria-hidden="true"></p></div>
      <p class="gan-told" role="status"></p>
      <p class="gan-print">On paper the game stands still. In the book's pages it can be played.</p>
      <div class="gan-seen">
        <div>
          <canvas class="gan-plane" width="${SIZE}" height="${SIZE}" role="img"></canvas>
          <div class="gan-own" hidden>
            <p id="${id}-own">Click or drag in the plane to put dots there. By keyboard: the arrow keys move the mark,
              Shift makes it fast, the space bar puts a dot, Backspace takes the last one away.</p>
            <div class="gan-buttons">${button("undo", "Undo")}${button("clear", "Clear")}</div>
          </div>
          <div class="gan-key" aria-hidden="true">
            <p class="gan-bar-key"><span>D says: generated</span><i></i><span>real</span></p>
            <p><i class="gan-real"></i> real point <i class="gan-generated"></i> generated point</p>
          </div>
          <label class="gan-check"><input type="checkbox" data-sheet checked> Show what G makes of a grid of z</label>
        </div>
        <div class="gan-charts">
          ${chart("covered", "Share of the data covered, by round", "upright line: something was changed")}
          ${chart("losses", "Losses, by round", LOSS_KEY)}
        </div>
      </div>
      <details><summary>What it computes</summary><div class="gan-notes">
        <p>G is <code>mlp(2, 64, 64, 2)</code> with normal z, D is <code>mlp(2, 128, 1)</code>. Both have Adam with
          β = (0.5, 0.999) and batches of 64. In a round D makes its moves, then G makes one. The losses are those of
          the package: <code>GAN</code> or <code>MinimaxGAN</code>, with <code>gamma * r1_penalty(D, real)</code> in D's
          loss, which is drawn without it.</p>
        <p>With unrolled steps G faces the D of so many moves later, and knows that its points had a part in them, as in
          <code>UnrolledGAN</code>. It then chooses its move before D makes the last one of the round. The steps that it
          foresees leave the penalty out.</p>
        <p>A dot is covered if one of 500 generated points lies within three standard deviations of it. Moons and line
          are rows of such dots that melt into one another. A game has a seed: with the same settings from its
          beginning, the same seed is the same game.</p></div></details>
    </div>`;

  Object.assign(plane, { SLIDERS, SIZE, template });
})();
