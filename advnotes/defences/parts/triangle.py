"""A network of rectifiers as a linear programme, in which each unstable rectifier is a triangle."""

import copy
from collections.abc import Iterator
from typing import TypeGuard, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import Bounds as Box
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import csr_array
from torch import Tensor, nn

from advnotes.nets import Normalize

__all__ = ["Triangles", "affine_steps"]

Array = NDArray[np.float64]
Kind = TypeVar("Kind", bound=nn.Module)
#: A matrix and a vector: ``W @ x + b``.
Step = tuple[Array, Array]
#: Layers that are affine in eval mode: they become a matrix.
AFFINE = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.BatchNorm1d),
    *(nn.BatchNorm2d, nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Dropout2d, Normalize),
)
#: More entries than this, and a layer's matrix does not fit a small computer.
LARGEST = 5 * 10**7


def affine_steps(model: nn.Module, x: Tensor) -> list[Step]:
    """A network as matrices in float64, with a rectifier between each two of them.

    Args:
        model: an ``nn.Sequential`` of rectifiers and affine layers, which is not changed.
        x: an input, for its shape.

    Raises:
        ValueError: where a layer is not known or too large, or there are no logits.
    """
    steps = []
    with torch.no_grad():
        point = torch.zeros_like(x[:1], dtype=torch.float64, device="cpu")
        weight = torch.eye(point.numel()).double().view(-1, *point.shape[1:])
        for layer in _flat(model):
            if _is(layer, nn.ReLU):
                steps.append(_step(weight, point))
                point = torch.zeros_like(point)
                weight = torch.eye(point.numel()).double().view(-1, *point.shape[1:])
                continue
            if not any(_is(layer, kind) for kind in AFFINE):
                raise ValueError(
                    "an exact margin knows rectifiers and layers that are affine in eval mode, in an nn.Sequential; "
                    f"got a {type(layer).__name__}: leave it out, or take bounds of another kind"
                )
            layer = copy.deepcopy(layer).cpu().double().eval()
            after = layer(point)
            if len(weight) * after.numel() > LARGEST:
                raise ValueError(
                    f"a {type(layer).__name__} makes {after.numel()} numbers of {len(weight)}: too many for a matrix "
                    f"of at most {LARGEST:.0e} entries. Exact margins are for small networks"
                )
            origin = layer(torch.zeros_like(point))
            weight, point = torch.cat([layer(part) - origin for part in weight.split(256)]), after
        if point.ndim != 2:
            raise ValueError(
                f"the model must return logits [batch, classes], got the shape {tuple(point.shape)}"
            )
    steps.append(_step(weight, point))
    if not all(np.isfinite(numbers).all() for step in steps for numbers in step):
        raise ValueError("the model has weights that are not finite: did its training diverge?")
    _compare(steps, model, x)
    return steps


def _is(layer: nn.Module, kind: type[Kind]) -> TypeGuard[Kind]:
    """Whether a layer computes what a kind of layers does; a class of somebody's own may have another forward."""
    return isinstance(layer, kind) and type(layer).forward is kind.forward and "forward" not in vars(layer)


@torch.no_grad()
def _compare(steps: list[Step], model: nn.Module, x: Tensor) -> None:
    """Refuse a model that computes something else than its layers one after the other, as by a hook."""
    whole = copy.deepcopy(model).cpu().double().eval()
    points = x[:2].detach().cpu().double()
    points = torch.cat([points, torch.zeros_like(points[:1]), 1 - points])
    logits = whole(points.clone()).numpy()
    found = np.stack([_logits(steps, point) for point in points.flatten(1).numpy()])
    if not np.allclose(found, logits, rtol=1e-6, atol=1e-6 * (1 + float(np.abs(logits).max()))):
        raise ValueError(
            f"the layers of {type(model).__name__} one after the other give other logits than the model: has it hooks? "
            "An exact margin is of an nn.Sequential alone"
        )


def _logits(steps: list[Step], point: Array) -> Array:
    for depth, (weight, bias) in enumerate(steps):
        point = weight @ (point if depth == 0 else point.clip(min=0)) + bias
    return point


def _step(weight: Tensor, point: Tensor) -> Step:
    return weight.flatten(1).numpy().T, point.flatten().numpy()


def _flat(model: nn.Module) -> Iterator[nn.Module]:
    for layer in model if _is(model, nn.Sequential) else [model]:
        if _is(layer, nn.Sequential):
            yield from _flat(layer)
        else:
            yield layer


