// The reader plays Eve: what is pressed, and what follows. One for each <div class="advnotes-play-eve">.
//
// It holds a <script type="application/json"> with what a run of the chapter measured: {pairs: {name: {title, messages:
// [{sent: [numbers], key, message, bob, fresh, trained, thief: bits as text}]}}}; the last two are left out where a pair has
// no Eve of its own.

(() => {
  const eve = window.AdvnotesEve;
  const READERS = {
    trained: "the Eve of the game",
    fresh: "a larger fresh Eve",
    thief: "an Eve who reads the key first",
    bob: "Bob",
  };

  const apart = (one, other) => [...one].filter((bit, n) => bit !== other[n]).length;
  const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);

  class PlayEve {
    constructor(root, number) {
      this.pairs = JSON.parse(root.querySelector("script[type='application/json']").textContent).pairs;
      this.settings = { pair: Object.keys(this.pairs)[0], view: "eve" };
      this.find = (selector) => root.querySelector(selector);
      this.all = (selector) => [...root.querySelectorAll(selector)];
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", "Play Eve");
      const titles = Object.fromEntries(Object.entries(this.pairs).map(([name, { title }]) => [name, title]));
      root.innerHTML = eve.template(`play-eve-${number}`, titles);
      for (const input of this.all("[data-setting]")) {
        const { setting } = input.dataset;
        input.checked = input.value === this.settings[setting];
        input.addEventListener("change", () => this.choose(setting, input.value));
      }
      for (const button of this.all("[data-do]")) button.addEventListener("click", () => this[button.dataset.do]());
      this.again();
    }

    get messages() {
      return this.pairs[this.settings.pair].messages;
    }

    /** The largest number that this Alice sends, rounded up to a tenth. */
    get span() {
      const sizes = this.messages.flatMap(({ sent }) => sent.map(Math.abs));
      return Math.ceil(10 * Math.max(0.1, ...sizes)) / 10;
    }

    get message() {
      return this.messages[this.place % this.messages.length];
    }

    choose(name, value) {
      this.settings[name] = value;
      if (name === "pair") this.again();
      else this.show(`You are ${value === "eve" ? "Eve: the key is hidden." : "Bob: you see the key, and can let his network read."}`);
    }

    /** From the first message, without scores. */
    again() {
      this.place = 0;
      this.scores = [];
      this.take("Guess the bits, then show the message.");
    }

    next() {
      this.place += 1;
      this.take(`Message ${this.place + 1}.`);
    }

    take(words) {
      this.guess = [...this.message.message].map(() => "0");
      this.shown = false;
      this.show(words);
    }

    /** What Bob's network makes of the wire and the key, as the guess. */
    read() {
      this.guess = [...this.message.bob];
      this.show("This is what Bob's network reads with the key.");
    }

    reveal() {
      const { message, ...other } = this.message;
      const now = { you: apart(this.guess, message) };
      for (const name of Object.keys(READERS)) now[name] = other[name] ? apart(other[name], message) : null;
      this.scores.push(now);
      this.shown = true;
      const count = message.length;
      const rest = Object.entries(READERS)
        .filter(([name]) => now[name] !== null)
        .map(([name, who]) => `${who} ${now[name]}`);
      this.show(`You have ${now.you} of ${count} bits wrong; ${rest.join(", ")}. A coin has ${count / 2} on average.`);
      this.find("[data-do='next']").focus(); // what was pressed to come here can be pressed no more
    }

    show(words) {
      const { sent, key, message, bob } = this.message;
      const asBob = this.settings.view === "bob";
      eve.drawBars(this.find(".eve-bars"), sent, this.span);
      this.find(".eve-play > .eve-hidden").textContent = sent.map(eve.number).join(", ");
      eve.drawBits(this.find("[data-bits='key']"), key);
      this.find("[data-row='key']").hidden = !asBob;
      const read = this.find("[data-do='read']");
      read.hidden = !asBob;
      read.disabled = this.shown || !bob;
      eve.drawGuess(this.find("[data-guess]"), this.guess, (n) => this.flip(n));
      for (const bit of this.all(".eve-bit")) bit.disabled = this.shown;
      this.find("[data-do='reveal']").disabled = this.shown;
      this.find("[data-row='message']").hidden = !this.shown;
      if (this.shown) eve.drawBits(this.find("[data-bits='message']"), message, this.guess);
      this.find("[data-count]").textContent = message.length;
      const last = this.shown ? this.scores.at(-1) : {};
      const rows = [["you", "you"], ...Object.entries(READERS)]
        .filter(([name]) => name === "you" || this.message[name])
        .map(([name, who]) => [who, last[name] ?? null, mean(this.scores.map((score) => score[name]))]);
      eve.drawScores(this.find("tbody"), [...rows, ["a coin", null, this.scores.length ? message.length / 2 : null]]);
      this.find(".eve-told").textContent = words;
    }

    flip(n) {
      this.guess[n] = this.guess[n] === "0" ? "1" : "0";
      return this.guess[n];
    }
  }

  eve.all = [...document.querySelectorAll(".advnotes-play-eve")].map((root, number) => new PlayEve(root, number));
})();
