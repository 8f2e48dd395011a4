"""Adversarial points that survive being saved in 8 bits."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.ascend import Ascent
from advnotes.attacks.attack import NormAttack
from advnotes.attacks.objective import Classification
from advnotes.attacks.parts.wrapper import Wrapper, innermost
from advnotes.checks import check_count
from advnotes.losses import margin_loss
from advnotes.model_state import Model
from advnotes.seeds import Source
from advnotes.threats import L2, Linf, Threat

__all__ = ["Quantized"]

#: By how much the perturbation is lengthened, one after the other, where the rounded point does not fool the model.
LENGTHS = (1.02, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 8.0)


@dataclass(frozen=True)
class Quantized(Wrapper):
    r"""An attack whose points lie on the grid of an image file: what is fooled is fooled after saving, too.

    With 256 levels and the range [0, 1] the grid is 0, 1/255, ..., 1. The attack's point is rounded to
    the nearest value of the grid; where that would leave the ball, coordinates are rounded towards ``x`` instead, those
    first that gain most by it. The model is then asked about the rounded point. A sample that it does not fool is tried
    again with its perturbation lengthened by 2%, 5%, ... up to 8 times, as far as the ball and the range allow: the
    points of minimal-norm attacks (DeepFool, FAB) lie so near the boundary that rounding brings half of them back.

    Args:
        attack: an attack inside a threat, such as ``FAB(L2(inf))``. ``EOT`` and ``Transfer`` go inside or outside:
            whichever model :class:`Quantized` is asked with decides what is fooled.
        levels: how many values a pixel can have.

    The inputs must lie on the grid themselves, as images read from files do.

    Raises:
        ValueError: where ``attack`` is none or has no threat to stay in, such as a patch, or gives all samples one
            perturbation; where ``levels`` is below 2; when called, where the inputs are not on the grid.
    """

    uses_width: ClassVar[bool] = True

    _: KW_ONLY
    levels: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("levels", self.levels, least=2)
        inner = innermost(self.attack)
        if not isinstance(inner, NormAttack) or not inner.by_sample:
            raise ValueError(
                "Quantized wants an attack that moves each sample inside a threat, such as FAB(L2(1.0)), got "
                f"{type(inner).__name__}"
            )

    @property
    def threat(self) -> Threat:
        """The wrapped attack's."""
        inner = innermost(self.attack)
        assert isinstance(inner, NormAttack)
        return inner.threat

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        self._check(x)
        aim = Classification(model, y, margin_loss, self.targeted)
        found = self.attack.perturb(model, x, y, generator)
        point = self._rounded(self.threat, x, found)
        best = Ascent(point, *aim(point))
        for length in LENGTHS:
            rows = (~best.won).nonzero().squeeze(1)
            if len(rows) == 0:
                break
            here, threat = x[rows], self.threat.rows(rows)
            longer = here + threat.project(length * (found[rows] - here))
            point = self._rounded(threat, here, longer.clamp(*self.bounds))
            best.write(rows, best.rows(rows).better_of(Ascent(point, *aim.rows(rows)(point))))
        return best.point

    def _steps(self, x: Tensor) -> Tensor:
        """Values in units of the grid, from the lowest one."""
        lowest, highest = self.bounds
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return (wide - lowest) / (highest - lowest) * (self.levels - 1)

    def _rounded(self, threat: Threat, x: Tensor, point: Tensor) -> Tensor:
        """The points of the grid near some points of the ball, which do not leave it."""
        lowest, highest = self.bounds
        start = self._steps(x).round()
        way = self._steps(point) - start
        steps = _nearest(threat, way, threat.radius(way) * (self.levels - 1) / (highest - lowest))
        # In this order the values are those of whole numbers over 255, to the last bit.
        value = lowest + (highest - lowest) * ((start + steps) / (self.levels - 1))
        return torch.where(steps == 0, x, value.to(x.dtype))

    def _check(self, x: Tensor) -> None:
        steps = self._steps(x)
        # Halves of a low precision miss the grid by their own rounding.
        slack = max(0.01, (self.levels - 1) * torch.finfo(x.dtype).eps)
        off = (steps - steps.round()).abs() > slack
        if bool(off.any()):
            raise ValueError(
                f"the inputs must lie on the grid of {self.levels} values from {self.bounds[0]:g} to "
                f"{self.bounds[1]:g}, got {x[off][0].item():.6g}: for images in [0, 1] round them first, "
                "(x * 255).round() / 255"
            )


def _nearest(threat: Threat, way: Tensor, radius: float | Tensor) -> Tensor:
    """Whole numbers near a way inside the ball, which stay inside; all in units of the grid.

    Rounding every coordinate towards 0 never leaves the ball, so that it is enough to do that with some.
    """
    steps, inner = way.round(), way.trunc()
    if isinstance(threat, Linf):
        most = (torch.as_tensor(radius).to(way) + 1e-4).floor()
        return torch.minimum(torch.maximum(steps, -most), most)
    power = 2 if isinstance(threat, L2) else 1
    flat, shorter = steps.flatten(1), inner.flatten(1)
    gain, order = (flat.abs() ** power - shorter.abs() ** power).sort(dim=1, descending=True, stable=True)
    allowed = (torch.as_tensor(radius).to(way).reshape(-1, 1) * (1 + 1e-6)) ** power
    excess = (flat.abs() ** power).sum(dim=1, keepdim=True) - allowed
    back = torch.zeros_like(flat, dtype=torch.bool).scatter(1, order, gain.cumsum(dim=1) - gain < excess)
    return torch.where(back, shorter, flat).view_as(way)
