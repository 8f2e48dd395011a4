// The attack lab's digit network: logits, loss, and the loss's gradient in the pixels, by hand.
//
// By hand and not by a library: the one with gradients that runs in a page, TensorFlow.js 4.22, is a script
// of 1.1 MB, and the weights take 0.9 MB of the 1.5 MB that the page may have. The network has four layers,
// and a pass forward and back takes a few milliseconds in plain loops. Everything is computed in float64.
//
// These are classic scripts that share one global object: a page opened from the disk may load no modules.

window.AdvnotesLab = window.AdvnotesLab || {};

(() => {
  const SIDE = 28;
  const CLASSES = 10;

  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const float32 = (text) => Float64Array.from(new Float32Array(bytes(text).buffer));

  /** A layer's weights and biases; 16-bit steps are multiplied by the scale of their row. */
  function unpack(layer) {
    const bias = float32(layer.bias);
    if (!layer.steps) {
      return { weight: float32(layer.weight), bias };
    }
    const scale = float32(layer.scale);
    const steps = new Int16Array(bytes(layer.steps).buffer);
    const width = steps.length / scale.length;
    return {
      weight: Float64Array.from(steps, (step, index) => step * scale[Math.floor(index / width)]),
      bias,
    };
  }

  /** A 4x4 convolution with stride 2 and padding 1, which halves the side, and its gradient in the input. */
  class Convolution {
    constructor(layer, channels, side) {
      Object.assign(this, unpack(layer), { channels, side });
    }

    forward(input) {
      const area = (this.side / 2) ** 2;
      const output = Float64Array.from(
        { length: this.bias.length * area },
        (_, i) => this.bias[Math.floor(i / area)],
      );
      this.carry(input, output, false);
      return output;
    }

    backward(gradient) {
      const result = new Float64Array(this.channels * this.side ** 2);
      this.carry(gradient, result, true);
      return result;
    }

    /** Adds the weighted inputs to the outputs; backwards, the weighted slopes to the inputs'. */
    carry(from, to, backwards) {
      const { weight, channels, side } = this;
      const half = side / 2;
      for (let w = 0; w < weight.length; w++) {
        const kx = w % 4;
        const ky = (w >> 2) % 4;
        const c = (w >> 4) % channels;
        const o = Math.floor((w >> 4) / channels);
        const factor = weight[w];
        // Without the places where the kernel's first or last row or column lies in the padding.
        const first = kx === 0 ? 1 : 0;
        const end = kx === 3 ? half - 1 : half;
        for (let oy = ky === 0 ? 1 : 0; oy < (ky === 3 ? half - 1 : half); oy++) {
          let input = (c * side + 2 * oy + ky - 1) * side + 2 * first + kx - 1;
          for (let output = (o * half + oy) * half + first; output < (o * half + oy) * half + end; output++) {
            if (backwards) to[input] += factor * from[output];
            else to[output] += factor * from[input];
            input += 2;
          }
        }
      }
    }
  }

  /** A fully connected layer, and its gradient in the input. */
  class Linear {
    constructor(layer) {
      Object.assign(this, unpack(layer));
      this.width = this.weight.length / this.bias.length;
    }

    forward(input) {
      return this.bias.map((bias, o) => {
        let sum = bias;
        for (let i = 0; i < this.width; i++) sum += this.weight[o * this.width + i] * input[i];
        return sum;
      });
    }

    backward(gradient) {
      const result = new Float64Array(this.width);
      gradient.forEach((slope, o) => {
        if (slope === 0) return;
        for (let i = 0; i < this.width; i++) result[i] += this.weight[o * this.width + i] * slope;
      });
      return result;
    }
  }

  const relu = (values) => values.map((value) => Math.max(value, 0));

  function softmax(logits) {
    const top = Math.max(...logits);
    const powers = logits.map((logit) => Math.exp(logit - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  }

  /** The cross-entropy of class y: exact also where its probability rounds to 0 or 1. */
  function crossEntropy(logits, y) {
    const others = logits.reduce((sum, logit, k) => (k === y ? sum : sum + Math.exp(logit - logits[y])), 0);
    if (others < Infinity) return Math.log1p(others);
    const top = Math.max(...logits);
    return top - logits[y] + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
  }

  /** The class with the largest value. */
  const argmax = (values) => values.reduce((best, value, k) => (value > values[best] ? k : best), 0);

  class Network {
    constructor(packed) {
      this.mean = packed.mean;
      this.std = packed.std;
      this.layers = [
        new Convolution(packed.first, 1, SIDE),
        new Convolution(packed.second, 16, SIDE / 2),
        new Linear(packed.hidden),
        new Linear(packed.output),
      ];
    }

    /** What the network makes of a picture of 784 numbers in [0, 1] whose true class is y. */
    look(pixels, y) {
      const activations = []; // of each layer before the last, after its ReLU
      let values = Float64Array.from(pixels, (pixel) => (pixel - this.mean) / this.std);
      this.layers.forEach((layer, number) => {
        values = layer.forward(values);
        if (number < this.layers.length - 1) activations.push((values = relu(values)));
      });
      const [logits, probabilities, loss] = [values, softmax(values), crossEntropy(values, y)];
      return { y, logits, probabilities, loss, said: argmax(logits), activations };
    }

    /** The gradient of the loss in the pixels, where the network has looked. */
    gradient({ y, probabilities, activations }) {
      // That of the logits is p - onehot(y). In a sure network 1 - p(y) rounds to 0: the others are summed.
      let slope = probabilities.slice();
      slope[y] = 0;
      slope[y] = -slope.reduce((a, b) => a + b, 0);
      for (let number = this.layers.length - 1; number >= 0; number--) {
        slope = this.layers[number].backward(slope);
        const active = activations[number - 1];
        if (active) slope = slope.map((value, i) => (active[i] > 0 ? value : 0));
      }
      return slope.map((value) => value / this.std);
    }
  }

  Object.assign(window.AdvnotesLab, { SIDE, CLASSES, Network, argmax, bytes });
})();
