"""Poses in the plane: the adversary may only turn, shift and scale a picture."""

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from itertools import product

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.ascend import Ascent, ascend, best_of_tries
from advnotes.attacks.attack import Attack
from advnotes.attacks.objective import Classification, check_loss
from advnotes.checks import check_counts, check_inputs
from advnotes.losses import Loss, cross_entropy
from advnotes.model_state import Model, attacked
from advnotes.seeds import Source, own_seeds, uniform
from advnotes.threats import Linf

__all__ = ["GridPose", "PlanePose", "Pose", "RandomPose", "moved"]


def moved(
    x: Float[Tensor, "batch channels height width"], pose: Float[Tensor, "batch 4"], background: float = 0.0
) -> Float[Tensor, "batch channels height width"]:
    r"""Each picture turned, scaled and shifted about its middle, with bilinear interpolation; differentiable.

    What stands at the place :math:`q`, in pixels from the middle, goes to :math:`p = s R_\alpha q + t`.

    Args:
        x: pictures.
        pose: for each the angle (degrees, clockwise), the shift to the right and down (shares of width and height)
            and the factor :math:`s`; (0, 0, 0, 1) leaves a picture as it is.
        background: what comes in from outside.
    """
    height, width = x.shape[2:]
    angle, right, down, factor = pose.to(x).unbind(dim=1)
    cos, sin = angle.deg2rad().cos() / factor, angle.deg2rad().sin() / factor
    # The way back, from the picture's place to the source's, both in halves of width and height.
    back = torch.stack([cos, sin * height / width, -sin * width / height, cos], dim=1).view(-1, 2, 2)
    shift = -2 * back @ torch.stack([right, down], dim=1)[..., None]
    grid = F.affine_grid(torch.cat([back, shift], dim=2), list(x.shape), align_corners=False)
    return F.grid_sample(x - background, grid, align_corners=False) + background


class Posing:
    """The adversary's aim over poses, an objective for :func:`~advnotes.ascend.ascend`.

    A point of the cube [-1, 1]^4 is a pose in the unit of the limits; the factor is on a logarithmic scale.
    """

    def __init__(
        self, aim: Classification, x: Tensor, limits: Float[Tensor, "batch 4"], background: float
    ) -> None:
        self.aim, self.x, self.limits, self.background = aim, x, limits, background

    def pose(self, point: Float[Tensor, "batch 4"]) -> Float[Tensor, "batch 4"]:
        """The pose, as in :func:`moved`, that a point stands for."""
        reach = point * self.limits
        return torch.cat([reach[:, :3], reach[:, 3:].exp()], dim=1)

    def picture(self, point: Float[Tensor, "batch 4"]) -> Float[Tensor, "batch channels height width"]:
        """The picture in the pose that a point stands for."""
        return moved(self.x, self.pose(point), self.background)

    def __call__(self, point: Tensor) -> tuple[Tensor, Tensor]:
        return self.aim(self.picture(point))

    def rows(self, rows: Tensor) -> "Posing":
        """The aim for some of the samples."""
        return Posing(self.aim.rows(rows), self.x[rows], self.limits[rows], self.background)


