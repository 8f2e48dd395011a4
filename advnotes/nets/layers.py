"""Layers of which networks are made: normalisation as a layer, a logit as two, a perceptron."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Normalize", "TwoLogits", "mlp"]


class Normalize(nn.Module):
    r""":math:`(x - \mu) / \sigma` for each channel, as the first layer of a model.

    Inside the model it cannot be forgotten, and an attack's ``eps`` keeps the unit of the pixels.

    Args:
        mean, std: one number for each channel.

    Raises:
        ValueError: where the two differ in length or a standard deviation is not positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or not all(s > 0 for s in std):
            raise ValueError(f"expected as many means as positive standard deviations, got {mean} and {std}")
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Normalise a batch of images."""
        return (x - self.mean) / self.std


class TwoLogits(nn.Module):
    r"""A binary model with one logit :math:`s` as one with two, :math:`(0, s)`: the same probabilities.

    .. math:: \mathrm{softmax}(0, s)_1 = \frac{1}{1 + e^{-s}}

    Args:
        model: returns ``[batch]`` or ``[batch, 1]``, the logit of class 1.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch 2"]:
        """The two logits of each sample.

        Raises:
            ValueError: where the model returns something else than one number for each sample.
        """
        logit = self.model(x)
        if logit.shape not in ((len(x),), (len(x), 1)):
            raise ValueError(
                f"expected one logit for each of {len(x)} samples, got shape {tuple(logit.shape)}: a model with a "
                "logit for each class needs no TwoLogits"
            )
        logit = logit.reshape(len(x))
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


def mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of the given sizes with an activation between them: ``mlp(2, 64, 1)`` has one hidden layer.

    Raises:
        ValueError: where there are fewer than two sizes.
    """
    if len(sizes) < 2:
        raise ValueError(f"an mlp wants at least an input and an output size, got {sizes}")
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes):
        layers += [nn.Linear(wide, narrow), activation()]
    return nn.Sequential(*layers[:-1])
