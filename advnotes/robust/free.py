"""Free adversarial training: the backward pass that moves the model moves the perturbation too."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import DistributedSampler

from advnotes.checks import check_bounds, check_count, check_inputs, check_number, clip_rounding, logits_of
from advnotes.game import Game
from advnotes.threats import Bounds, Threat, check_threat

__all__ = ["FreeAdversarialTraining", "Replay"]


class FreeAdversarialTraining(Game):
    r"""Model and perturbation move at once, at the price of ordinary training (Shafahi et al. 2019, Algorithm 1).

    .. math::
        \theta \leftarrow \theta - \eta\, \nabla_\theta L(f_\theta(x + \delta), y), \qquad
        \delta \leftarrow \Pi_\Delta\bigl(\delta + \epsilon\,\mathrm{sign}\,\nabla_x L(f_\theta(x + \delta), y)\bigr)

    Both gradients come out of one backward pass. Each batch is replayed several times, so that the perturbation
    gets somewhere, and the next batch begins with the perturbation that the last one ended with::

        game = FreeAdversarialTraining(model, Linf(8 / 255), shape=(128, 3, 32, 32))
        play(game, Replay(loader, times=8), optimizer, epochs=10)

    The perturbation is no player of its own, as a player would cost a backward pass of its own: it is a buffer, which
    moves while ``play`` takes the model's gradient. So it is saved and restored with the game. In eval mode, or where
    no gradient is taken, it stands still.

    Differs from the paper: in other norms than Linf it takes that norm's steepest step; and the perturbed input is
    clipped to its range before the gradient is taken, so that a pixel at the edge of the range can still come back.

    Args:
        model: maps inputs to logits.
        threat: what the adversary may do, one radius for all samples.
        shape: of a batch, ``(batch, ...)``; a smaller batch uses the first rows.
        step: the length of the perturbation's step, in units of the threat's eps.
        bounds: the range of the input.

    Raises:
        ValueError: where the threat has a radius for each sample, ``step`` is not positive, ``shape`` is no batch's,
            or, when called, a batch does not fit it or inputs, labels or logits are not as expected.
    """

    turns = ("model",)
    delta: Tensor

    def __init__(
        self,
        model: nn.Module,
        threat: Threat,
        shape: tuple[int, ...],
        *,
        step: float = 1.0,
        bounds: Bounds = (0.0, 1.0),
    ) -> None:
        super().__init__()
        check_threat(threat)
        if torch.as_tensor(threat.eps).ndim:
            raise ValueError(
                "the perturbation goes from batch to batch: give the threat one eps for all samples"
            )
        check_number("step", step, above=0.0)
        if len(shape) < 2 or min(shape) < 1:
            raise ValueError(f"shape is that of a batch, such as (128, 1, 28, 28), got {shape}")
        self.model, self.threat, self.bounds = model, threat, check_bounds(bounds, finite=False)
        self.step_size = step * threat.eps
        self.register_buffer("delta", torch.zeros(shape))

    def model_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The loss at the perturbed batch; its backward pass, in train mode, moves the perturbation."""
        if len(x) > len(self.delta) or x.shape[1:] != self.delta.shape[1:]:
            raise ValueError(
                f"a batch of shape {tuple(x.shape)} does not fit the perturbation's {tuple(self.delta.shape)}: make "
                "the game with the shape of the largest batch"
            )
        check_inputs(x, y, self.bounds)
        point = (clip_rounding(x, self.bounds) + self.delta[: len(x)]).clamp(*self.bounds).detach()
        if self.training and torch.is_grad_enabled():
            point.requires_grad_().register_hook(lambda gradient: self._move(gradient, point))
        return F.cross_entropy(logits_of(self.model, point, y), y)

    @torch.no_grad()
    def _move(self, gradient: Tensor, point: Tensor) -> None:
        """One step of the perturbation up the loss, with the gradient that has just been taken."""
        gradient = gradient.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        delta = self.delta[: len(gradient)]
        step = self.step_size * self.threat.steepest(gradient, point.detach(), self.bounds)
        delta.copy_(self.threat.project(delta + step))


class Replay:
    """The batches of some data, each of them several times in a row, for :func:`advnotes.play`.

    An epoch is one reading of the data, so ``times`` as many steps. To take as many steps as another method does in
    N epochs, play N / ``times`` of them.

    Args:
        data: a DataLoader, or another iterable of batches. In several processes a DataLoader with a
            ``DistributedSampler``, as otherwise the replays of one batch would be dealt out among the processes.
        times: how often each batch is played (the paper's m).

    Raises:
        ValueError: where ``times`` is less than 1, or, in several processes, the data is not divided already.
    """

    def __init__(self, data: Iterable[Any], times: int) -> None:
        self.data, self.times = data, check_count("times", times)
        # What play looks for in a loader of any kind: whose generator to keep, whether the data is divided already.
        self.sampler = getattr(data, "sampler", None)
        self.generator = getattr(data, "generator", None)

    def __len__(self) -> int:
        return self.times * len(self.data)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not isinstance(self.sampler, DistributedSampler):
            raise ValueError("in several processes Replay wants a DataLoader with a DistributedSampler")
        for batch in self.data:
            for _ in range(self.times):
                yield batch