@dataclass(frozen=True)
class PlanePose(Attack):
    """What the searches have in common: the poses that are allowed, for pictures ``[batch, channels, height, width]``.

    Every sample has a pose of its own. :meth:`find` returns the poses, calling the attack returns the pictures.

    Args:
        rotation: the largest angle either way, in degrees.
        translation: the largest shift in each direction, as a share of the picture's width and height.
        scale: the largest factor, at least 1; its inverse is the smallest.
        background: the value of what comes in from outside, within ``bounds``.
        loss: what the adversary raises (or, with ``targeted``, lowers), one value for each sample.

    Each range is one number for all samples or a tensor with one for each.

    Raises:
        ValueError: where a range is out of bounds or nothing may move, ``background`` is not within ``bounds``, or the
            inputs are no pictures.
    """

    _: KW_ONLY
    rotation: float | Tensor = 30.0
    translation: float | Tensor = 0.1
    scale: float | Tensor = 1.0
    background: float = 0.0
    loss: Loss = cross_entropy

    def __post_init__(self) -> None:
        super().__post_init__()
        check_loss(self.loss, self.targeted)
        ranges = [
            torch.as_tensor(r, dtype=torch.float64) for r in (self.rotation, self.translation, self.scale)
        ]
        turn, shift, scale = ranges
        if any(r.ndim > 1 or not bool(r.isfinite().all()) for r in ranges) or not bool(
            (turn >= 0).all() and (shift >= 0).all() and (scale >= 1).all()
        ):
            raise ValueError(
                "expected a rotation >= 0 in degrees, a translation >= 0 as a share of the picture and a scale >= 1 "
                f"(1.2 is from 1/1.2 to 1.2), each one number or one for each sample; got {self.rotation}, "
                f"{self.translation} and {self.scale}"
            )
        if not (turn > 0).any() and not (shift > 0).any() and not (scale > 1).any():
            raise ValueError("nothing may move: give a rotation > 0, a translation > 0 or a scale > 1")
        if not self.bounds[0] <= self.background <= self.bounds[1]:
            raise ValueError(f"background must lie within {self.bounds}, got {self.background}")

    def find(
        self,
        model: Model,
        x: Float[Tensor, "batch ..."],
        y: Int[Tensor, " batch"],
        generator: Source = None,
    ) -> Float[Tensor, "batch 4"]:
        """The poses of the pictures that a call returns: degrees, right, down, factor, as :func:`moved` takes them."""
        check_inputs(x, y, self.bounds)
        with torch.inference_mode(False), torch.no_grad(), attacked(model, self.training):
            x = x.clone() if x.is_inference() else x.detach()
            posing = self._posing(self.prepare(model, x), x, y.clone())
            return posing.pose(self.search(posing, generator).point)

    def perturb(  # noqa: D102
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        posing = self._posing(model, x, y)
        # Interpolation stays between its pixels, up to rounding.
        return posing.picture(self.search(posing, generator).point).clamp(*self.bounds)

    def _posing(self, model: Model, x: Tensor, y: Tensor) -> Posing:
        if x.ndim != 4:
            raise ValueError(
                f"poses want pictures [batch, channels, height, width], got shape {tuple(x.shape)}"
            )
        limits = []
        for name in ("rotation", "translation", "translation", "scale"):
            limit = torch.as_tensor(getattr(self, name)).to(x)
            if limit.ndim and len(limit) != len(x):
                raise ValueError(f"{name} has {len(limit)} values, but the batch has {len(x)} samples")
            limits.append((limit.log() if name == "scale" else limit).expand(len(x)))
        aim = Classification(model, y, self.loss, self.targeted)
        return Posing(aim, x, torch.stack(limits, dim=1), self.background)

    @abstractmethod
    def search(self, posing: Posing, generator: Source) -> Ascent:
        """The best point of the cube for each sample."""

    def best(self, posing: Posing, points: list[Float[Tensor, "batch 4"]]) -> Ascent:
        """The best of some points for each sample."""

        def attempt(number: int, rows: Tensor) -> Ascent:
            point = points[number][rows]
            return Ascent(point, *posing.rows(rows)(point))

        return best_of_tries(attempt, len(points), points[0], self.early_stop)


@dataclass(frozen=True)
class Pose(PlanePose):
    r"""Gradient ascent over the pose from several random ones.

    .. math:: u^{t+1} = \Pi_{[-1, 1]^4}\bigl(u^t + \alpha\,\mathrm{sign}\,\nabla_u L(f(T_u\,x), y)\bigr)

    with the pose :math:`u` in the unit of its ranges. Engstrom et al. 2019 (section 3.2) find such a search weak, as
    the loss over poses has many hills: compare it with :class:`GridPose`.

    Args:
        steps: gradients taken from each start.
        step_size: the length :math:`\alpha` of a step, as a share of half a range; where it is not given,
            2.5 / steps.
        restarts: how many random poses to start from.

    The other arguments are :class:`PlanePose`'s.
    """

    _: KW_ONLY
    steps: int = 10
    step_size: float | None = None
    restarts: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.steps, self.restarts) < 1 or (self.step_size is not None and not self.step_size > 0):
            raise ValueError(
                "steps and restarts must be at least 1 and step_size positive, got "
                f"{self.steps}, {self.restarts} and {self.step_size}"
            )

    @property
    def estimated_passes(self) -> int:  # noqa: D102
        return self.steps * self.restarts

    def search(self, posing: Posing, generator: Source) -> Ascent:  # noqa: D102
        cube = torch.zeros_like(posing.limits)
        seeds = own_seeds(generator, cube)

        def attempt(restart: int, rows: Tensor) -> Ascent:
            return ascend(
                posing.rows(rows),
                cube[rows],
                Linf(1.0),
                steps=self.steps,
                step_size=2.5 / self.steps if self.step_size is None else self.step_size,
                start=2 * uniform(cube[rows], 4, seeds[rows], restart).to(cube) - 1,
                bounds=None,
                early_stop=self.early_stop,
            )

        return best_of_tries(attempt, self.restarts, cube, self.early_stop)


@dataclass(frozen=True)
class RandomPose(PlanePose):
    """The worst of some random poses (Engstrom et al. 2019, section 3.2, "worst-of-k"), drawn uniformly.

    Args:
        tries: how many.

    The other arguments are :class:`PlanePose`'s.
    """

    _: KW_ONLY
    tries: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(tries=self.tries)

    def search(self, posing: Posing, generator: Source) -> Ascent:  # noqa: D102
        cube = torch.zeros_like(posing.limits)
        seeds = own_seeds(generator, cube)
        points = [2 * uniform(cube, 4, seeds, number).to(cube) - 1 for number in range(self.tries)]
        return self.best(posing, points)


@dataclass(frozen=True)
class GridPose(PlanePose):
    """The worst pose of a grid (Engstrom et al. 2019, section 3.2): no gradient, no chance, every hill is looked at.

    Args:
        counts: the points along rotation, shift to the right, shift down and scale, from end to end of each range; 1
            is the middle alone.

    The other arguments are :class:`PlanePose`'s.
    """

    _: KW_ONLY
    counts: tuple[int, int, int, int] = (31, 5, 5, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.counts) != 4 or min(self.counts) < 1:
            raise ValueError(f"expected four counts of at least 1, got {self.counts}")

    def search(self, posing: Posing, generator: Source) -> Ascent:  # noqa: D102
        axes = [torch.linspace(-1, 1, n) if n > 1 else torch.zeros(1) for n in self.counts]
        points = torch.tensor(list(product(*(axis.tolist() for axis in axes)))).to(posing.limits)
        return self.best(posing, [point.expand_as(posing.limits) for point in points])
