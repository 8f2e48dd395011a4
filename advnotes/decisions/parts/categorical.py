"""A generator whose density is known: a softmax over things that can be counted."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from advnotes.checks import check_count
from advnotes.decisions.environments.worlds import check_numbers

__all__ = ["Categorical"]


class Categorical(nn.Module):
    r"""Any distribution over ``size`` things, by a logit for each: :math:`\log q(x) = \ell_x - \log\sum_y e^{\ell_y}`.

    Args:
        size: how many things there are, numbered from 0. At first all are equally likely.

    Raises:
        ValueError: where ``size`` is less than 1; when called, where samples are no whole numbers below ``size``.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(check_count("size", size)))

    def sample(self, n: int, generator: torch.Generator | None = None) -> Int64[Tensor, " n"]:
        """Draw ``n`` things."""
        check_count("n", n)
        probabilities = self.logits.detach().softmax(dim=0)
        if generator is not None:
            probabilities = probabilities.to(generator.device)
        drawn = torch.multinomial(probabilities, n, replacement=True, generator=generator)
        return drawn.to(self.logits.device)

    def log_prob(self, x: Int64[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """The log-probability of each sample, in nats."""
        check_numbers("samples", x, len(self.logits))
        if x.ndim != 1:
            raise ValueError(f"expected a number for each sample, [batch], got the shape {tuple(x.shape)}")
        return self.logits.log_softmax(dim=0)[x]
