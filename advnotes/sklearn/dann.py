"""Domain-adversarial training for tables."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, column_or_1d
from torch import Tensor, nn

from advnotes.invariance.dann import DANN
from advnotes.nets import mlp
from advnotes.robust.adversarial import AdversarialTraining
from advnotes.sklearn.perceptron import Perceptron, drawn

__all__ = ["DomainAdversarialClassifier"]


class DomainAdversarialClassifier(Perceptron):
    r"""A classifier for a domain of which only the rows are known: :class:`~advnotes.invariance.DANN`.

    Args:
        strength: the trade-off :math:`\lambda`; it grows to its full size over the training, as in the paper.
        domain_hidden: widths of the domain head's hidden layers.
        hidden, steps, batch_size, learning_rate, random_state: as in every classifier of this package: widths of the
            hidden layers, rounds, rows in a batch of each domain, Adam's rate (falling linearly to 0), and the seed.

    Columns are standardised over both domains. Without a target domain it is an ordinary perceptron.

    Raises:
        ValueError: in ``fit``, where a number is out of range, the domains do not fit, or the source has labels of
            fewer than two classes.
    """

    def __init__(
        self,
        strength: float = 1.0,
        domain_hidden: tuple[int, ...] = (64,),
        hidden: tuple[int, ...] = (64, 64),
        steps: int = 1000,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(hidden, steps, batch_size, learning_rate, random_state)
        self.strength = strength
        self.domain_hidden = domain_hidden

    def fit(self, X: Any, y: Any, target: Any = None) -> "DomainAdversarialClassifier":
        """Train on rows ``X`` ``[n, columns]`` of both domains.

        Args:
            X: rows of the source and of the target.
            y: their labels ``[n]``; what stands there for rows of the target is not looked at.
            target: whether a row is of the target domain, ``[n]``, true or false (or 1 and 0); None: none is.
        """

        def of_target(y: Any) -> Any:
            if target is None:
                return np.zeros(len(y), dtype=bool)
            domain = column_or_1d(target).astype(bool)
            check_consistent_length(y, domain)
            return domain

        x, codes = self._read(X, y, of_target)
        source, labels, other = x[codes >= 0], codes[codes >= 0], x[codes < 0]

        def batch(size: int) -> tuple[Tensor, ...]:
            return drawn(size, source, labels) + (drawn(size, other) if len(other) else ())

        def game(features: nn.Module, head: nn.Module) -> DANN | AdversarialTraining:
            if len(other) == 0:
                return AdversarialTraining(nn.Sequential(features, head), attack=None, share=0.0)
            domain_head = mlp(self.hidden[-1], *self.domain_hidden, 1)
            return DANN(features, head, domain_head, strength=self.strength, warmup=self.steps)

        self._play(game, batch)
        return self
