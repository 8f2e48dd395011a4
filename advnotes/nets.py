"""The small named networks that chapters use. Inputs are in their natural range; normalisation is a layer."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model
from advnotes.precision import at_least_float32, full_precision

__all__ = [
    "Normalize",
    "TwoLogits",
    "check_logit_network",
    "digit_discriminator",
    "digit_generator",
    "input_gradients",
    "madry_cnn",
    "mlp",
    "one_logit",
    "small_cnn",
]


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


def small_cnn(classes: int = 10) -> nn.Sequential:
    """For 28×28 digits: two strided 4×4 convolutions with 16 and 32 channels, 100 hidden units.

    166,406 parameters; an epoch of MNIST takes seconds on one thread. It is the network of Wong et al. 2020,
    section 5.1, with the digits normalised in front.
    """
    return nn.Sequential(
        Normalize([0.1307], [0.3081]),  # of MNIST's training digits
        nn.Conv2d(1, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 100),
        nn.ReLU(),
        nn.Linear(100, classes),
    )


def madry_cnn(classes: int = 10) -> nn.Sequential:
    """For 28×28 digits: the network of Madry et al. 2017, section 5.

    Two 5×5 convolutions with 32 and 64 channels, each followed by 2×2 max-pooling, and 1,024 hidden units.
    """
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 1024),
        nn.ReLU(),
        nn.Linear(1024, classes),
    )


def digit_generator(latent_size: int = 64, width: int = 512) -> nn.Sequential:
    """From a latent vector to a 28×28 digit in [0, 1]: two hidden layers with batch normalisation."""
    return nn.Sequential(
        nn.Linear(latent_size, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, 28 * 28),
        nn.Sigmoid(),
        nn.Unflatten(1, (1, 28, 28)),
    )


def digit_discriminator(width: int = 512) -> nn.Sequential:
    """From a 28×28 image in [0, 1] to one logit: real or generated. No normalisation across the batch.

    Its input is spread over [-1, 1] first.
    """
    return nn.Sequential(
        Normalize([0.5], [0.5]),
        nn.Flatten(),
        nn.Linear(28 * 28, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width // 2),
        nn.LeakyReLU(0.2),
        nn.Linear(width // 2, 1),
    )


def one_logit(network: Callable[[Tensor], Tensor], x: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
    """The one number that a discriminator or a domain head gives to each sample, from ``[batch, 1]`` or ``[batch]``.

    Half precision comes back as float32, in which losses are to be computed.

    Raises:
        ValueError: where it gives another number of them.
    """
    logits = call_model(network, x)
    if logits.numel() != len(x):
        raise ValueError(
            f"expected one logit for each of {len(x)} samples, got shape {tuple(logits.shape)}: end the network with "
            "one output"
        )
    return at_least_float32(logits.flatten())


def input_gradients(
    network: Callable[[Tensor], Tensor], x: Float[Tensor, "batch ..."]
) -> Float[Tensor, "batch features"]:
    r"""The gradient :math:`\nabla_x \ell(x)` of a discriminator's logit at each sample, as a row: what is penalised.

    Differentiable in the network's parameters, also inside ``torch.no_grad()``, and in full precision under autocast.
    Where the network normalises across the batch it is that of all samples' logits.

    Raises:
        ValueError: where the network does not give one logit to each sample.
    """
    with torch.enable_grad(), full_precision(x.detach()) as point:
        point.requires_grad_()
        (gradient,) = torch.autograd.grad(one_logit(network, point).sum(), point, create_graph=True)
        return gradient.flatten(1)


def check_logit_network(name: str, network: nn.Module, *, penalised: bool = False) -> None:
    """Refuse a discriminator whose output is no logit, or whose gradient cannot be penalised sample by sample.

    Args:
        name: of the network, for the message.
        network: its modules are looked at; what a ``forward`` computes by functions is not seen.
        penalised: whether a loss differentiates it in its input, or evaluates it on joined batches.

    Raises:
        ValueError: where it ends with a sigmoid or a softmax, or, with ``penalised``, has batch normalisation.
    """
    last = network
    while children := [
        child for child in last.children() if not isinstance(child, (nn.Flatten, nn.Identity))
    ]:
        if not isinstance(last, nn.Sequential) and len(children) > 1:
            break  # in which order they are called, only its forward knows
        last = children[-1]
    if isinstance(last, (nn.Sigmoid, nn.Hardsigmoid, nn.LogSigmoid, nn.Softmax, nn.LogSoftmax)):
        raise ValueError(
            f"the {name} ends with {type(last).__name__}, but a logit is wanted: leave that layer out, as the loss "
            "contains it"
        )
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if penalised and norms:
        raise ValueError(
            f"the {name} has {type(norms[0]).__name__}, by which a sample's gradient depends on the whole batch: this "
            "game wants one without normalisation across the batch, such as with nn.LayerNorm, nn.GroupNorm or "
            "nn.InstanceNorm2d in its place"
        )
