"""An adversarial patch: one sticker for every picture, wherever it is stuck."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.attack import Attack
from advnotes.attacks.objective import Classification, check_loss
from advnotes.checks import check_counts, check_inputs, check_number
from advnotes.gradients import value_and_gradient
from advnotes.losses import Loss, cross_entropy
from advnotes.model_state import Model, attacked
from advnotes.seeds import Source, own_seeds, uniform
from advnotes.threats import per_sample

__all__ = ["Patch"]


@dataclass(frozen=True)
class Patch(Attack):
    r"""A round patch that works wherever it lies (Brown et al. 2017, section 2).

    .. math:: \hat p = \arg\max_p\; \mathbb{E}_{x,\, t}\, \log P\bigl(\hat y \mid A(p, x, t)\bigr)

    where :math:`A` puts the patch on the picture at the random place, size and angle :math:`t`: the expectation over
    transformations. Without ``targeted`` the true classes' cross-entropy is raised instead. :meth:`fit` makes a patch
    from some pictures, :meth:`apply` sticks it on any; a call does both on one batch, with one place for each picture.

    Differs from the paper: Adam with a step that falls linearly to zero; a place is drawn with the whole disc inside
    the picture; the patch is bound to the range alone, not to the look of another picture.

    Args:
        area: the smallest and the largest share of the picture that the patch covers.
        rotation: the largest angle either way, in degrees.
        size: the patch's own resolution, pixels along its diameter.
        steps: gradients taken by :meth:`fit`.
        step_size: the length of Adam's first steps, as a share of the input's range.
        batch_size: pictures at each step.
        loss: what the adversary raises (or, with ``targeted``, lowers), one value for each sample.

    Raises:
        ValueError: where an argument is out of its range, the inputs are no pictures, the patch does not fit into them
            or has not their channels.
    """

    uses_width: ClassVar[bool] = True

    by_sample: ClassVar[bool] = False

    _: KW_ONLY
    area: tuple[float, float] = (0.05, 0.09)
    rotation: float = 30.0
    size: int = 32
    steps: int = 200
    step_size: float = 0.1
    batch_size: int = 16
    loss: Loss = cross_entropy

    def __post_init__(self) -> None:
        super().__post_init__()
        check_loss(self.loss, self.targeted)
        if not 0 < self.area[0] <= self.area[1] <= math.pi / 4:
            raise ValueError(
                f"expected shares 0 < smallest <= largest <= pi / 4 of the picture, got {self.area}"
            )
        check_counts(size=self.size, steps=self.steps, batch_size=self.batch_size)
        check_number("step_size", self.step_size, above=0.0)
        check_number("rotation", self.rotation, least=0.0)

    @property
    def estimated_passes(self) -> int:
        return self.steps

    def fit(
        self,
        model: Model,
        x: Float[Tensor, "batch ..."],
        y: Int[Tensor, " batch"],
        generator: Source = None,
        start: Float[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "channels size size"]:
        """A patch for pictures like these.

        Args:
            model, x, y, generator: as in a call; with ``targeted`` every ``y`` is normally the same class.
            start: where to begin, within ``bounds``; the middle of the range where it is not given.
        """
        check_inputs(x, y, self.bounds)
        self._check(x)
        shape = (x.shape[1], self.size, self.size)
        if start is not None and (start.shape != shape or not self._inside(start)):
            raise ValueError(
                f"start must be of shape {shape} and within {self.bounds}, got {tuple(start.shape)}"
            )
        with torch.inference_mode(False), torch.no_grad(), attacked(model, self.training):
            patch = torch.full(shape, sum(self.bounds) / 2) if start is None else start.detach()
            x = x.clone() if x.is_inference() else x.detach()
            return self._fit(self.prepare(model, x), x, y.clone(), own_seeds(generator, x), patch.to(x))

    def _fit(self, model: Model, x: Tensor, y: Tensor, seeds: Tensor, patch: Tensor) -> Tensor:
        lowest, highest = self.bounds
        mean, square = torch.zeros_like(patch), torch.zeros_like(patch)
        waiting = torch.zeros(0, dtype=torch.int64, device=x.device)
        for step in range(self.steps):
            if len(waiting) < min(self.batch_size, len(x)):  # a new order of all pictures
                waiting = torch.cat([waiting, uniform(x, 1, seeds, stream=-step - 1).squeeze(1).argsort()])
            rows, waiting = waiting[: self.batch_size], waiting[self.batch_size :]
            aim = Classification(model, y[rows], self.loss, self.targeted)
            gradient = value_and_gradient(
                _PatchObjective(self, aim, x[rows], seeds[rows], step + 1), patch[None]
            )[2][0]
            gradient = gradient.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            direction = mean / (1 - 0.9 ** (step + 1)) / ((square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-12)
            length = self.step_size * (highest - lowest) * (1 - step / self.steps)
            patch = (patch + length * direction).clamp(lowest, highest)
        return patch

    def apply(
        self,
        x: Float[Tensor, "batch ..."],
        patch: Float[Tensor, "..."],
        generator: Source = None,
        stream: int = 0,
    ) -> Float[Tensor, "batch ..."]:
        """The pictures with the patch on each, at a random place, size and angle; differentiable in both.

        Args:
            x: pictures.
            patch: ``[channels, rows, columns]``, drawn into the disc's bounding square.
            generator: see :data:`advnotes.seeds.Source`.
            stream: which of the independent draws of a per-sample seed to take.
        """
        self._check(x)
        if patch.ndim != 3 or len(patch) != x.shape[1]:
            raise ValueError(
                f"expected a patch [channels, rows, columns] with {x.shape[1]} channels, got {tuple(patch.shape)}"
            )
        height, width = x.shape[2:]
        share, right, down, turn = uniform(x, 4, generator, stream).to(x).unbind(dim=1)
        low, high = self.area
        radius = ((low + (high - low) * share) * height * width / math.pi).sqrt()
        angle = (self.rotation * (2 * turn - 1)).deg2rad()
        return with_disc(x, patch, radius, (width - 2 * radius) * right, (height - 2 * radius) * down, angle)

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        seeds = own_seeds(generator, x)
        return self.apply(x, self.fit(model, x, y, seeds), seeds).clamp(*self.bounds)

    def _inside(self, patch: Tensor) -> bool:
        return bool(((patch >= self.bounds[0]) & (patch <= self.bounds[1])).all())

    def _check(self, x: Tensor) -> None:
        if x.ndim != 4:
            raise ValueError(
                f"a patch wants pictures [batch, channels, height, width], got shape {tuple(x.shape)}"
            )
        height, width = x.shape[2:]
        if 2 * math.sqrt(self.area[1] * height * width / math.pi) > min(height, width):
            raise ValueError(
                f"a disc of {self.area[1]:.0%} of a picture of {height} x {width} does not fit into it"
            )


def with_disc(
    x: Tensor, patch: Tensor, radius: Tensor, left: Tensor, top: Tensor, angle: Tensor
) -> Float[Tensor, "batch ..."]:
    """Each picture with the patch drawn into a turned disc.

    Args:
        x, patch: as in :meth:`Patch.apply`.
        radius, left, top: of each disc, and where its bounding square begins, in pixels.
        angle: by which it is turned, in radians.
    """
    height, width = x.shape[2:]
    across = torch.arange(width, device=x.device) + 0.5 - (radius + left)[:, None]
    along = torch.arange(height, device=x.device) + 0.5 - (radius + top)[:, None]
    across, along = across[:, None, :], along[:, :, None]
    # How much of a pixel lies inside the circle, from its distance to it.
    cover = (0.5 + per_sample(radius, across) - torch.hypot(across, along)).clamp(0, 1)[:, None]
    cos, sin = (per_sample(part / radius, across) for part in (angle.cos(), angle.sin()))
    grid = torch.stack([cos * across + sin * along, cos * along - sin * across], dim=-1)
    every = patch.to(x).expand(len(x), -1, -1, -1)
    drawn = F.grid_sample(every, grid.clamp(-2, 2), padding_mode="border", align_corners=False)
    return x + cover * (drawn - x)


class _PatchObjective:
    """The mean aim over a batch as a function of one patch, whose value and gradient are taken."""

    def __init__(self, attack: Patch, aim: Classification, x: Tensor, seeds: Tensor, stream: int) -> None:
        self.attack, self.aim, self.x, self.seeds, self.stream = attack, aim, x, seeds, stream

    def __call__(self, point: Tensor) -> tuple[Tensor, None]:
        loss, _ = self.aim(self.attack.apply(self.x, point[0], self.seeds, self.stream))
        return loss.mean(), None
