// The attack lab's sentences and numbers: what happened, in words, and the same attack in Python.

(() => {
  const lab = window.AdvnotesLab;
  const NAMES = { linf: "Linf", l2: "L2", l1: "L1" };
  const NORMS = {
    linf: "The largest change of a pixel",
    l2: "The change's Euclidean length",
    l1: "The sum of all changes",
  };

  /** A probability; one that only rounds to 0% or 100% says so. */
  function percent(share) {
    if (share > 0 && share < 0.001) return "<0.1%";
    if (share < 1 && share > 0.999) return ">99.9%";
    return `${(100 * share).toFixed(share < 0.1 || share > 0.99 ? 1 : 0)}%`;
  }

  /** A loss; what rounds to 0.000 says so. */
  function nats(loss) {
    if (loss < 0.001) return "under 0.001";
    return loss.toFixed(loss < 0.1 ? 3 : loss < 10 ? 2 : 1);
  }

  const size = (value) => String(Number(value.toPrecision(3)));

  /** What the network reads at a point, against the true class. */
  function reading({ said, probabilities }, y) {
    if (said === y) return `reads ${said} (${percent(probabilities[said])}), which is right`;
    return `reads ${said} (${percent(probabilities[said])}) and not ${y} (${percent(probabilities[y])})`;
  }

  /** What the last step of an attack has done; at its start, where it stands. */
  function lastStep({ attack, settings }) {
    const { points, steps, now, y } = attack;
    const spent = `${NORMS[settings.threat]} is ${size(now.norm)} of at most ${size(attack.eps)}.`;
    if (steps === 0) {
      const where = settings.start ? `At a random point of the ball. ${spent}` : "The digit as it is.";
      return `${where} The network ${reading(now, y)}.`;
    }
    const before = points[steps - 1];
    const [was, is] = [nats(before.loss), nats(now.loss)];
    const change =
      was === is ? `stays at ${is}` : `${now.loss > before.loss ? "rises" : "falls"} from ${was} to ${is}`;
    const first = now.said !== y && points.slice(0, steps).every(({ said }) => said === y);
    const turn = first
      ? " The network is fooled: it"
      : now.said !== y
        ? " It is still fooled: it"
        : " The network";
    return `Step ${steps}: the loss ${change}.${turn} ${reading(now, y)}. ${spent}`;
  }

  /** The package's own call for what the page shows. */
  function python({ attack, settings, network, digit }) {
    const threat = `${NAMES[settings.threat]}(${size(attack.eps)})`;
    const steps = Math.max(attack.steps, 1);
    const call =
      settings.method === "fgsm"
        ? `FGSM(${threat})`
        : `PGD(${threat}, steps=${steps}, step_size=${size(attack.stepSize)}, ` +
          `random_start=${settings.start ? "True" : "False"}, best=False)`;
    const input = digit
      ? `x, y = (values[${digit.index}:${digit.index + 1}] for values in data.mnist("test"))`
      : `x, y = my_digit, torch.tensor([${attack.y}])  # my_digit: [1, 1, 28, 28], in [0, 1]`;
    const needed = [call.slice(0, call.indexOf("(")), NAMES[settings.threat], "data", "zoo"];
    return [
      ...(digit ? [] : ["import torch"]),
      `from advnotes import ${needed.filter((name) => digit || name !== "data").join(", ")}`,
      "",
      input,
      `x_adv = ${call}(zoo.mnist_${network}(), x, y)`,
    ].join("\n");
  }

  Object.assign(lab, { percent, nats, size, reading, lastStep, python });
})();
