"""Two kinds of data in one space: each with its encoder, told the category, and not which kind a point comes from."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_inputs, check_logits, check_number, check_same_kind
from advnotes.counter import add_one, number_of
from advnotes.game import Game, Turns
from advnotes.invariance.dann import domain_loss
from advnotes.invariance.gradient_reversal import growing_strength, reverse_gradient
from advnotes.nets import check_logit_network

__all__ = ["CrossModal"]

UNKNOWN = -1


class CrossModal(Game):
    r"""A common space for two modalities by adversarial backpropagation (Park and Im 2016), without pairs.

    Pictures and texts, say, or pictures and sounds. Each modality :math:`k` has an encoder :math:`f_k` of its own, and
    two heads see what the encoders give:

    .. math::
        L_c &= \tfrac12 \sum_{k = 1, 2} \mathbb E_{\text{labelled } x_k}\, L(c(f_k(x_k)), y_k) \\
        L_m &= \tfrac12\, \mathbb E_{x_1}\, \mathrm{softplus}(\ell(f_1(x_1)))
            + \tfrac12\, \mathbb E_{x_2}\, \mathrm{softplus}(-\ell(f_2(x_2)))

    The category head :math:`c` goes down :math:`L_c`, the modality head :math:`\ell` down :math:`L_m`, the encoders
    down :math:`L_c - \lambda L_m`. As in :class:`~advnotes.invariance.DANN`, whose two domains share one network, the
    gradient is reversed before the modality head, and one ``network`` moves along the gradient of :math:`L_c + L_m`.

    A batch is ``(x_1, y_1, x_2, y_2)``. The two parts may differ in number and shape; nothing says which picture
    belongs to which text. A label of -1 is *unknown*: :math:`L_c` leaves such samples out, and may come to 0.
    Where labels are few, give a batch of the labelled ones and with it one of all samples at random,
    ``(x_1, y_1, x_2, y_2, u_1, u_2)``: then :math:`L_m` is that of ``u_1`` and ``u_2`` alone, so that the modality head
    does not see the same few samples again and again.

    Encoders can evade the modality head by size: let them end with a fixed scale, such as
    ``nn.BatchNorm1d(d, affine=False)``. A modality loss of ln 2 says no more than that *this* head has lost:
    :func:`~advnotes.invariance.fresh_adversary` judges, and :func:`~advnotes.metrics.mean_average_precision` says
    whether samples of the one modality find those of the other.

    Differs from the paper, which is about pictures and texts: any two encoders will do, and labels may be missing.

    Args:
        first, second: the encoders; each maps its modality's samples to points ``[batch, d]``, of one ``d`` for both.
        category_head: maps points to logits ``[batch, classes]``.
        modality_head: maps points to one logit, above 0 for *second*, ``[batch, 1]`` or ``[batch]``.
        strength: the trade-off :math:`\lambda \ge 0` at its full size; 0 trains on categories alone, while the
            modality head is trained beside it.
        warmup: over how many losses :math:`\lambda` follows :func:`~advnotes.invariance.growing_strength`. With 0 it
            has its full size at once, as in eval mode.

    Raises:
        ValueError: where ``strength`` is negative or not finite, ``warmup`` negative, or the modality head ends with a
            sigmoid; when called, where the batch is not as expected, or the encoders' points differ in shape.
    """

    turns: Turns = ("network",)
    moves: Tensor

    def __init__(
        self,
        first: nn.Module,
        second: nn.Module,
        category_head: nn.Module,
        modality_head: nn.Module,
        *,
        strength: float = 1.0,
        warmup: int = 0,
    ) -> None:
        super().__init__()
        check_logit_network("modality_head", modality_head)
        heads = {"category_head": category_head, "modality_head": modality_head}
        self.network = nn.ModuleDict({"first": first, "second": second, **heads})
        self.strength = check_number("strength", strength, least=0.0)
        self.warmup = check_count("warmup", warmup, least=0)
        # A buffer, so that a resumed run goes on where the schedule was.
        self.register_buffer("moves", torch.zeros((), dtype=torch.int64))

    @property
    def encoders(self) -> tuple[nn.Module, nn.Module]:
        """What is used after training: samples of either modality to points of the common space."""
        return self.network["first"], self.network["second"]

    @property
    def category_head(self) -> nn.Module:
        """Who reads the category of a point."""
        return self.network["category_head"]

    @property
    def modality_head(self) -> nn.Module:
        """Who tells the modalities apart."""
        return self.network["modality_head"]

    def network_loss(self, *batch: Tensor) -> Float[Tensor, ""]:
        r""":math:`L_c + L_m`, the encoders' gradient from :math:`L_m` reversed; in train mode a step of the warm-up."""
        x_first, y_first, x_second, y_second, *others = self.checked(*batch)
        first, second = self.points(x_first, x_second)
        judged = self.points(*others) if others else (first, second)
        categories = self.category_loss(first, y_first) + self.category_loss(second, y_second)
        reversed_points = reverse_gradient(torch.cat(judged), self.scheduled())
        return 0.5 * categories + domain_loss(self.modality_head, reversed_points, len(judged[0]))

    def checked(self, *batch: Tensor) -> tuple[Tensor, ...]:
        """The batch as it is.

        Raises:
            ValueError: where it is neither ``(x_1, y_1, x_2, y_2)`` nor that with ``u_1, u_2``, or its parts do not go
                together.
        """
        if len(batch) not in (4, 6):
            raise ValueError(
                "expected batches (x_1, y_1, x_2, y_2) or (x_1, y_1, x_2, y_2, u_1, u_2), got "
                f"{len(batch)} tensors: where a modality has no labels, give torch.full((len(x),), -1)"
            )
        for place, name in ((0, "first"), (2, "second")):
            x, y = batch[place : place + 2]
            check_inputs(x, y.clamp_min(0) if isinstance(y, Tensor) and not y.is_complex() else y, None)
            if int(y.min()) < UNKNOWN:
                raise ValueError(
                    f"labels must be class numbers from 0, or {UNKNOWN} where a sample has none, got {int(y.min())}"
                )
            if len(batch) == 6:
                u = batch[4 + place // 2]
                check_same_kind(f"further samples of the {name} modality", u, "its samples", x)
                check_inputs(u, y.new_zeros(len(u)), None)
        return batch

    def points(self, x_first: Tensor, x_second: Tensor) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]:
        """Where the encoders put samples of the two modalities.

        Raises:
            ValueError: where these are no points ``[batch, d]`` of one ``d``.
        """
        first, second = (
            call_model(self.network["first"], x_first),
            call_model(self.network["second"], x_second),
        )
        wanted = (len(x_first), *first.shape[1:2]), (len(x_second), *first.shape[1:2])
        if first.ndim != 2 or (first.shape, second.shape) != wanted:
            raise ValueError(
                "expected both encoders to give points [batch, d] with one d, got shapes "
                f"{tuple(first.shape)} and {tuple(second.shape)}: end them with layers of the same width"
            )
        return first, second

    def category_loss(self, points: Float[Tensor, "n d"], y: Int[Tensor, " n"]) -> Float[Tensor, ""]:
        """The mean cross-entropy of the samples whose category is known; 0 where there is none."""
        logits = call_model(self.category_head, points)
        check_logits(logits, y.clamp_min(0))
        known = (y != UNKNOWN).sum().clamp_min(1)
        return F.cross_entropy(logits, y, ignore_index=UNKNOWN, reduction="sum") / known

    def scheduled(self) -> float:
        """The strength at this loss; in train mode the next one is a step further."""
        if not self.training or self.warmup == 0:
            return self.strength
        progress = min(number_of(self.moves) / self.warmup, 1.0)
        add_one(self.moves)
        return self.strength * growing_strength(progress)
