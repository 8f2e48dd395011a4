"""What the classifiers share: a perceptron on standardised columns, trained by a game, as a scikit-learn estimator."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, check_random_state
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from advnotes import rng
from advnotes.checks import check_count, check_number
from advnotes.data import Stream
from advnotes.game import Game
from advnotes.loop import play
from advnotes.nets import mlp
from advnotes.sklearn.tables import (
    Widths,
    are_marked,
    check_widths,
    read_classes,
    read_labels,
    read_rows,
    read_weights,
)

__all__ = ["Perceptron", "Pool"]


class Pool:
    """Rows that batches are drawn from, with replacement.

    Args:
        columns: tensors of equal length.
        weight: how likely a row is to be drawn, in any unit; None: all alike.
    """

    def __init__(self, *columns: Tensor, weight: Float[Tensor, " rows"] | None = None) -> None:
        self.columns = columns
        self.cumulative = None if weight is None else weight.cumsum(dim=0)

    def __len__(self) -> int:
        return len(self.columns[0])

    def draw(self, size: int) -> tuple[Tensor, ...]:
        """The same ``size`` random rows of each column."""
        if self.cumulative is None:
            rows = torch.randint(len(self), (size,))
        else:
            place = torch.rand(size, dtype=self.cumulative.dtype) * self.cumulative[-1]
            # Rounding may bring the product to the very end.
            rows = torch.searchsorted(self.cumulative, place, right=True).clamp_max(len(self) - 1)
        return tuple(column[rows] for column in self.columns)


class Table:
    """What ``fit`` has read: standardised rows with their classes and weights."""

    def __init__(
        self, x: Tensor, codes: Int64[Tensor, " rows"], weight: Float[Tensor, " rows"] | None
    ) -> None:
        self.x, self.codes, self.weight = x, codes, weight

    def labelled(self, *others: Tensor) -> Pool:
        """The rows with a label: batches ``(x, y, *others)``."""
        return self._pool(self.codes >= 0, self.x, self.codes, *others)

    def unlabelled(self) -> Pool:
        """The rows without a label: batches ``(x,)``."""
        return self._pool(self.codes < 0, self.x)

    def all(self) -> Pool:
        """All rows, without their labels: batches ``(x,)``."""
        return self._pool(torch.ones_like(self.codes, dtype=torch.bool), self.x)

    def _pool(self, rows: Bool[Tensor, " rows"], *columns: Tensor) -> Pool:
        weight = None if self.weight is None else self.weight[rows]
        return Pool(*(column[rows] for column in columns), weight=weight)


class Perceptron(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of tables whose network is trained by a game, which each subclass chooses.

    Args:
        hidden: widths of the hidden layers, one or more; a single number is one layer.
        steps: rounds of the game.
        batch_size: rows in a batch, drawn with replacement.
        learning_rate: Adam's, falling linearly to 0.
        random_state: as everywhere in scikit-learn: with a number, a second ``fit`` gives the same network. The global
            generators are left as they were.

    ``fit`` takes ``sample_weight``: a row is drawn into batches in proportion to its weight, so that the expected loss
    is the weighted mean, and a row of weight 0 counts as if it were not there. For classes of equal weight pass
    ``sklearn.utils.class_weight.compute_sample_weight("balanced", y)``.

    Attributes:
        classes_: the labels, sorted.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.
        mean_, scale_: of the columns that ``fit`` saw; a constant column has the scale 1.
        network_: from standardised columns to logits.
        history_: what :func:`advnotes.play` returned.
    """

    def __init__(
        self,
        hidden: Widths = (64, 64),
        steps: int = 500,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each class of ``classes_``, ``[n, classes]``."""
        check_is_fitted(self)
        x = self._standardised(read_rows(self, X, reset=False))
        # In double precision, a row's answer does not depend on its place among the others: the order in which a
        # processor sums changes the last bits.
        network = copy.deepcopy(self.network_).double()
        with torch.no_grad():
            return np.asarray(network(x.double()).softmax(dim=1).numpy())

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class of each row, ``[n]``."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])

    def _read_in_part(
        self, X: Any, y: Any, sample_weight: Any, unlabelled: int | float | str | None
    ) -> Table:
        """The table of rows of which those with the label ``unlabelled`` have none; None: all rows have one."""
        if unlabelled is None:
            return self._read(X, y, sample_weight)[0]
        why = f" (unlabelled={unlabelled!r} says that a row has no label: if that is a class, pass unlabelled=None)"
        return self._read(X, y, sample_weight, lambda labels: ~are_marked(labels, unlabelled), why=why)[0]

    def _read(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        has_label: Callable[[NDArray[Any]], NDArray[np.bool_]] | None = None,
        whose: str = "",
        why: str = "",
    ) -> tuple[Table, NDArray[np.bool_]]:
        """The table, and which of the rows that were given are in it: those of a positive weight.

        Args:
            X, y, sample_weight: as ``fit`` has them.
            has_label: from the labels to the rows whose label counts; None: all.
            whose, why: for messages, as in :func:`~advnotes.sklearn.tables.read_classes`.
        """
        values = read_rows(self, X, reset=True)
        labels = read_labels(self, y, len(values))
        weights = read_weights(sample_weight, len(values))
        known = np.ones(len(values), dtype=bool) if has_label is None else has_label(labels)
        kept = np.ones(len(values), dtype=bool) if weights is None else weights > 0
        if not kept.all():
            why = f" among the {int(kept.sum())} rows with a sample_weight above 0{why}"
        self.classes_, codes = read_classes(labels, known & kept, whose, why)
        values, codes = values[kept], codes[kept]
        weights = None if weights is None else weights[kept]
        self.mean_, deviation = _moments(values, weights)
        # What is constant but for rounding is left as it is.
        self.scale_ = np.where(deviation > 1e-9 * np.abs(values).max(axis=0), deviation, 1.0)
        weight = None if weights is None else torch.from_numpy(weights)
        return Table(self._standardised(values), torch.from_numpy(codes), weight), kept

    def _standardised(self, X: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(((X - self.mean_) / self.scale_).astype(np.float32))

    def _play(
        self, game_of: Callable[[nn.Module, nn.Linear], Game], known: Pool, others: Pool | None = None
    ) -> None:
        """Train ``head(features(x))`` in the game ``game_of(features, head)``.

        Args:
            game_of: makes the game of the two halves of the network.
            known: what comes first in a batch.
            others: what comes behind it in the same batch; nothing where it is None or has no rows.
        """
        hidden = check_widths("hidden", self.hidden)
        steps, batch_size = check_count("steps", self.steps), check_count("batch_size", self.batch_size)
        learning_rate = check_number("learning_rate", self.learning_rate, above=0.0)

        def batch(size: int) -> tuple[Tensor, ...]:
            return known.draw(size) + (others.draw(size) if others else ())

        number = int(check_random_state(self.random_state).randint(2**31))
        with rng.preserved(torch.device("cuda" if torch.cuda.is_available() else "cpu")):
            rng.seed(number)
            features = nn.Sequential(mlp(self.n_features_in_, *hidden), nn.ReLU())
            head = nn.Linear(hidden[-1], len(self.classes_))
            game = game_of(features, head).train()
            adam = partial(torch.optim.Adam, lr=learning_rate)
            optimizers = {name: adam(player.parameters()) for name, player in game.players.items()}
            moves = {name: steps * game.turns.count(name) for name in optimizers}
            schedules = {name: LambdaLR(o, partial(_falling, moves[name])) for name, o in optimizers.items()}
            data = Stream(batch, batch_size, steps * len(game.turns))
            self.history_ = play(game, data, optimizers, steps=steps, schedules=schedules, progress=False)
        self.network_ = nn.Sequential(features, head).cpu().eval()


def _moments(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each column, each row counted by its weight."""
    if weights is None:
        return values.mean(axis=0), values.std(axis=0)
    mean = np.average(values, axis=0, weights=weights)
    return mean, np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))


def _falling(moves: int, move: int) -> float:
    """The factor on the learning rate: from 1 to 0 in so many moves."""
    return max(1 - move / moves, 0.0)
