"""What the scores of a fresh adversary say of its target: probabilities of classes, or a mixture of Gaussians."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from advnotes.metrics.accuracy import Proportion

__all__ = ["Categorical", "Mixture"]


class Categorical:
    r"""Classes in one or several columns, independent given the scores, which are their logits.

    .. math:: -\log q(z) = -\sum_j \log \mathrm{softmax}(s_j)_{z_j}

    Args:
        columns: how many categories a sample has.
        classes: how many classes each of them has.

    Attributes:
        outputs: the number of scores, ``columns * classes``.
    """

    def __init__(self, columns: int, classes: int) -> None:
        if columns < 1 or classes < 2:
            raise ValueError(
                f"expected at least 1 column and 2 classes, got {columns} and {classes}: a target of one class "
                "has nothing to be found out"
            )
        self.columns, self.classes = columns, classes
        self.outputs = columns * classes

    def loss(self, scores: Float[Tensor, "n outputs"], z: Int[Tensor, "n columns"]) -> Float[Tensor, " n"]:
        """Minus the log-probability of each sample's classes, in nats."""
        logits = scores.view(len(z), self.columns, self.classes)
        return F.cross_entropy(logits.transpose(1, 2), z.long(), reduction="none").sum(dim=1)

    def right(self, scores: Float[Tensor, "n outputs"], z: Int[Tensor, "n columns"]) -> Proportion:
        """How many of all entries are the class with the highest score."""
        named = scores.view(len(z), self.columns, self.classes).argmax(dim=2)
        return Proportion(int((named == z).sum()), z.numel())

    def frequency(self, z: Int[Tensor, "n columns"]) -> Float[Tensor, " outputs"]:
        """The scores that are the classes' own frequencies, each class counted once more than it occurs."""
        counts = F.one_hot(z.long(), self.classes).sum(dim=0) + 1
        return (counts / counts.sum(dim=1, keepdim=True)).log().flatten()


class Mixture:
    r"""Gaussians with diagonal covariances; the scores are their logits, means and log-deviations.

    .. math::
        -\log q(z) = -\log \sum_k \mathrm{softmax}(s)_k \prod_j \mathcal N(z_j;\, \mu_{kj}, e^{2 \rho_{kj}})

    (Bishop 1994, equations 22 to 25.) In units in which the target has mean 0 and deviation 1 :math:`\rho` is kept
    within -7 and 7, so that no spike grows on a single sample; the loss is in the target's own unit.

    Args:
        z: targets that the unit is taken from.
        components: the number of Gaussians.

    Attributes:
        outputs: the number of scores, ``components * (1 + 2 * columns)``.
    """

    def __init__(self, z: Float[Tensor, "n columns"], components: int) -> None:
        self.mean, self.std = z.mean(dim=0), z.std(dim=0)
        if components < 1 or not bool((self.std > 0).all()):
            raise ValueError(
                f"expected at least 1 component and targets that differ in every column, got {components} and "
                f"deviations {self.std.tolist()}"
            )
        self.components, self.columns = components, z.shape[1]
        self.outputs = components * (1 + 2 * self.columns)

    def loss(self, scores: Float[Tensor, "n outputs"], z: Float[Tensor, "n columns"]) -> Float[Tensor, " n"]:
        """Minus the log-density of each sample's numbers, in nats."""
        k, d = self.components, self.columns
        weight, mean, scale = scores.split([k, k * d, k * d], dim=1)
        mean, scale = mean.view(-1, k, d), scale.view(-1, k, d).clamp(-7, 7)
        apart = (((z - self.mean) / self.std)[:, None] - mean) * (-scale).exp()
        density = -0.5 * apart.square() - scale - 0.5 * math.log(2 * math.pi)
        joint = weight.log_softmax(dim=1) + density.sum(dim=2)
        return self.std.log().sum() - joint.logsumexp(dim=1)

    def around(self, z: Float[Tensor, "n columns"]) -> Float[Tensor, " outputs"]:
        """Scores to start from: equal weights, deviations of 1, means that are random samples' targets."""
        drawn = torch.randint(len(z), (self.components,), device="cpu").to(z.device)
        means = ((z[drawn] - self.mean) / self.std).flatten()
        return torch.cat([means.new_zeros(self.components), means, torch.zeros_like(means)])