class Triangles:
    """The linear programme of one sample's ball.

    Variables are the inputs, and the output of each unstable rectifier; all else is affine in them. A rectifier has
    two rows: ``a - v >= 0``, which a branch where it is on makes an equality, and the triangle's upper side. A branch
    where it is off sets ``a`` to 0.

    Args:
        layers: what :func:`affine_steps` gives.
        low, high: the ends of each input.
        y: the class whose margins are the goals, one for each other class.
        most: how many rectifiers may be unstable.

    Raises:
        ValueError: where more are.
    """

    def __init__(self, layers: list[Step], low: Array, high: Array, y: int, most: int) -> None:
        self.most_unstable = most
        self.layers, self.inputs, self.solved = layers, len(low), 0
        self.low: Array = low  # of the variables
        self.high: Array = high
        self.rows: Array = np.zeros((0, len(low)))
        self.row_low: Array = np.zeros(0)
        self.row_high: Array = np.zeros(0)
        self.unstable: list[tuple[Array, float]] = []  # what each one reads, as a row and a constant
        matrix: Array = np.eye(len(low))
        shift: Array = np.zeros(len(low))
        for depth, (weight, bias) in enumerate(layers):
            matrix, shift = weight @ matrix, weight @ shift + bias
            if depth < len(layers) - 1:
                matrix, shift = self._rectify(matrix, shift, depth)
        others = [c for c in range(len(shift)) if c != y]
        self.y, self.others = y, others
        self.goals, self.constants = matrix[y] - matrix[others], shift[y] - shift[others]

    def _rectify(self, matrix: Array, shift: Array, depth: int) -> Step:
        least, most = self._range(matrix, shift)
        for unit in np.flatnonzero((least < 0) & (most > 0)) if depth else ():
            least[unit] = max(least[unit], self.solve(matrix[unit], {})[0] + shift[unit])
            most[unit] = min(most[unit], shift[unit] - self.solve(-matrix[unit], {})[0])
        split = np.flatnonzero((least < 0) & (most > 0))
        before, new = matrix.shape[1], len(split)
        if new + len(self.unstable) > self.most_unstable:
            raise ValueError(
                f"{new + len(self.unstable)} rectifiers or more are unstable in this ball, and max_unstable is "
                f"{self.most_unstable}: take a smaller eps or network, or raise max_unstable and set a budget"
            )
        self.unstable = [(np.pad(row, (0, new)), constant) for row, constant in self.unstable]
        self.unstable += [(np.pad(matrix[unit], (0, new)), shift[unit]) for unit in split]
        outputs = np.eye(before + new)[before:]
        reads, slopes = np.pad(matrix[split], ((0, 0), (0, new))), most[split] / (most[split] - least[split])
        sides = np.stack([outputs - reads, outputs - slopes[:, None] * reads], axis=1).reshape(
            -1, before + new
        )
        self.rows = np.concatenate([np.pad(self.rows, ((0, 0), (0, new))), sides])
        ends = np.stack([shift[split], slopes * (shift[split] - least[split])], axis=1)
        self.row_low = np.append(self.row_low, np.stack([ends[:, 0], np.full(new, -np.inf)], axis=1))
        self.row_high = np.append(self.row_high, np.stack([np.full(new, np.inf), ends[:, 1]], axis=1))
        self.low, self.high = np.append(self.low, np.zeros(new)), np.append(self.high, most[split])
        on = least >= 0
        matrix, shift = np.pad(matrix * on[:, None], ((0, 0), (0, new))), shift * on
        matrix[split] = outputs
        return matrix, shift

    def _range(self, matrix: Array, shift: Array) -> Step:
        """The interval of each row: every variable between its bounds on its own."""
        up, down = matrix.clip(min=0), matrix.clip(max=0)
        return up @ self.low + down @ self.high + shift, up @ self.high + down @ self.low + shift

    def solve(self, goal: Array, phases: dict[int, bool]) -> tuple[float, Array | None]:
        """The minimum of a linear goal where some rectifiers are on or off; ``inf`` where nothing is left."""
        high, row_high = self.high.copy(), self.row_high.copy()
        for unit, on in phases.items():
            if on:
                row_high[2 * unit] = self.row_low[2 * unit]
            else:
                high[self.inputs + unit] = 0.0
        self.solved += 1
        if not len(self.rows):
            point = np.where(goal > 0, self.low, self.high)
            return float(goal @ point), point
        limits = LinearConstraint(csr_array(self.rows), self.row_low, row_high)
        answer = milp(goal, constraints=limits, bounds=Box(self.low, high))
        if answer.x is None:
            if answer.status != 2:
                raise RuntimeError(f"the linear programme was not solved: {answer.message}")
            return np.inf, None
        return float(answer.fun), answer.x

    def interval(self) -> Array:
        """A lower bound of each goal: every variable between its bounds on its own."""
        return self._range(self.goals, self.constants)[0]

    def gaps(self, values: Array, phases: dict[int, bool]) -> Array:
        """By how much a solution breaks each unstable rectifier; 0 for those that are fixed."""
        reads = np.array([row @ values + constant for row, constant in self.unstable])
        broken = values[self.inputs :] - reads.clip(min=0)
        broken[list(phases)] = 0.0
        return broken

    def margin(self, point: Array) -> float:
        """The network's own, at an input."""
        point = _logits(self.layers, point)
        return float(point[self.y] - point[self.others].max())
