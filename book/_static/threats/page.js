// What the figure consists of, before it shows anything: its choices, and the HTML of its parts.

(() => {
  const threats = window.AdvnotesThreats;
  const { NORMS, SIZE } = threats;
  const RUN = 10; // steps
  const VIEWS = { step: "Step", projection: "Projection", pgd: "PGD" };
  const norms = Object.fromEntries(Object.entries(NORMS).map(([key, { name }]) => [key, name]));
  // What the marks of each view mean: the class of the mark, and words.
  const KEYS = {
    step: [
      ["gradient", "gradient"],
      ["step", "steepest step"],
      ["steps", "all steps of length α"],
      ["touch", "highest level line that one of them reaches"],
      ["level", "level lines of the tangent"],
      ["ball", "ball of radius ε"],
    ],
    projection: [
      ["ball", "ball of radius ε"],
      ["back", "way back"],
      ["nearest", "no point of the ball is nearer"],
      ["other", "the other norms"],
    ],
    pgd: [
      ["step", "step"],
      ["back", "way back"],
      ["gradient", "gradient, shortened"],
      ["ball", "ball of radius ε"],
      ["hill", "high loss"],
    ],
  };

  const radios = (id, name, choices, chosen) =>
    Object.entries(choices)
      .map(
        ([value, text]) => `<label class="threats-choice"><input type="radio" name="${id}-${name}"
          data-setting="${name}" value="${value}" ${value === chosen ? "checked" : ""}><span>${text}</span></label>`,
      )
      .join("");

  const slider = (id, name, text, value) => `<div class="threats-slider" data-row="${name}">
    <label for="${id}-${name}">${text}</label><input type="range" id="${id}-${name}" data-slider="${name}"
      min="0.02" max="0.5" step="0.01" value="${value}"><output for="${id}-${name}"></output></div>`;

  const check = (
    name,
    text,
    checked,
  ) => `<label class="threats-check"><input type="checkbox" data-check="${name}"
    ${checked ? "checked" : ""}> ${text}</label>`;

  const key = (view) =>
    `<ul class="threats-key" data-only="${view}">${KEYS[view]
      .map(([mark, words]) => `<li><i class="threats-mark-${mark}"></i>${words}</li>`)
      .join("")}</ul>`;

  const template = (id, it) => `
    <div class="threats-choose">
      <fieldset><legend>Show</legend>${radios(id, "view", VIEWS, it.view)}</fieldset>
      <fieldset><legend>Norm</legend>${radios(id, "norm", norms, it.norm)}</fieldset>
      <div class="threats-sliders">${slider(id, "eps", "Radius ε", it.eps)}
        ${slider(id, "alpha", "Step size α", it.alpha)}</div>
      <div class="threats-checks">${check("others", "Other norms too", it.others)}
        ${check("range", "Keep to the range [0, 1]", it.range)}</div>
    </div>
    <div class="threats-play">
      <div class="threats-plane"><canvas></canvas><svg role="img" viewBox="0 0 ${SIZE} ${SIZE}"></svg></div>
      <div class="threats-said">
        <div class="threats-buttons" data-only="pgd">
          <button type="button" class="threats-main" data-do="step">Step</button>
          <button type="button" data-do="run">Run ${RUN} steps</button>
          <button type="button" data-do="reset">Reset</button>
        </div>
        <p class="threats-told" role="status"></p>
        <div class="threats-scroll" tabindex="0" role="group" aria-label="Numbers"><table>
          <thead></thead><tbody></tbody></table></div>
      </div>
      <div class="threats-below">
        <p class="threats-hint" id="${id}-hint">Drag a ring, or press Tab and the arrow keys (with Shift in larger steps).</p>
        ${Object.keys(VIEWS).map(key).join("")}
      </div>
      <p class="threats-print">On the screen this figure can be played with: points are dragged, and PGD takes its steps.</p>
    </div>`;

  Object.assign(threats, { RUN, template });
})();
