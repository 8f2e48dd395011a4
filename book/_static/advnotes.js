// A page opened from disk may not fetch another page, so search leaves out the excerpts there.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// What the programs that write the pages get wrong for a screen reader.
document.addEventListener("DOMContentLoaded", () => {
  // docutils: a role that has been withdrawn, inside a list whose items are not all items.
  for (const element of document.querySelectorAll(".citation-list, .citation[role]")) {
    element.removeAttribute("role");
  }
  // Sphinx: a signature's lines are descriptions without a term.
  for (const line of document.querySelectorAll("dt.sig dl, dt.sig dd")) {
    const span = document.createElement("span");
    span.className = "advnotes-sig-lines";
    span.append(...line.childNodes);
    line.replaceWith(span);
  }
  // Markdown and pandas: an empty corner of a table is no heading.
  for (const corner of document.querySelectorAll("thead th")) {
    if (corner.textContent.trim() === "" && !corner.querySelector("img")) {
      const cell = document.createElement("td");
      cell.className = corner.className;
      corner.replaceWith(cell);
    }
  }
});

// A formula within a line does not break; one that is wider than its column gets a line, and a scroll bar, of its own.
window.addEventListener("load", async () => {
  await window.MathJax?.startup.promise;
  for (const formula of document.querySelectorAll("span.math > mjx-container")) {
    const column = formula.closest("p, li, dd, td, th, dt, figcaption");
    if (column && !column.matches("td, th") && formula.offsetWidth > column.clientWidth) {
      formula.classList.add("advnotes-wide");
    }
  }
});

// On a phone a figure shrinks to the column. A button, or a tap on the figure, shows it at its full width and back.
const PHONE = matchMedia("(max-width: 47.9rem)"); // as in the style sheet, which shows the button
window.addEventListener("load", () => {
  for (const image of document.querySelectorAll(".bd-article figure > img")) {
    const box = Object.assign(document.createElement("div"), { className: "advnotes-picture" });
    image.replaceWith(box);
    box.append(image);
  }
  const boxes = ".bd-article :is(figure > a.image-reference, figure > .advnotes-picture, .advnotes-slider > .frames)";
  for (const box of document.querySelectorAll(boxes)) {
    const image = box.querySelector("img");
    const full = parseFloat(image.style.width) || Number(image.getAttribute("width")) || image.naturalWidth / 2;
    if (full <= box.parentElement.clientWidth * 1.2) {
      continue;
    }
    box.style.setProperty("--advnotes-full-width", `${full}px`);
    const button = Object.assign(document.createElement("button"), { type: "button", className: "advnotes-enlarge" });
    const show = (large) => {
      box.classList.toggle("advnotes-enlarged", large);
      box.tabIndex = large || box.matches("a") ? 0 : -1; // what scrolls can be reached by keyboard
      button.textContent = large ? "Fit the figure to the screen" : "Enlarge the figure";
    };
    button.addEventListener("click", () => show(!box.classList.contains("advnotes-enlarged")));
    box.addEventListener("click", (event) => {
      if (PHONE.matches) {
        event.preventDefault();
        button.click();
      }
    });
    show(false);
    box.after(button);
  }
});

// The scorecard: claims whose verdict or kind is not asked for are left out, and so is a chapter without any.
document.addEventListener("DOMContentLoaded", () => {
  const boxes = [...document.querySelectorAll(".advnotes-filter input")];
  const asked = (name) => new Set(boxes.filter((box) => box.name === name && box.checked).map((box) => box.value));
  const apply = () => {
    const verdicts = asked("verdict");
    const kinds = asked("kind");
    for (const row of document.querySelectorAll(".advnotes-scorecard tbody tr")) {
      row.hidden = !verdicts.has(row.dataset.verdict) || !kinds.has(row.dataset.kind);
    }
    for (const table of document.querySelectorAll(".advnotes-scorecard")) {
      table.closest("section").hidden = !table.querySelector("tbody tr:not([hidden])");
    }
  };
  for (const box of boxes) {
    box.addEventListener("change", apply);
  }
});

// Things to play with: the class of the place where one is shown, its folder, and its scripts one after the other, as
// they stand on each other. Loaded only on pages that have one; the style sheet bears the folder's name.
const WIDGETS = {
  "advnotes-attack-lab": {
    folder: "attack-lab",
    scripts: ["network", "attacks", "digits", "words", "pictures", "pad", "page", "view", "lab"],
  },
  "advnotes-predict": { folder: "predict", scripts: ["predict"] },
  "advnotes-two-players": {
    folder: "two-players",
    scripts: ["games", "rounds", "eigenvalues", "words", "page", "plane", "charts", "players"],
  },
  "advnotes-plane-gan": {
    folder: "plane-gan",
    scripts: ["network", "adam", "losses", "data", "game", "words", "page", "picture", "dots", "charts", "gan"],
  },
  "advnotes-threats": {
    folder: "threats",
    scripts: ["norms", "landscape", "words", "shapes", "plane", "handles", "page", "threats"],
  },
  "advnotes-play-eve": { folder: "play-eve", scripts: ["page", "eve"] },
};
const STATIC = document.currentScript.src;
document.addEventListener("DOMContentLoaded", () => {
  const shown = Object.entries(WIDGETS).filter(([place]) => document.querySelector(`.${place}`));
  const widgets = shown.map(([, widget]) => widget);
  const sheets = widgets.map(({ folder }) => `${folder}/${folder}.css`);
  for (const sheet of sheets.length ? ["widgets.css", ...sheets] : []) {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet" });
    style.href = new URL(sheet, STATIC);
    document.head.append(style);
  }
  for (const path of widgets.flatMap(({ folder, scripts }) => scripts.map((name) => `${folder}/${name}.js`))) {
    const script = Object.assign(document.createElement("script"), { async: false });
    script.src = new URL(path, STATIC);
    document.head.append(script);
  }
});
