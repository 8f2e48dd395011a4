// The game of the GAN in the plane: two players, their optimizers, and a round.

(() => {
  const plane = window.AdvnotesPlane;
  const BATCH = 64;
  const SHOWN = 500; // generated points that are drawn and counted, always of the same z
  const G = new plane.Shape(2, 64, 64, 2);
  const D = new plane.Shape(2, 128, 1);

  class Game {
    /** @param data one of plane.DATA; @param seed decides the weights, the batches and the noise */
    constructor(data, seed) {
      this.data = data;
      this.rounds = 0;
      this.random = plane.chance(seed);
      this.generator = { theta: G.begin(this.random), ...plane.adamStart(G.count) };
      this.discriminator = { theta: D.begin(this.random), ...plane.adamStart(D.count) };
      this.shown = plane.normals(this.random, 2 * SHOWN);
    }

    noise() {
      return plane.normals(this.random, 2 * BATCH);
    }

    /** Some moves of D, then one of G; returns both losses as they were before the last move of each. */
    round({ moves, gamma, unroll, minimax, rateG, rateD }) {
      const losses = {};
      let real;
      const look = () => {
        const z = this.noise();
        const values = G.forward(this.generator.theta, z);
        const { theta, ...adam } = this.discriminator;
        const settings = { minimax, unroll, adam, rate: rateD };
        const { loss, points } = plane.generatorLoss(D, theta, real, values.at(-1), settings);
        losses.generator = loss;
        return G.backward(this.generator.theta, values, points).theta;
      };
      let gradient;
      for (let k = 0; k < moves; k++) {
        real = plane.sample(this.data, BATCH, this.random);
        // One that looks ahead looks from where D is before its last move: the first step it foresees is that move.
        if (unroll > 0 && k === moves - 1) gradient = look();
        const fake = G.forward(this.generator.theta, this.noise()).at(-1);
        const seen = plane.discriminatorLoss(D, this.discriminator.theta, real, fake, gamma);
        losses.discriminator = seen.loss;
        this.discriminator = plane.adamStep(this.discriminator, seen.gradient, rateD);
      }
      this.generator = plane.adamStep(this.generator, gradient ?? look(), rateG);
      this.rounds += 1;
      return losses;
    }

    /** Where the generator puts places of its own space. */
    generate(z = this.shown) {
      return G.forward(this.generator.theta, z).at(-1);
    }

    /** How much D takes each of these points for real, from 0 to 1. */
    believe(points) {
      return D.forward(this.discriminator.theta, points).at(-1).map(plane.sigmoid);
    }
  }

  plane.Game = Game;
})();
