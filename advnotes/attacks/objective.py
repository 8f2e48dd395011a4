"""What an attack on a classifier raises, and when it has succeeded."""

import copy
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from advnotes.attacks.parts.draws import answer_and_loss
from advnotes.checks import check_logits, check_logits_shape
from advnotes.losses import Loss, dlr
from advnotes.model_state import NO_CLASS, Model, prediction

__all__ = ["Classification", "check_loss"]

SomeClassification = TypeVar("SomeClassification", bound="Classification")


class Classification:
    """The adversary's aim against a classifier, an objective for :func:`~advnotes.ascend.ascend`.

    Called with a point, it gives each sample's loss (its negative where targeted) and whether the model is fooled.
    Logits that are not finite give no class: an untargeted adversary has won there, at an infinite loss, and a
    targeted one has not.

    Args:
        model: maps inputs to logits.
        y: the classes to leave or, with ``targeted``, to reach.
        loss: ``loss(logits, y)``, one value for each sample, larger where ``y`` is less likely.
        targeted: whether ``y`` is to be reached.

    Raises:
        ValueError: where the loss cannot reach a class and is to; when called, where the logits or the loss are not as
            expected.
    """

    def __init__(self, model: Model, y: Int[Tensor, " batch"], loss: Loss, targeted: bool = False) -> None:
        check_loss(loss, targeted)
        self.model, self.y, self.loss, self.targeted = model, y, loss, targeted
        self._labels_checked = False

    def __call__(self, point: Tensor) -> tuple[Tensor, Tensor]:
        logits, value = answer_and_loss(self.model, point, self._loss_of)
        predicted = prediction(logits)
        no_class = predicted == NO_CLASS
        if self.targeted:
            return (-value).masked_fill(no_class, -torch.inf), predicted == self.y
        return value.masked_fill(no_class, torch.inf), predicted != self.y

    def _loss_of(self, logits: Tensor) -> Tensor:
        if self._labels_checked:
            check_logits_shape(logits, len(self.y))
        else:
            check_logits(logits, self.y)
            self._labels_checked = True
        value = self.loss(logits, self.y)
        if value.shape != self.y.shape:
            raise ValueError(
                f"loss must return one value for each of the {len(self.y)} samples, got shape {tuple(value.shape)}: "
                "no mean, no sum"
            )
        return value

    def rows(self: SomeClassification, rows: Tensor) -> SomeClassification:
        """The aim against some of the samples."""
        part = copy.copy(self)
        part.y = self.y[rows]
        return part


def check_loss(loss: Loss, targeted: bool) -> None:
    """Raise ValueError for a loss that leads away from a class and not towards one."""
    if targeted and loss is dlr:
        raise ValueError(
            "expected a loss that leads towards a class, got dlr (equation 6) with targeted=True: it has no gradient "
            "where the class to reach is the third likeliest. Use loss=reach_dlr, the ratio for this, margin_loss, its "
            "numerator, or cross_entropy; to try each likely wrong class by equation 7, use TargetedAPGD(threat)"
        )
