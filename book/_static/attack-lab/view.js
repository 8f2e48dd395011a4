// How an attack lab shows where its attack stands: pictures, bars, line, table, and the call in Python.

(() => {
  const lab = window.AdvnotesLab;

  const read = ({ said, probabilities }) => `read as ${said} (${lab.percent(probabilities[said])})`;

  /** Everything but the sentence. */
  function show(it) {
    const { attack, x, y, settings } = it;
    const { now } = attack;
    const before = attack.network.look(x, y);
    const delta = lab.minus(now.point, x);
    const most = delta.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    // In L2 and L1 the size says little of a single pixel.
    const span = settings.threat === "linf" ? attack.eps : most || 1;
    showPictures(it, before, delta, most, span);
    it.bars.show(before, now, y);
    const [other] = Object.keys(it.attacks).filter((name) => name !== settings.network);
    lab.drawLoss(it.find(".lab-loss"), attack, it.attacks[other], settings.method === "fgsm" ? 1 : 10);
    it.find("[data-other]").textContent = other ? `, dashed: the ${other} network` : "";
    it.find("tbody").innerHTML = attack.points.map((point, step) => row(point, step, y)).join("");
    it.find("pre").textContent = lab.python(it);
  }

  function showPictures({ attack, x, y, find, all }, before, delta, most, span) {
    const { now } = attack;
    const at = `at most ${lab.size(most)} a pixel`;
    const texts = {
      before: [read(before), `The digit ${y}, ${read(before)}.`],
      change: [at, `The change: ${at}. Red adds ink, blue takes it.`],
      after: [read(now), `The changed digit, ${read(now)}.`],
    };
    for (const [name, [caption, description]] of Object.entries(texts)) {
      find(`[data-caption="${name}"]`).textContent = caption;
      find(`[data-picture="${name}"]`).setAttribute("aria-label", description);
    }
    lab.paint(find('[data-picture="before"]'), x);
    lab.paintChange(find('[data-picture="change"]'), delta, span);
    lab.paint(find('[data-picture="after"]'), now.point);
    find('[data-picture="after"]').classList.toggle("lab-fooled", now.said !== y);
    const [takes, adds] = all(".lab-key span");
    takes.textContent = `−${lab.size(span)} takes ink`;
    adds.textContent = `adds ink +${lab.size(span)}`;
  }

  const row = (
    { loss, said, probabilities, norm },
    step,
    y,
  ) => `<tr><td>${step}</td><td>${lab.nats(loss)}</td>
    <td>${said} (${lab.percent(probabilities[said])})</td><td>${lab.percent(probabilities[y])}</td>
    <td>${lab.size(norm)}</td></tr>`;

  lab.show = show;
})();
