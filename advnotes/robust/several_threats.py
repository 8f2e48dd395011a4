"""Several adversaries in one training: the worst of them for each sample, or all of them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.attacks.attack import Attack, NormAttack
from advnotes.checks import check_count, check_inputs, logits_of
from advnotes.counter import add_one, number_of
from advnotes.game import Game
from advnotes.gradients import while_training
from advnotes.model_state import attacked
from advnotes.robust.adversarial import Perturb

__all__ = ["SeveralThreats"]


class SeveralThreats(Game):
    r"""Train one model against several adversaries (Tramèr and Boneh 2019, section 4.1).

    .. math::
        \min_\theta\; \mathbb E_{x, y} \max_{i} \max_{\delta \in \Delta_i} L(f_\theta(x + \delta), y)
        \qquad\text{or}\qquad
        \min_\theta\; \mathbb E_{x, y} \frac1n \sum_{i} \max_{\delta \in \Delta_i} L(f_\theta(x + \delta), y)

    The first trains each sample on the worst of its points, the paper's "max"; the second on all of them, "avg", at
    n times the cost of the pass that trains.

    Args:
        model: maps inputs to logits.
        attacks: at least one, such as ``[PGD(Linf(0.3)), PGD(L2(2.0))]``; any other callable
            ``attack(model, x, y) -> x_adv`` will do.
        worst: train on the worst point of each sample; False: on all.
        warmup: as in :class:`AdversarialTraining`: the number of losses over which all threats grow to their full size.

    Raises:
        ValueError: where there is no attack, or ``warmup`` is negative or wants attacks that can be scaled; when
            called, where inputs, labels or logits are not as expected.
    """

    turns = ("model",)
    moves: Tensor

    def __init__(
        self, model: nn.Module, attacks: Sequence[Perturb], *, worst: bool = True, warmup: int = 0
    ) -> None:
        super().__init__()
        if not isinstance(attacks, Sequence) or not attacks or not all(map(callable, attacks)):
            raise ValueError(
                f"expected a list of at least one attack, such as [PGD(Linf(0.3))], got {attacks!r}"
            )
        check_count("warmup", warmup, least=0)
        if warmup and not all(isinstance(attack, NormAttack) for attack in attacks):
            raise ValueError("warm-up wants advnotes NormAttacks, whose threats can be scaled: set warmup=0")
        self.model, self.attacks, self.worst, self.warmup = model, tuple(attacks), worst, warmup
        self.register_buffer("moves", torch.zeros((), dtype=torch.int64))

    def model_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The loss of a batch of inputs in their natural range; in train mode, one move of the warm-up."""
        if not any(
            isinstance(attack, Attack) for attack in self.attacks
        ):  # which check them, with their range
            check_inputs(x, y, None)
        if self.warmup and self.training and number_of(self.moves) < self.warmup:
            add_one(self.moves)
        points = self.points(x, y)
        point, labels = (
            (self.worst_of(points, y), y) if self.worst else (torch.cat(points), y.repeat(len(points)))
        )
        return F.cross_entropy(logits_of(self.model, point, labels), labels)

    def points(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> list[Tensor]:
        """What each attack makes of the inputs, at its present size."""
        factor = min(number_of(self.moves) / self.warmup, 1.0) if self.warmup and self.training else 1.0
        with while_training():
            return [
                (attack.scaled(factor) if isinstance(attack, NormAttack) and factor < 1 else attack)(
                    self.model, x, y
                )
                for attack in self.attacks
            ]

    def worst_of(self, points: Sequence[Tensor], y: Int[Tensor, " batch"]) -> Float[Tensor, "batch ..."]:
        """For each sample the point of the highest loss, of the model in eval mode."""
        if len(points) == 1:
            return points[0]
        with torch.no_grad(), attacked(self.model):
            losses = torch.stack(
                [F.cross_entropy(logits_of(self.model, point, y), y, reduction="none") for point in points]
            )
        return torch.stack(list(points))[losses.argmax(dim=0), torch.arange(len(y), device=y.device)]
