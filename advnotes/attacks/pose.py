"""Poses in the plane: the adversary may only turn, shift and scale a picture."""

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.ascend import Ascent, ascend, best_of_tries
from advnotes.attacks.attack import Attack
from advnotes.attacks.objective import Classification, check_loss
from advnotes.attacks.parts.affine import PoseObjective, moved
from advnotes.checks import check_counts, check_inputs, check_number
from advnotes.losses import Loss, cross_entropy
from advnotes.model_state import Model, attacked
from advnotes.seeds import Source, own_seeds, uniform
from advnotes.threats import Linf

__all__ = ["AffineAttack", "GridPose", "Pose", "RandomPose", "moved"]


@dataclass(frozen=True)
class AffineAttack(Attack):
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
        """The poses of the pictures that a call returns: degrees, right, down, factor, as
        :func:`moved` takes them."""
        check_inputs(x, y, self.bounds)
        with torch.inference_mode(False), torch.no_grad(), attacked(model, self.training):
            x = x.clone() if x.is_inference() else x.detach()
            objective = self._objective(self.prepare(model, x), x, y.clone())
            return objective.pose(self.search(objective, generator).point)

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        objective = self._objective(model, x, y)
        # Interpolation stays between its pixels, up to rounding.
        return objective.picture(self.search(objective, generator).point).clamp(*self.bounds)

    def _objective(self, model: Model, x: Tensor, y: Tensor) -> PoseObjective:
        if x.ndim != 4:
            raise ValueError(
                f"poses want pictures [batch, channels, height, width], got shape {tuple(x.shape)}"
            )
        scale = torch.as_tensor(self.scale).to(x).log()
        ranges = {"rotation": self.rotation, "translation": self.translation, "scale": scale}
        limits = {}
        for name, value in ranges.items():
            limit = torch.as_tensor(value).to(x)
            if limit.ndim and len(limit) != len(x):
                raise ValueError(f"{name} has {len(limit)} values, but the batch has {len(x)} samples")
            limits[name] = limit.expand(len(x))
        turn, shift, factor = limits.values()
        aim = Classification(model, y, self.loss, self.targeted)
        return PoseObjective(aim, x, torch.stack([turn, shift, shift, factor], dim=1), self.background)

    @abstractmethod
    def search(self, objective: PoseObjective, generator: Source) -> Ascent:
        """The best point of the cube for each sample."""

    def best(self, objective: PoseObjective, points: list[Float[Tensor, "batch 4"]]) -> Ascent:
        """The best of some points for each sample."""

        def attempt(number: int, rows: Tensor) -> Ascent:
            point = points[number][rows]
            return Ascent(point, *objective.rows(rows)(point))

        return best_of_tries(attempt, len(points), points[0], self.early_stop)


@dataclass(frozen=True)
class Pose(AffineAttack):
    r"""Gradient ascent over the pose from several random ones.

    .. math:: u^{t+1} = \Pi_{[-1, 1]^4}\bigl(u^t + \alpha\,\mathrm{sign}\,\nabla_u L(f(T_u\,x), y)\bigr)

    with the pose :math:`u` in the unit of its ranges. Engstrom et al. 2019 (section 3.2) find such a search weak, as
    the loss over poses has many hills: compare it with :class:`GridPose`.

    Args:
        steps: gradients taken from each start.
        step_size: the length :math:`\alpha` of a step, as a share of half a range; where it is not given,
            2.5 / steps.
        restarts: how many random poses to start from.

    The other arguments are :class:`AffineAttack`'s.
    """

    _: KW_ONLY
    steps: int = 10
    step_size: float | None = None
    restarts: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(steps=self.steps, restarts=self.restarts)
        if self.step_size is not None:
            check_number("step_size", self.step_size, above=0.0)

    @property
    def estimated_passes(self) -> int:
        return self.steps * self.restarts

    def search(self, objective: PoseObjective, generator: Source) -> Ascent:
        cube = torch.zeros_like(objective.limits)
        seeds = own_seeds(generator, cube)

        def attempt(restart: int, rows: Tensor) -> Ascent:
            return ascend(
                objective.rows(rows),
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
class RandomPose(AffineAttack):
    """The worst of some random poses (Engstrom et al. 2019, section 3.2, "worst-of-k"), drawn uniformly.

    Args:
        tries: how many.

    The other arguments are :class:`AffineAttack`'s.
    """

    _: KW_ONLY
    tries: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(tries=self.tries)

    def search(self, objective: PoseObjective, generator: Source) -> Ascent:
        cube = torch.zeros_like(objective.limits)
        seeds = own_seeds(generator, cube)
        points = [2 * uniform(cube, 4, seeds, number).to(cube) - 1 for number in range(self.tries)]
        return self.best(objective, points)


@dataclass(frozen=True)
class GridPose(AffineAttack):
    """The worst pose of a grid (Engstrom et al. 2019, section 3.2): no gradient, no chance, every hill is looked at.

    Args:
        counts: the points along rotation, shift to the right, shift down and scale, from end to end of each range; 1
            is the middle alone.

    The other arguments are :class:`AffineAttack`'s.
    """

    _: KW_ONLY
    counts: tuple[int, int, int, int] = (31, 5, 5, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.counts) != 4 or min(self.counts) < 1:
            raise ValueError(f"expected four counts of at least 1, got {self.counts}")

    def search(self, objective: PoseObjective, generator: Source) -> Ascent:
        axes = [torch.linspace(-1, 1, n) if n > 1 else torch.zeros(1) for n in self.counts]
        points = torch.tensor(list(product(*(axis.tolist() for axis in axes)))).to(objective.limits)
        return self.best(objective, [point.expand_as(objective.limits) for point in points])
