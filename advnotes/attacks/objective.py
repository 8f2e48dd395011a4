"""What an attack on a classifier raises, and when it has succeeded."""

from jaxtyping import Int
from torch import Tensor

from advnotes.checks import check_logits
from advnotes.losses import Loss, dlr
from advnotes.model_state import Model

__all__ = ["Classification", "check_loss"]


class Classification:
    """The adversary's aim against a classifier, an objective for :func:`~advnotes.ascend.ascend`.

    Called with a point, it gives each sample's loss (its negative where targeted) and whether the model is fooled.

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
        self._checked = False

    def __call__(self, point: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        logits = self.model(point)
        if not self._checked:
            check_logits(logits, self.y)
        value = self.loss(logits, self.y)
        if value.shape != self.y.shape:
            raise ValueError(
                f"loss must return one value for each of the {len(self.y)} samples, got shape {tuple(value.shape)}: "
                "no mean, no sum"
            )
        self._checked = True
        said = logits.argmax(dim=1)
        return (-value, said == self.y) if self.targeted else (value, said != self.y)

    def rows(self, rows: Tensor) -> "Classification":
        """The aim against some of the samples."""
        part = Classification(self.model, self.y[rows], self.loss, self.targeted)
        part._checked = self._checked
        return part


def check_loss(loss: Loss, targeted: bool) -> None:
    """Refuse a loss that leads away from a class and not towards one.

    Raises:
        ValueError: see above.
    """
    if targeted and loss is dlr:
        raise ValueError(
            "expected a loss that leads towards a class, got dlr (equation 6) with targeted=True: it has no gradient "
            "where the class to reach is the third likeliest. Use loss=margin_loss, its numerator, or "
            "loss=cross_entropy; to try each likely wrong class by equation 7, use TargetedAPGD(threat)"
        )
