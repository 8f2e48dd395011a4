"""What happened in a game: the losses of every step, the measurements, the averaged players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass
class History:
    """The record of a game, as :func:`advnotes.play` returns it.

    Attributes:
        losses: for each player, its loss at every step (the mean over its turns in that round, over the batches
            that it accumulated, and over all processes), by step from 1.
        epochs: for each step the epoch, from 0, in which its round began.
        metrics: one row for each time that the callbacks measured something: ``{"step": ..., name: value}``.
        averages: for each player with an exponential moving average, the averaged copy.
    """

    losses: dict[str, list[float]]
    epochs: list[int]
    metrics: list[dict[str, float]]
    averages: dict[str, nn.Module]

    @property
    def steps(self) -> int:
        """How many steps (rounds) were played."""
        return len(self.epochs)

    def to_pandas(self) -> pd.DataFrame:
        """One row a step: ``epoch``, ``<player>_loss`` for each player, and the metrics (NaN where not measured)."""
        import pandas as pd

        columns: dict[str, Any] = {"epoch": np.array(self.epochs, dtype=np.int64)}
        columns |= {f"{player}_loss": np.array(values) for player, values in self.losses.items()}
        for row in self.metrics:
            for name, value in row.items():
                if name != "step":
                    columns.setdefault(name, np.full(self.steps, np.nan))[int(row["step"]) - 1] = value
        return pd.DataFrame(columns, index=pd.RangeIndex(1, self.steps + 1, name="step"))

    def plot(self, smooth: int | None = None) -> Figure:
        """The losses of all players in one panel and every metric in one of its own.

        Args:
            smooth: show each loss as its running mean over so many steps above the pale raw curve; by default a
                hundredth of the run.

        Raises:
            ValueError: where ``smooth`` is below 1.
        """
        from matplotlib.figure import Figure

        if smooth is not None and smooth < 1:
            raise ValueError(f"smooth is a number of steps from 1, got {smooth}.")
        width = smooth or max(1, self.steps // 100)
        names = list(dict.fromkeys(name for row in self.metrics for name in row if name != "step"))
        # Made without pyplot: a figure that pyplot knows would be shown twice in a notebook.
        figure = Figure(figsize=(4.5 * (1 + len(names)), 3.2), layout="constrained")
        panels = figure.subplots(1, 1 + len(names), squeeze=False)[0]
        steps = np.arange(1, self.steps + 1)
        for i, (player, values) in enumerate(self.losses.items()):
            if width > 1:
                panels[0].plot(steps, values, color=f"C{i}", alpha=0.25, linewidth=0.8)
            panels[0].plot(steps[width - 1 :], _running_mean(values, width), color=f"C{i}", label=player)
        panels[0].set(xlabel="step", ylabel="loss", title="losses")
        panels[0].legend()
        for panel, name in zip(panels[1:], names, strict=True):
            rows = [(row["step"], row[name]) for row in self.metrics if name in row]
            panel.plot(*zip(*rows, strict=True), color="C0", marker="o", markersize=3)
            panel.set(xlabel="step", title=name)
        return figure

    def state_dict(self) -> dict[str, Any]:
        """The losses, epochs and metrics for a checkpoint (the averages are saved as networks)."""
        return {
            "losses": {
                name: torch.tensor(values, dtype=torch.float64) for name, values in self.losses.items()
            },
            "epochs": torch.tensor(self.epochs, dtype=torch.int64),
            "metrics": self.metrics,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self.losses = {name: values.tolist() for name, values in state["losses"].items()}
        self.epochs = state["epochs"].tolist()
        self.metrics = list(state["metrics"])


@dataclass(frozen=True)
class State:
    """What a callback of :func:`advnotes.play` is shown.

    Attributes:
        game: the bare game, in eval mode for the time of the callback.
        step: how many rounds have been played.
        epoch: the number of the present epoch, from 0; equal to ``epochs`` after the last one.
        averages: the exponential moving averages by player, in eval mode as well.
        history: the record so far.
    """

    game: nn.Module
    step: int
    epoch: int
    averages: dict[str, nn.Module]
    history: History


class NonFiniteLoss(FloatingPointError):  # noqa: N818 - named after what was met, as FloatingPointError is not
    """A player's loss, or a parameter after its step, was infinite or not a number.

    Attributes:
        step: the first step, from 1, at which it was met.
        player: the one whose loss or parameter it was.
        checkpoint: folder of the last good checkpoint, or None.
        history: the record up to the step before.
        bad_data: whether a batch of that step held infinities or NaN.
    """

    def __init__(
        self,
        what: str,
        step: int,
        player: str,
        checkpoint: str | None,
        history: History,
        bad_data: bool = False,
    ) -> None:
        good = (
            f"the last good checkpoint is {checkpoint}"
            if checkpoint
            else "there is no checkpoint to go back to"
        )
        advice = (
            "A batch of this step holds NaN or infinities: mend such samples or leave them out."
            if bad_data
            else "Lower the learning rate, clip gradients (clip=), or look for a logarithm, a root or a division in "
            f"{player}_loss."
        )
        super().__init__(f"{what} at step {step}; {good}. {advice}")
        self.step, self.player, self.checkpoint, self.history = step, player, checkpoint, history
        self.bad_data = bad_data


def _running_mean(values: Sequence[float], width: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The mean of every ``width`` values in a row."""
    total = np.cumsum(np.concatenate(([0.0], np.asarray(values, dtype=np.float64))))
    mean: np.ndarray[Any, np.dtype[np.float64]] = (total[width:] - total[:-width]) / width
    return mean
