// The networks of the GAN in the plane: a batch forward, its gradient back, and the gradient's own derivative.
//
// The two cures that one can turn need a derivative of a gradient: R1 is the length of one, and an unrolled
// generator looks through steps along one. Both are served by the derivative along one direction. If all weights
// and inputs move with given speeds, how fast does the gradient change? That takes one more pass forward and back
// (Pearlmutter 1994, "Fast exact multiplication by the Hessian"). The activations are ReLUs, whose slope is
// constant but at the kink, so their second derivative is left out, as torch does.
//
// These are classic scripts that share one global object: a page opened from the disk may load no modules.

window.AdvnotesPlane = window.AdvnotesPlane || {};

(() => {
  /** Adds x W' to y, for n rows x of `wide` numbers and rows y of `narrow`; W begins at `at`. */
  function push(weights, at, x, y, n, wide, narrow) {
    for (let row = 0; row < n; row++) {
      for (let o = 0; o < narrow; o++) {
        let sum = 0;
        const from = at + o * wide;
        for (let i = 0; i < wide; i++) sum += weights[from + i] * x[row * wide + i];
        y[row * narrow + o] += sum;
      }
    }
  }

  /** Adds y W to x: slopes go back from a layer's outputs to its inputs. */
  function pull(weights, at, y, x, n, wide, narrow) {
    for (let row = 0; row < n; row++) {
      for (let o = 0; o < narrow; o++) {
        const slope = y[row * narrow + o];
        if (slope === 0) continue;
        const from = at + o * wide;
        for (let i = 0; i < wide; i++) x[row * wide + i] += slope * weights[from + i];
      }
    }
  }

  /** Adds y' x to the gradient of W. */
  function collect(gradient, at, y, x, n, wide, narrow) {
    for (let row = 0; row < n; row++) {
      for (let o = 0; o < narrow; o++) {
        const slope = y[row * narrow + o];
        if (slope === 0) continue;
        const to = at + o * wide;
        for (let i = 0; i < wide; i++) gradient[to + i] += slope * x[row * wide + i];
      }
    }
  }

  /** The same for the bias: adds the rows of y to `totals`. */
  function addRows(totals, at, y, n, narrow) {
    for (let row = 0; row < n; row++) for (let o = 0; o < narrow; o++) totals[at + o] += y[row * narrow + o];
  }

  /** The other way round: adds the bias, which begins at `at`, to every row. */
  function addToRows(bias, at, y, n, narrow) {
    for (let row = 0; row < n; row++) for (let o = 0; o < narrow; o++) y[row * narrow + o] += bias[at + o];
  }

  /** Silences what a ReLU silenced on the way forward. */
  function silence(values, after) {
    for (let k = 0; k < values.length; k++) if (!(after[k] > 0)) values[k] = 0;
  }

  /** A multilayer perceptron's shape; its weights are one row of numbers, layer by layer, the biases last. */
  class Shape {
    constructor(...sizes) {
      this.sizes = sizes;
      this.layers = [];
      let at = 0;
      for (let l = 1; l < sizes.length; l++) {
        const [wide, narrow] = [sizes[l - 1], sizes[l]];
        this.layers.push({ wide, narrow, at, bias: at + wide * narrow });
        at += (wide + 1) * narrow;
      }
      this.count = at;
    }

    /** Weights as torch's Linear begins with them: uniform, by the square root of a layer's inputs. */
    begin(random) {
      const theta = new Float64Array(this.count);
      for (const { wide, narrow, at } of this.layers) {
        for (let k = at; k < at + (wide + 1) * narrow; k++) theta[k] = (2 * random() - 1) / Math.sqrt(wide);
      }
      return theta;
    }

    /** The values before each layer, for a batch x, and those after the last. */
    forward(theta, x) {
      const n = x.length / this.sizes[0];
      const values = [x];
      this.layers.forEach(({ wide, narrow, at, bias }, l) => {
        const y = new Float64Array(n * narrow);
        addToRows(theta, bias, y, n, narrow);
        push(theta, at, values[l], y, n, wide, narrow);
        if (l < this.layers.length - 1) silence(y, y);
        values.push(y);
      });
      return values;
    }

    /** Takes slopes of the outputs to the gradients of the weights and of the inputs. */
    backward(theta, values, slopes) {
      const gradient = new Float64Array(this.count);
      let y = slopes;
      for (let l = this.layers.length - 1; l >= 0; l--) {
        const { wide, narrow, at, bias } = this.layers[l];
        const n = y.length / narrow;
        collect(gradient, at, y, values[l], n, wide, narrow);
        addRows(gradient, bias, y, n, narrow);
        const x = new Float64Array(n * wide);
        pull(theta, at, y, x, n, wide, narrow);
        if (l > 0) silence(x, values[l]);
        y = x;
      }
      return { theta: gradient, input: y };
    }

    /** How fast the values change if the weights or the inputs move with these speeds. */
    forwardSpeed(theta, values, { theta: speed, input }) {
      const speeds = [input ?? new Float64Array(values[0].length)];
      this.layers.forEach(({ wide, narrow, at, bias }, l) => {
        const n = values[l].length / wide;
        const y = new Float64Array(n * narrow);
        if (l > 0 || input) push(theta, at, speeds[l], y, n, wide, narrow);
        if (speed) {
          push(speed, at, values[l], y, n, wide, narrow);
          addToRows(speed, bias, y, n, narrow);
        }
        if (l < this.layers.length - 1) silence(y, values[l + 1]);
        speeds.push(y);
      });
      return speeds;
    }

    /** How fast the gradients of `backward` change then; the slopes of the outputs may change too. */
    backwardSpeed(theta, values, slopes, { theta: speed }, speeds, slopeSpeeds) {
      const gradient = new Float64Array(this.count);
      let [y, dy] = [slopes, slopeSpeeds];
      for (let l = this.layers.length - 1; l >= 0; l--) {
        const { wide, narrow, at, bias } = this.layers[l];
        const n = y.length / narrow;
        collect(gradient, at, dy, values[l], n, wide, narrow);
        collect(gradient, at, y, speeds[l], n, wide, narrow);
        addRows(gradient, bias, dy, n, narrow);
        const [x, dx] = [new Float64Array(n * wide), new Float64Array(n * wide)];
        pull(theta, at, y, x, n, wide, narrow);
        pull(theta, at, dy, dx, n, wide, narrow);
        if (speed) pull(speed, at, y, dx, n, wide, narrow);
        if (l > 0) {
          silence(x, values[l]);
          silence(dx, values[l]);
        }
        [y, dy] = [x, dx];
      }
      return { theta: gradient, input: dy };
    }
  }

  Object.assign(window.AdvnotesPlane, { Shape });
})();
