"""Learning to pivot for tables."""

from typing import Any

import numpy as np
from torch import Tensor, nn

from advnotes.checks import check_count
from advnotes.invariance.density import CategoricalDensity, ChainDensity, MixtureDensity
from advnotes.invariance.pivot import Pivot
from advnotes.robust.adversarial import AdversarialTraining
from advnotes.sklearn.nuisance import read_nuisance
from advnotes.sklearn.perceptron import Perceptron
from advnotes.sklearn.tables import Widths

__all__ = ["PivotClassifier"]

Density = MixtureDensity | CategoricalDensity | ChainDensity


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
        adversary_: the density of the nuisance that the classifier played against, on the CPU and in eval mode; None
            without a nuisance. Do not judge the classifier by it: train a
            :func:`~advnotes.invariance.fresh_adversary`.

    Raises:
        ValueError: in ``fit``, where a number is out of range, or the nuisance is not as expected.
    """

    def __init__(
        self,
        strength: float = 1.0,
        adversary_steps: int = 5,
        components: int = 5,
        hidden: Widths = (64, 64),
        steps: int = 500,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(hidden, steps, batch_size, learning_rate, random_state)
        self.strength = strength
        self.adversary_steps = adversary_steps
        self.components = components

    def fit(self, X: Any, y: Any, nuisance: Any = None, sample_weight: Any = None) -> "PivotClassifier":
        """Train on rows ``X`` ``[n, columns]`` with labels ``y`` ``[n]``.

        Args:
            X, y: as everywhere in scikit-learn.
            nuisance: what the probabilities shall be independent of, ``[n]`` or several columns ``[n, several]``.
                Whole numbers, booleans, strings and pandas' categories name categories; floating-point numbers are
                continuous. Of several columns the adversary models the joint density
                (:class:`~advnotes.invariance.ChainDensity`). None: nothing.
            sample_weight: how often each row counts, ``[n]``, from 0 on; None: all alike.

        Warns:
            UserWarning: where a category has more than 20 kinds: probably a number that was meant to be continuous.
        """
        adversary_steps = check_count("adversary_steps", self.adversary_steps)
        table, kept = self._read(X, y, sample_weight)
        nuisances = [] if nuisance is None else read_nuisance(nuisance, kept)
        adversaries: list[Density] = []

        def game(features: nn.Module, head: nn.Linear) -> Pivot | AdversarialTraining:
            model = nn.Sequential(features, head)
            if not nuisances:
                return AdversarialTraining(model, attack=None, share=0.0)
            adversaries.append(self._density(nuisances))
            return Pivot(model, adversaries[0], self.strength, adversary_steps=adversary_steps)

        self._play(game, table.labelled(*nuisances))
        self.adversary_ = adversaries[0].cpu().eval() if adversaries else None
        return self

    def _density(self, nuisances: list[Tensor]) -> Density:
        """A density of the nuisances given the probabilities; of several, each sees those before it too."""
        components, seen = check_count("components", self.components), len(self.classes_)
        factors: list[MixtureDensity | CategoricalDensity] = []
        for nuisance in nuisances:
            if nuisance.is_floating_point():
                factors.append(MixtureDensity(seen, nuisance.shape[1], components))
                seen += nuisance.shape[1]
            else:
                kinds = int(nuisance.max()) + 1
                factors.append(CategoricalDensity(seen, kinds))
                seen += kinds
        return factors[0] if len(factors) == 1 else ChainDensity(*factors)
