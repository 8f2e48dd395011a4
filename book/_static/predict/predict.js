// A question with three options before its solution: each option gets a button, and the page says why it is right or not.
// The options are a list, the sentences stand in the fold under it, that of the right one first; both are read without
// this script, too.
(() => {
  const letterOf = (element) => {
    const first = element.firstElementChild;
    const found = first?.tagName === "STRONG" ? /^([A-Z])\.$/.exec(first.textContent.trim()) : null;
    return found?.[1];
  };

  // Of the fold: letter -> paragraph, in its order. Only the paragraphs directly in it, not those of the code's outputs.
  const answersIn = (fold) => {
    const paragraphs = [...fold.querySelectorAll(":scope > .sd-summary-content > p")];
    return new Map(paragraphs.map((paragraph) => [letterOf(paragraph), paragraph]).filter(([letter]) => letter));
  };

  // A copy of a sentence without its letter; formulas come along as they were typeset.
  const sentence = (paragraph) => {
    const copy = paragraph.cloneNode(true);
    copy.firstElementChild.remove();
    const span = document.createElement("span");
    span.append(...copy.childNodes);
    return span;
  };

  const ask = (question, number) => {
    const list = question.querySelector(":scope > ul");
    const fold = question.querySelector(":scope > details");
    const answers = fold && answersIn(fold);
    if (!list || !answers?.size) {
      return;
    }
    const [right] = answers.keys();
    const told = document.createElement("div");
    told.className = "told";
    told.setAttribute("role", "status");
    const open = Object.assign(document.createElement("button"), { type: "button", className: "open" });
    open.textContent = "Open the solution";
    open.hidden = true;
    open.addEventListener("click", () => {
      fold.open = true;
      fold.querySelector("summary").focus();
    });
    fold.addEventListener("toggle", () => {
      open.hidden = fold.open || !told.textContent;
    });

    const buttons = [];
    const choose = (button) => {
      const letter = button.textContent;
      for (const other of buttons) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      const found = letter === right;
      button.closest("li").dataset.state = found ? "right" : "wrong";
      const verdict = document.createElement("strong");
      verdict.textContent = found ? `Yes, ${letter}. ` : `Not ${letter}. `;
      told.dataset.state = found ? "right" : "wrong";
      told.replaceChildren(verdict, sentence(answers.get(letter)));
      open.hidden = fold.open;
    };

    for (const item of list.children) {
      const holder = item.querySelector(":scope > p") ?? item;
      const letter = letterOf(holder);
      if (!answers.has(letter)) {
        continue;
      }
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: letter });
      button.id = `predict-${number}-${letter}`;
      button.setAttribute("aria-pressed", "false");
      const words = document.createElement("span");
      words.id = `${button.id}-words`;
      button.setAttribute("aria-labelledby", `${button.id} ${words.id}`);
      button.addEventListener("click", () => choose(button));
      holder.firstElementChild.remove();
      words.append(...holder.childNodes);
      item.replaceChildren(button, words);
      buttons.push(button);
    }
    list.classList.add("options");
    list.setAttribute("role", "list"); // without marks it would be none to some screen readers
    list.after(told, open);
  };

  document.querySelectorAll(".advnotes-predict").forEach(ask);
})();
