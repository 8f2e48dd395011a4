"""Several discriminators as one player of a GAN, how much each weighs, and a generator that has a say in it."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.gan.standard import LARGER
from advnotes.nets import check_logit_network, one_logit

__all__ = ["Jury", "Regulated", "critic_weights"]


class Jury(nn.Module):
    r"""Discriminators that share a batch: row :math:`i` goes to critic :math:`i` modulo their number.

    So each critic sees its own samples, as in the code of Durugkar et al. 2016; a batch of ``n`` times as many rows
    shows each of ``n`` critics as many as a lone one sees. The logit of a row is that of its critic: losses and
    penalties that take the mean over rows take it over critics as well.

    Args:
        critics: each maps samples (and labels, in a conditional game) to one logit each, no sigmoid at its end. Let
            them differ: in their initial weights at least, in dropout, width or depth.

    Raises:
        ValueError: where there are none, or one ends with a sigmoid; when called, where a batch has fewer rows than
            there are critics.
    """

    def __init__(self, critics: Sequence[nn.Module]) -> None:
        super().__init__()
        if len(critics) == 0:
            raise ValueError("expected one critic or more, got none")
        for number, critic in enumerate(critics):
            check_logit_network(f"critic {number}", critic)
        self.critics = nn.ModuleList(critics)

    def __len__(self) -> int:
        """The number of critics."""
        return len(self.critics)

    def forward(self, x: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, " batch"]:
        """The logit of each row, by the critic whose turn it is."""
        n = len(self)
        if len(x) < n:
            raise ValueError(
                f"expected a row for each of {n} critics, got {len(x)}: {LARGER}; penalties on part of a batch "
                "want as many samples too"
            )
        parts = [_judge(critic, x[i::n], labels, i, n) for i, critic in enumerate(self.critics)]
        places = torch.cat([torch.arange(i, len(x), n, device=x.device) for i in range(n)])
        return torch.cat(parts)[places.argsort()]

    def each(self, x: Float[Tensor, "batch ..."], *labels: Tensor) -> Float[Tensor, "critics batch"]:
        """What every critic says of every row."""
        return torch.stack([_judge(critic, x, labels, 0, 1) for critic in self.critics])

    def verdicts(self, values: Float[Tensor, " batch"]) -> Float[Tensor, " critics"]:
        """The mean of ``values`` over each critic's rows."""
        return torch.stack([values[i :: len(self)].mean() for i in range(len(self))])


def critic_weights(
    verdicts: Float[Tensor, "critics ..."], strictness: float | Tensor
) -> Float[Tensor, "critics ..."]:
    r"""How much each critic weighs, :math:`w_i = e^{\lambda V_i} / \sum_j e^{\lambda V_j}`.

    (Durugkar et al. 2016, section 4.1.) All weigh the same where the strictness :math:`\lambda` is 0, and only the
    largest verdict counts where it is large.
    """
    return torch.softmax(strictness * verdicts, dim=0)


class Regulated(nn.Module):
    r"""A generator that learns beside its weights how strict its jury is, by the logarithm of :math:`\lambda`.

    Args:
        network: maps latent vectors (and labels, in a conditional game) to samples.
        start: the first :math:`\lambda`, above 0.

    Raises:
        ValueError: where ``start`` is not a finite number above 0.
    """

    def __init__(self, network: nn.Module, start: float = 1.0) -> None:
        super().__init__()
        self.network = network
        like = next(network.parameters(), torch.empty(0))  # its precision and device
        logarithm = math.log(check_number("start", start, above=0.0))
        self.log_strictness = nn.Parameter(like.new_tensor(logarithm))

    def forward(self, z: Float[Tensor, "batch latent"], *labels: Tensor) -> Tensor:
        """What the network generates."""
        samples: Tensor = self.network(z, *labels)
        return samples


def _judge(critic: nn.Module, x: Tensor, labels: tuple[Tensor, ...], first: int, step: int) -> Tensor:
    """One critic's logits, given the labels of its rows."""
    return one_logit(lambda rows: critic(rows, *(label[first::step] for label in labels)), x)
