"""Learning to pivot for tables."""

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length
from torch import Tensor, nn

from advnotes.invariance.density import CategoricalDensity, MixtureDensity
from advnotes.invariance.pivot import Pivot
from advnotes.robust.adversarial import AdversarialTraining
from advnotes.sklearn.perceptron import Perceptron, drawn

__all__ = ["PivotClassifier"]


class PivotClassifier(Perceptron):
    r"""A classifier whose probabilities say nothing about a nuisance: :class:`~advnotes.invariance.Pivot`.

    Args:
        strength: the trade-off :math:`\lambda`: how many nats of the label's loss a nat of the nuisance is worth.
        adversary_steps: the adversary's moves before each one of the classifier's.
        components: Gaussians of the adversary's mixture, for continuous nuisances.
        hidden, steps, batch_size, learning_rate, random_state: as in every classifier of this package: widths of the
            hidden layers, rounds, rows in a batch, Adam's rate (falling linearly to 0), and the seed.

    The nuisance need not be a column of ``X``, nor be known later. Without one it is an ordinary perceptron.

    Attributes:
        adversary_: the density of the nuisance that the classifier played against; None without a nuisance. It is no
            judge: ask :func:`~advnotes.invariance.fresh_adversary`.

    Raises:
        ValueError: in ``fit``, where a number is out of range, or the nuisance is not as expected.
    """

    def __init__(
        self,
        strength: float = 1.0,
        adversary_steps: int = 5,
        components: int = 5,
        hidden: tuple[int, ...] = (64, 64),
        steps: int = 500,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(hidden, steps, batch_size, learning_rate, random_state)
        self.strength = strength
        self.adversary_steps = adversary_steps
        self.components = components

    def fit(self, X: Any, y: Any, nuisance: Any = None) -> "PivotClassifier":
        """Train on rows ``X`` ``[n, columns]`` with labels ``y`` ``[n]``.

        Args:
            X, y: as everywhere in scikit-learn.
            nuisance: what the probabilities shall be independent of: whole numbers, booleans or strings ``[n]`` name
                categories; floating-point numbers ``[n]`` or ``[n, several]`` are continuous. None: nothing.
        """
        x, codes = self._read(X, y)
        known = None if nuisance is None else self._nuisance(nuisance, len(x))
        columns = (x, codes) if known is None else (x, codes, known)
        self.adversary_: MixtureDensity | CategoricalDensity | None = None

        def game(features: nn.Module, head: nn.Module) -> Pivot | AdversarialTraining:
            model = nn.Sequential(features, head)
            if known is None:
                return AdversarialTraining(model, attack=None, share=0.0)
            outputs = len(self.classes_)
            self.adversary_ = (
                MixtureDensity(outputs, known.shape[1], self.components)
                if known.is_floating_point()
                else CategoricalDensity(outputs, int(known.max()) + 1)
            )
            return Pivot(model, self.adversary_, self.strength, adversary_steps=self.adversary_steps)

        def batch(size: int) -> tuple[Tensor, ...]:
            return drawn(size, *columns)

        self._play(game, batch)
        return self

    def _nuisance(self, nuisance: Any, rows: int) -> Tensor:
        """Categories from 0 on ``[n]``, or standardised numbers ``[n, several]``."""
        values = np.asarray(nuisance)
        check_consistent_length(values, np.empty(rows))
        if values.dtype.kind in "biuOSU":
            kinds, codes = np.unique(values.ravel(), return_inverse=True)
            if values.size != rows or len(kinds) < 2:
                raise ValueError(
                    f"expected one categorical nuisance of at least 2 kinds for each row, got shape {values.shape} and "
                    f"{len(kinds)} kinds"
                )
            return torch.from_numpy(codes.astype(np.int64))
        values = check_array(values.reshape(rows, -1), dtype=np.float64, input_name="nuisance")
        deviation = values.std(axis=0)
        if not (deviation > 0).all():
            raise ValueError("expected a nuisance that varies, got a constant one: leave it out")
        return torch.from_numpy(((values - values.mean(axis=0)) / deviation).astype(np.float32))
