"""Fictitious play: a classifier trained against every universal perturbation that was ever found for it."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.attacks.universal import Universal
from advnotes.checks import check_count, check_inputs, logits_of
from advnotes.counter import add_one, number_of
from advnotes.game import Game

__all__ = ["FictitiousPlay"]


class FictitiousPlay(Game):
    r"""The game of universal perturbations, with a memory (Perolat et al. 2018).

    Every so many steps the adversary answers the classifier as it is, and its answer joins a list that begins with
    the harmless :math:`\delta_0 = 0`:

    .. math:: \delta_k = \arg\max_{\delta \in \Delta}\; \mathbb E_{x, y}\, L(f_\theta(x + \delta), y)

    The classifier answers the list, that is to say the adversary's mixed strategy so far, one entry drawn for each
    sample:

    .. math:: \min_\theta\; \mathbb E_{x, y}\, \frac{1}{k + 1} \sum_{j = 0}^{k} L(f_\theta(x + \delta_j), y)

    With ``memory=1`` it answers :math:`\delta_0` and the latest perturbation only, as adversarial training does; with
    ``memory=0`` the adversary plays alone, and this is ordinary training. The two controls of the book's chapter.

    Differs from the paper: the classifier makes ``every`` steps from where it is instead of a best response, and the
    adversary answers the present classifier, not the mixture of all past ones.

    Args:
        model: maps inputs to logits.
        attack: finds the perturbations. Its ``fit`` sees the model in eval mode unless it has ``training=True``.
        x, y: the images on which they are found and their classes; they stay where they are, in no checkpoint.
        rounds: how many perturbations the adversary finds; after the last one training goes on against the list.
        every: losses of the classifier (its steps, times the batches that each accumulates) before each of them.
        memory: against how many of the latest perturbations the classifier plays; None is all of them.
        seed: with the number of the round, the randomness of a fit, equal in all processes.

    Raises:
        ValueError: where a number is out of range, the attack has no ``fit``, or the images are not as expected.
    """

    turns = ("model",)
    history: Tensor
    found: Tensor
    moves: Tensor

    def __init__(
        self,
        model: nn.Module,
        attack: Universal,
        x: Float[Tensor, "batch ..."],
        y: Int[Tensor, " batch"],
        *,
        rounds: int = 20,
        every: int = 100,
        memory: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(attack, Universal):
            raise ValueError(
                f"fictitious play wants a perturbation for all inputs, Universal(threat), got {attack!r}"
            )
        check_count("rounds", rounds)
        check_count("every", every)
        if memory is not None:
            check_count("memory", memory, least=0)
        check_inputs(x, y, attack.bounds)
        self.model = model
        self.attack = attack
        self.images = (x, y)
        self.rounds, self.every, self.memory, self.seed = rounds, every, memory, seed
        # Buffers, so that a resumed run remembers what it has met.
        self.register_buffer("history", torch.zeros(rounds + 1, *x.shape[1:], dtype=x.dtype))
        self.register_buffer("found", torch.zeros((), dtype=torch.int64))
        self.register_buffer("moves", torch.zeros((), dtype=torch.int64))

    @property
    def met(self) -> Float[Tensor, "found ..."]:
        """The perturbations found so far, the first one first."""
        return self.history[1 : number_of(self.found) + 1]

    def model_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The loss of a batch of inputs, each under an entry of the list; in train mode the adversary moves too."""
        check_inputs(x, y, self.attack.bounds)
        if x.shape[1:] != self.history.shape[1:]:
            raise ValueError(
                f"expected inputs of the shape {tuple(self.history.shape[1:])} that the perturbations have, got "
                f"{tuple(x.shape[1:])}: make the game with images such as it is played on"
            )
        if self.training:
            moves, found = number_of(self.moves), number_of(self.found)
            if moves > 0 and moves % self.every == 0 and found < self.rounds:
                self.history[found + 1] = self.answer(self.seed + found)
                add_one(self.found)
            add_one(self.moves)
        return F.cross_entropy(logits_of(self.model, self.perturbed(x), y), y)

    def answer(self, seed: int) -> Float[Tensor, "..."]:
        """The perturbation that the adversary finds for the classifier as it is; nothing is added to the list."""
        return self.attack.fit(self.model, *self.images, torch.Generator().manual_seed(seed))

    def perturbed(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Inputs under entries of the list that are drawn from what is remembered, and from nothing at all."""
        found = number_of(self.found)
        remembered = found if self.memory is None else min(self.memory, found)
        if remembered == 0:
            return x
        back = torch.randint(remembered + 1, (len(x),), device=x.device)
        entry = torch.where(back > 0, found + 1 - back, 0)
        return (x + self.history[entry]).clamp(*self.attack.bounds)
