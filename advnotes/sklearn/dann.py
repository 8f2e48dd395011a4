"""Domain-adversarial training for tables."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from advnotes.checks import check_count
from advnotes.invariance.dann import DANN
from advnotes.nets import mlp
from advnotes.robust.adversarial import AdversarialTraining
from advnotes.sklearn.perceptron import Perceptron
from advnotes.sklearn.tables import Widths, check_widths, read_domains

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
        domain_hidden: Widths = (64,),
        hidden: Widths = (64, 64),
        steps: int = 1000,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(hidden, steps, batch_size, learning_rate, random_state)
        self.strength = strength
        self.domain_hidden = domain_hidden

    def fit(
        self, X: Any, y: Any, target: Any = None, sample_weight: Any = None
    ) -> "DomainAdversarialClassifier":
        """Train on rows ``X`` ``[n, columns]`` of both domains.

        Args:
            X: rows of the source and of the target.
            y: their labels ``[n]``; what stands there for rows of the target (-1, NaN, None) is not looked at.
            target: whether a row is of the target domain, ``[n]``, true or false (or 1 and 0); None: none is.
            sample_weight: how often each row counts among those of its domain, ``[n]``, from 0 on; None: all alike.
        """
        domain_hidden = check_widths("domain_hidden", self.domain_hidden, least=0)

        def of_source(labels: NDArray[Any]) -> NDArray[np.bool_]:
            return np.ones(len(labels), dtype=bool) if target is None else ~read_domains(target, len(labels))

        table, _ = self._read(X, y, sample_weight, of_source, "" if target is None else " of the source")
        source, others = table.labelled(), table.unlabelled()

        def game(features: nn.Module, head: nn.Linear) -> DANN | AdversarialTraining:
            if len(others) == 0:
                return AdversarialTraining(nn.Sequential(features, head), attack=None, share=0.0)
            domain_head = mlp(head.in_features, *domain_hidden, 1)
            return DANN(
                features, head, domain_head, strength=self.strength, warmup=check_count("steps", self.steps)
            )

        self._play(game, source, others)
        return self
