// What an attack lab consists of, before it shows anything: its choices, and the HTML of its parts.

(() => {
  const lab = window.AdvnotesLab;
  const RUN = 20; // steps
  const NETWORKS = { natural: "natural", robust: "robust" };
  const METHODS = { fgsm: "FGSM", pgd: "PGD" };
  const THREATS = { linf: "L∞", l2: "L2", l1: "L1" };
  const COLUMNS = ["step", "loss", "reads", "true class", "size of the change"];
  const KEY = `<div class="lab-key" aria-hidden="true"><i></i><span></span><span></span></div>`;

  const radios = (id, name, choices, chosen) =>
    Object.entries(choices)
      .map(
        ([
          value,
          text,
        ]) => `<label class="lab-choice"><input type="radio" name="${id}-${name}" data-setting="${name}"
          value="${value}" ${value === chosen ? "checked" : ""}><span>${text}</span></label>`,
      )
      .join("");

  const slider = (
    id,
    name,
    text,
  ) => `<div class="lab-slider" data-row="${name}"><label for="${id}-${name}">${text}</label>
    <input type="range" id="${id}-${name}" data-slider="${name}"><output for="${id}-${name}"></output></div>`;

  const picture = (
    name,
    text,
    key = "",
  ) => `<div class="lab-picture"><canvas role="img" width="280" height="280"
    data-picture="${name}" aria-label=""></canvas>
    <p><b>${text}</b> <span data-caption="${name}"></span></p>${key}</div>`;

  const classes = Array.from({ length: lab.CLASSES }, (_, k) => `<option>${k}</option>`).join("");

  const drawing = (id) => `<div class="lab-drawing">
      <canvas class="lab-pad" role="application" tabindex="0" aria-label="Drawing pad"
        aria-describedby="${id}-pad"></canvas>
      <div class="lab-beside-pad">
        <p id="${id}-pad">Draw a digit here by mouse or finger. By keyboard: the arrow keys move the pen,
          Shift makes it fast, the space bar puts it down and lifts it, Backspace takes a stroke back.</p>
        <div class="lab-buttons"><button type="button" data-do="undo">Undo</button>
          <button type="button" data-do="clear">Clear</button></div>
        <label class="lab-truth" hidden>It is a <select data-truth>${classes}</select></label>
      </div></div>`;

  const template = (id, start, small) => `
    <div class="lab-choose">
      <fieldset class="lab-digits"><legend>Take a digit</legend><div>${lab.digits
        .map(
          ({
            label,
            index,
          }) => `<label class="lab-thumb"><input type="radio" name="${id}-digit" data-setting="digit"
            value="${index}" ${index === start.digit ? "checked" : ""}>
            <canvas width="56" height="56"></canvas>
            <span class="lab-hidden">${label}, test digit ${index}</span></label>`,
        )
        .join("")}</div></fieldset>
      ${small ? "" : `<fieldset class="lab-draw"><legend>or draw one</legend>${drawing(id)}</fieldset>`}
      <div class="lab-settings">
        <fieldset><legend>Network</legend>${radios(id, "network", NETWORKS, start.network)}</fieldset>
        <fieldset ${small ? "hidden" : ""}><legend>Attack</legend>
          ${radios(id, "method", METHODS, start.method)}</fieldset>
        <fieldset ${small ? "hidden" : ""}><legend>Threat</legend>
          ${radios(id, "threat", THREATS, start.threat)}</fieldset>
        <div class="lab-sliders">${slider(id, "eps", "Size ε")}${slider(id, "share", "Step size α")}
        <label class="lab-check" data-row="start"><input type="checkbox" data-start> Random start</label>
        </div>
      </div>
    </div>
    <div class="lab-play">
      <div class="lab-buttons">
        <button type="button" class="lab-main" data-do="step">Step</button>
        <button type="button" data-do="run">Run ${RUN} steps</button>
        <button type="button" data-do="reset">Reset</button>
      </div>
      <p class="lab-told" role="status">Loading the network.</p>
      <div class="lab-seen"><div class="lab-pictures">
        ${picture("before", "Digit")}
        ${picture("change", "Change", KEY)}
        ${picture("after", "Changed digit")}
      </div>
      <div class="lab-measures">
        <div><p class="lab-title" aria-hidden="true">What the network reads <small>mark: before</small></p>
          <div class="lab-bars" role="img"></div></div>
        <div><p class="lab-title" aria-hidden="true">Loss by step, in nats
            <small>filled dot: fooled<span data-other></span></small></p>
          <svg class="lab-loss" role="img" aria-label="Loss by step"></svg></div>
      </div>
      <div class="lab-more">
        <details><summary>Every step in numbers</summary>
          <div class="lab-scroll" tabindex="0" role="group" aria-label="Every step in numbers"><table>
            <thead><tr>${COLUMNS.map((name) => `<th scope="col">${name}</th>`).join("")}</tr></thead>
            <tbody></tbody></table></div></details>
        <details><summary>The same in Python</summary>
          <pre tabindex="0" aria-label="The same in Python"></pre></details>
      </div></div>
    </div>`;

  Object.assign(lab, { RUN, NETWORKS, template });
})();
