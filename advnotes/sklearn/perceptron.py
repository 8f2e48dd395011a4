"""What the classifiers share: a perceptron on standardised columns, trained by a game, behind scikit-learn's face."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from advnotes import rng
from advnotes.data import Stream
from advnotes.game import Game
from advnotes.loop import play
from advnotes.nets import mlp

__all__ = ["Perceptron", "drawn"]


class Perceptron(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of tables whose network a game trains; which game, its subclasses say.

    Args:
        hidden: widths of the hidden layers, one or more.
        steps: rounds of the game.
        batch_size: rows in a batch, drawn with replacement.
        learning_rate: Adam's, falling linearly to 0.
        random_state: as everywhere in scikit-learn: with a number, a second ``fit`` gives the same network. The global
            generators are left as they were.

    Attributes:
        classes_: the labels, sorted.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.
        mean_, scale_: of the columns that ``fit`` saw; a constant column has the scale 1.
        network_: from standardised columns to logits.
        history_: what :func:`advnotes.play` returned.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (64, 64),
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

    def predict_proba(self, X: Any) -> np.ndarray[Any, np.dtype[Any]]:
        """The probability of each class of ``classes_``, ``[n, classes]``."""
        check_is_fitted(self)
        x = self._standardised(validate_data(self, X, reset=False))
        # In double precision, a row's answer does not depend on its place among the others: the order in which a
        # processor sums changes the last bits.
        network = copy.deepcopy(self.network_).double()
        with torch.no_grad():
            return np.asarray(network(x.double()).softmax(dim=1).numpy())

    def predict(self, X: Any) -> np.ndarray[Any, np.dtype[Any]]:
        """The likeliest class of each row, ``[n]``."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])

    def _read(
        self, X: Any, y: Any, without_label: Callable[[Any], Any] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Standardised rows, and for each the index of its class, or -1 where it has no label."""
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        missing = np.zeros(len(y), dtype=bool) if without_label is None else without_label(y)
        self.classes_ = np.unique(y[~missing])
        if len(self.classes_) < 2:
            raise ValueError(f"expected labels of at least 2 classes, got {len(self.classes_)} class")
        codes = np.where(missing, -1, np.searchsorted(self.classes_, np.where(missing, self.classes_[0], y)))
        self.mean_, deviation = X.mean(axis=0), X.std(axis=0)
        # What is constant but for rounding is left as it is.
        self.scale_ = np.where(deviation > 1e-9 * np.abs(X).max(axis=0), deviation, 1.0)
        return self._standardised(X), torch.from_numpy(codes.astype(np.int64))

    def _standardised(self, X: np.ndarray[Any, np.dtype[Any]]) -> Tensor:
        return torch.from_numpy(((X - self.mean_) / self.scale_).astype(np.float32))

    def _play(
        self, game_of: Callable[[nn.Module, nn.Module], Game], batch: Callable[[int], tuple[Tensor, ...]]
    ) -> None:
        """Train ``head(features(x))`` in the game ``game_of(features, head)``, on what ``batch(size)`` draws."""
        if not self.hidden or min(self.hidden) < 1 or self.steps < 1 or self.batch_size < 1:
            raise ValueError(
                "expected hidden widths, steps and batch_size of at least 1, got "
                f"{self.hidden}, {self.steps} and {self.batch_size}"
            )
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")
        number = int(check_random_state(self.random_state).randint(2**31))
        with rng.preserved(torch.device("cuda" if torch.cuda.is_available() else "cpu")):
            rng.seed(number)
            features = nn.Sequential(mlp(self.n_features_in_, *self.hidden), nn.ReLU())
            head = nn.Linear(self.hidden[-1], len(self.classes_))
            game = game_of(features, head).train()
            adam = partial(torch.optim.Adam, lr=self.learning_rate)
            optimizers = {name: adam(player.parameters()) for name, player in game.players.items()}
            moves = {name: self.steps * game.turns.count(name) for name in optimizers}
            schedules = {name: LambdaLR(o, partial(_falling, moves[name])) for name, o in optimizers.items()}
            data = Stream(batch, self.batch_size, self.steps * len(game.turns))
            self.history_ = play(
                game, data, optimizers, steps=self.steps, schedules=schedules, progress=False
            )
        self.network_ = nn.Sequential(features, head).cpu().eval()


def _falling(moves: int, move: int) -> float:
    """The factor on the learning rate: from 1 to 0 in so many moves."""
    return max(1 - move / moves, 0.0)


def drawn(size: int, *columns: Tensor) -> tuple[Tensor, ...]:
    """The same ``size`` random rows of each column, with replacement."""
    rows = torch.randint(len(columns[0]), (size,))
    return tuple(column[rows] for column in columns)
