"""What a discriminator pays beside its loss: penalties compose with any GAN of this package."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count
from advnotes.counter import add_one, number_of
from advnotes.game import as_text

__all__ = ["Penalty"]


class Penalty(nn.Module, ABC):
    r"""A term :math:`P` that is added to the discriminator's loss, :math:`L_D + P`.

    ``GAN(G, D, 64, penalties=[R1(gamma=1.0)])`` has one, ``penalties=[R1(), R2()]`` two. A penalty of your own is a
    subclass with one method, :meth:`term`.

    Args:
        every: in training the term is taken in one of ``every`` turns and weighs as much more in it (lazy
            regularisation: Karras et al. 2020, StyleGAN2, section 3.1). In eval mode every call takes it.
        samples: on how many samples of the batch it is taken; all where it is not given.

    Raises:
        ValueError: where ``every`` or ``samples`` is less than 1.
    """

    moves: Tensor

    def __init__(self, *, every: int = 1, samples: int | None = None) -> None:
        super().__init__()
        self.every = check_count("every", every)
        self.samples = None if samples is None else check_count("samples", samples)
        self.register_buffer("moves", torch.zeros((), dtype=torch.int64))

    def forward(
        self,
        logit: Callable[..., Tensor],
        real: Float[Tensor, "batch ..."],
        fake: Float[Tensor, "generated ..."],
        *labels: Tensor,
    ) -> Float[Tensor, ""]:
        """The term, where this turn takes it, and else 0.

        Args:
            logit: the discriminator's, of samples and, in a conditional game, their labels.
            real, fake: the samples that the discriminator's loss was taken at.
            labels: the classes of both.
        """
        every = self.every if self.training else 1  # what is measured between the moves must not count as one
        due = every == 1 or number_of(self.moves) % every == 0
        if self.training:
            add_one(self.moves)
        if not due:
            return real.new_zeros(())
        with torch.inference_mode(False):  # where there is no gradient to penalise
            parts = [part[: self.samples] for part in (real, fake, *labels)]
            real, fake, *labels = (part.clone() if part.is_inference() else part for part in parts)  # type: ignore[assignment]
            return every * self.term(lambda x: logit(x, *labels), real, fake)

    @abstractmethod
    def term(
        self,
        logit: Callable[[Tensor], Tensor],
        real: Float[Tensor, "part ..."],
        fake: Float[Tensor, "fakes ..."],
    ) -> Float[Tensor, ""]:
        """The penalty of a discriminator whose logit of each sample is ``logit(x)``, differentiable in its weights."""

    def extra_repr(self) -> str:
        """The settings by name: a checkpoint with others is not resumed."""
        named = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        named.pop("training")
        # Never where in memory an object lies, which is another place in each process.
        texts = {name: as_text(value) or repr(value) for name, value in named.items()}
        return ", ".join(f"{name}={text}" for name, text in texts.items() if " at 0x" not in text)
