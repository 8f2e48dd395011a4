"""Virtual adversarial training for tables, labelled in part."""

from typing import Any

import numpy as np
from torch import nn

from advnotes.checks import check_count
from advnotes.robust.vat import VAT
from advnotes.sklearn.perceptron import Perceptron
from advnotes.sklearn.tables import Widths

__all__ = ["VATClassifier"]


class VATClassifier(Perceptron):
    r"""A classifier that says the same around every row, labelled or not: :class:`~advnotes.robust.VAT`.

    Args:
        eps: the length of the perturbation; columns are standardised, so 1 is about one deviation of one column.
        weight: of the smoothness term.
        entropy: weight of the predictions' entropy.
        xi, power_steps: of the power iteration, as in :func:`~advnotes.robust.virtual_adversary`.
        unlabelled: the value in ``y`` that says that a row has no label, as in ``sklearn.semi_supervised``, among
            strings too; None, NaN and pandas' NA then say the same. With ``unlabelled=None`` all rows have a label.
        hidden, steps, batch_size, learning_rate, random_state: as in every classifier of this package: widths of the
            hidden layers, rounds, rows in a batch of each kind, Adam's rate (falling linearly to 0), and the seed.

    Of scikit-learn's own checks those fail, with the default of ``unlabelled``, that hand over -1 as a label.

    Raises:
        ValueError: in ``fit``, where a number is out of range or there are labels of fewer than two classes.
    """

    def __init__(
        self,
        eps: float = 1.0,
        weight: float = 1.0,
        entropy: float = 0.0,
        xi: float = 0.01,
        power_steps: int = 1,
        unlabelled: int | float | str | None = -1,
        hidden: Widths = (64, 64),
        steps: int = 500,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(hidden, steps, batch_size, learning_rate, random_state)
        self.eps = eps
        self.weight = weight
        self.entropy = entropy
        self.xi = xi
        self.power_steps = power_steps
        self.unlabelled = unlabelled

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "VATClassifier":
        """Train on rows ``X`` ``[n, columns]`` with labels ``y`` ``[n]``, ``unlabelled`` where there is none.

        Args:
            X: rows, labelled or not.
            y: their labels, all of one type, numbers or strings.
            sample_weight: how often each row counts among the labelled or the unlabelled ones, ``[n]``, from 0 on;
                None: all alike.
        """
        power_steps = check_count("power_steps", self.power_steps, least=0)
        table = self._read_in_part(X, y, sample_weight, self.unlabelled)

        def game(features: nn.Module, head: nn.Linear) -> VAT:
            return VAT(
                nn.Sequential(features, head),
                self.eps,
                weight=self.weight,
                entropy=self.entropy,
                xi=self.xi,
                steps=power_steps,
            )

        self._play(game, table.labelled(), table.unlabelled())
        return self
