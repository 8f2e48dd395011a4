"""Persistent contrastive divergence (Tieleman 2008): how a Boltzmann machine learns from data and from its dreams."""

from jaxtyping import Float
from torch import Tensor

from advnotes.checks import check_counts
from advnotes.game import Game, Turns
from advnotes.gan.standard import check_real
from advnotes.generators.boltzmann import DBM

__all__ = ["ContrastiveDivergence"]


class ContrastiveDivergence(Game):
    r"""A Boltzmann machine learns by persistent contrastive divergence (Tieleman 2008): data down, dreams up.

    .. math:: L = \mathbb E_{x_0 \sim \text{data}}\, E(x_0, \mu(x_0)) - \mathbb E_{x \sim \text{chains}}\, E(x)

    whose gradient is that of minus the log-likelihood (its bound, with several hidden layers) where the chains have the
    machine's distribution. They go on from round to round: the negative side of a GAN's game, without a generator.

    Args:
        machine: a :class:`DBM`.
        chains: how many there are.
        sweeps: steps of Gibbs sampling in each round.
        mean_field: steps of the positive phase.

    Raises:
        ValueError: where a count is less than 1; when called, where the samples are not ``[batch, visible]`` in [0, 1].
    """

    turns: Turns = ("machine",)

    def __init__(self, machine: DBM, chains: int = 100, sweeps: int = 5, mean_field: int = 10) -> None:
        super().__init__()
        self.machine, self.sweeps, self.mean_field = machine, sweeps, mean_field
        check_counts(chains=chains, sweeps=sweeps, mean_field=mean_field)
        for k, layer in enumerate(machine.start(chains)):
            self.register_buffer(f"chain{k}", layer)

    def machine_loss(self, real: Float[Tensor, "batch visible"]) -> Float[Tensor, ""]:
        """The energy of the data less that of the chains, which move on first; in eval mode they stand still."""
        check_real(real)
        means = self.machine.mean_field(real, self.mean_field)
        chains = [self.get_buffer(f"chain{k}") for k in range(len(self.machine.sizes))]
        for _ in range(self.sweeps if self.training else 0):
            chains = self.machine.sweep(chains)
        for k, layer in enumerate(chains):
            self.get_buffer(f"chain{k}").copy_(layer)
        return self.machine.energy(means).mean() - self.machine.energy(chains).mean()
