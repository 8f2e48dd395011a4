"""The semi-supervised GAN for tables, labelled in part."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count, check_number
from advnotes.gan.semi_supervised import SemiSupervisedGAN
from advnotes.nets import mlp
from advnotes.sklearn.perceptron import Perceptron
from advnotes.sklearn.tables import Widths, check_widths

__all__ = ["SemiSupervisedGANClassifier"]


class SemiSupervisedGANClassifier(Perceptron):
    r"""A classifier that also learns to tell rows from generated ones: :class:`~advnotes.gan.SemiSupervisedGAN`.

    The generator wants its rows to be taken for real; it is a perceptron of the same widths. Where no row lacks a
    label, all rows are played with as unlabelled ones.

    Args:
        latent_size: how many random numbers the generator makes a row of.
        noise: the standard deviation of the noise on the rows that the classifier is trained on, real and generated;
            columns are standardised, so 1 is one deviation of each column. Without it few labels are learnt by heart.
        unlabelled: the value in ``y`` that says that a row has no label, as in ``sklearn.semi_supervised``, among
            strings too; None, NaN and pandas' NA then say the same. With ``unlabelled=None`` all rows have a label.
        hidden, steps, batch_size, learning_rate, random_state: as in every classifier of this package: widths of the
            hidden layers, rounds, rows in a batch of each kind, Adam's rate (falling linearly to 0), and the seed.

    Attributes:
        generator_: from ``latent_size`` normal numbers to standardised columns.

    Of scikit-learn's own checks those fail, with the default of ``unlabelled``, that hand over -1 as a label.

    Raises:
        ValueError: in ``fit``, where a number is out of range or there are labels of fewer than two classes.
    """

    def __init__(
        self,
        latent_size: int = 32,
        noise: float = 1.0,
        unlabelled: int | float | str | None = -1,
        hidden: Widths = (64, 64),
        steps: int = 500,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(hidden, steps, batch_size, learning_rate, random_state)
        self.latent_size = latent_size
        self.noise = noise
        self.unlabelled = unlabelled

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "SemiSupervisedGANClassifier":
        """Train on rows ``X`` ``[n, columns]`` with labels ``y`` ``[n]``, ``unlabelled`` where there is none.

        Args:
            X: rows, labelled or not.
            y: their labels, all of one type, numbers or strings.
            sample_weight: how often each row counts among the labelled or the unlabelled ones, ``[n]``, from 0 on;
                None: all alike.
        """
        latent_size = check_count("latent_size", self.latent_size)
        noise = check_number("noise", self.noise, least=0.0)
        table = self._read_in_part(X, y, sample_weight, self.unlabelled)

        def game(features: nn.Module, head: nn.Linear) -> SemiSupervisedGAN:
            self.generator_ = mlp(latent_size, *check_widths("hidden", self.hidden), self.n_features_in_)
            return SemiSupervisedGAN(
                self.generator_, nn.Sequential(Noise(noise), features, head), latent_size
            )

        self._play(game, table.labelled(), table.unlabelled() or table.all())
        self.generator_.cpu().eval()
        return self


class Noise(nn.Module):
    """Normal noise, in train mode only."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Float[Tensor, "batch columns"]) -> Float[Tensor, "batch columns"]:
        """The rows with noise."""
        return x + self.deviation * torch.randn_like(x) if self.training else x
