"""A diffusion model of handwritten digits: chapter "Can a generator wash an attack away?" purifies with it.

``model = mnist_diffusion()`` is a :class:`~advnotes.generators.DDPM` of 50 steps, on digits
``[batch, 1, 28, 28]`` spread over [-1, 1].
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.generators.diffusion import DDPM, linear_betas
from advnotes.nets import mlp
from advnotes.zoo.trained import read_weights, save_weights

__all__ = [
    "RECIPES",
    "DiffusionRecipe",
    "DigitDenoiser",
    "DigitDiffusion",
    "mnist_diffusion",
    "train",
    "train_diffusion",
]

SIDE, SQUARE, WAVES = 28, 4, 8

#: Mean and standard deviation of the training digits' pixels, spread over [-1, 1].
MEAN, SPREAD = 2 * 0.1307 - 1, 2 * 0.3081


@dataclass(frozen=True)
class DiffusionRecipe:
    """How the diffusion model is trained, on one thread: in minutes, not in a page's seconds."""

    seed: int = 0
    steps: int = 50
    rounds: int = 14_000
    batch: int = 128
    width: int = 144
    channels: int = 32
    rate: float = 2e-3


RECIPES = {"mnist_diffusion": DiffusionRecipe()}


class DigitDenoiser(nn.Module):
    r"""The noise in :math:`x_t`, by way of a guess at the digit: the best for a pixel alone, and what the others add.

    With :math:`\mu` and :math:`s^2` the mean and variance of all pixels and
    :math:`v = \bar\alpha_t s^2 + 1 - \bar\alpha_t`:

    .. math::
        \hat x_0 = \mu + \frac{\sqrt{\bar\alpha_t}\, s^2}{v} (x_t - \sqrt{\bar\alpha_t}\, \mu)
            + \sqrt{\frac{1 - \bar\alpha_t}{v}}\, s\, h(x_t / \sqrt v, t), \qquad
        \hat\varepsilon = \frac{x_t - \sqrt{\bar\alpha_t}\, \hat x_0}{\sqrt{1 - \bar\alpha_t}}

    :math:`h` is a perceptron, which sees the whole digit, plus two convolutions over squares of 4×4 pixels, which see
    what is near. Both are told the step by sines and cosines. Their answer is scaled as Karras et al. 2022 do: with
    little noise the guess is nearly what came in.

    Args:
        betas: the diffusion model's, as :func:`advnotes.generators.linear_betas` gives them.
        width: of the perceptron's two hidden layers.
        channels: between the convolutions.
    """

    signal: Tensor
    waves: Tensor

    def __init__(self, betas: Float[Tensor, " steps"], width: int, channels: int) -> None:
        super().__init__()
        self.whole = mlp(SIDE**2 + 2 * WAVES, width, width, SIDE**2)
        self.look = nn.Conv2d(SQUARE**2, channels, 3, padding=1)
        self.when = nn.Linear(2 * WAVES, channels)
        self.draw = nn.Conv2d(channels, SQUARE**2, 3, padding=1)
        t = torch.linspace(0, 2 * math.pi, len(betas))[:, None]
        waves = [wave(2 ** (k / 2 - 0.5) * t) for k in range(WAVES) for wave in (torch.sin, torch.cos)]
        self.register_buffer("signal", (1 - betas.double()).cumprod(dim=0).to(betas), persistent=False)
        self.register_buffer("waves", torch.cat(waves, dim=1).to(betas), persistent=False)

    def forward(
        self, x: Float[Tensor, "batch 1 28 28"], t: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch 1 28 28"]:
        """The guess at the noise."""
        if len(x) == 0:  # which pixel_unshuffle leaves as it is
            return x
        signal = self.signal[t].view(-1, 1, 1, 1)
        noise, size = 1 - signal, signal * SPREAD**2 + 1 - signal
        scaled, waves = x / size.sqrt(), self.waves[t]
        whole = self.whole(torch.cat([scaled.flatten(1), waves], dim=1)).view_as(x)
        seen = self.look(F.pixel_unshuffle(scaled, SQUARE)) + self.when(waves)[:, :, None, None]
        near = F.pixel_shuffle(self.draw(seen.relu()), SQUARE)
        linear = MEAN + signal.sqrt() * SPREAD**2 / size * (x - signal.sqrt() * MEAN)
        guess = linear + (noise / size).sqrt() * SPREAD * (whole + near)
        return (x - signal.sqrt() * guess) / noise.sqrt()


class DigitDiffusion(DDPM):
    """The trained diffusion model, with its card."""

    card: dict[str, Any]


def mnist_diffusion() -> DigitDiffusion:
    """The trained diffusion model of digits, from the package; ``.card`` says how it was trained."""
    weights, card = read_weights("mnist_diffusion")
    model = untrained(DiffusionRecipe(**card["recipe"]))
    model.network.load_state_dict({name: weight.float() for name, weight in weights.items()})
    model.card = card
    return model.eval()


def untrained(recipe: DiffusionRecipe) -> DigitDiffusion:
    """The diffusion model of a recipe, as it begins."""
    betas = linear_betas(recipe.steps)
    return DigitDiffusion(DigitDenoiser(betas, recipe.width, recipe.channels), betas, (1, SIDE, SIDE))


def train_diffusion(
    recipe: DiffusionRecipe, callbacks: Sequence[Any] = (), every: int | None = None
) -> DigitDiffusion:
    """Train a diffusion model on MNIST from the recipe's seed, and put it in eval mode.

    Args:
        recipe: rounds, batch, and so on.
        callbacks: of :func:`advnotes.play`, called every ``every`` rounds.
        every: in rounds; None: at the end only.
    """
    from advnotes.data import Stream, mnist
    from advnotes.loop import play
    from advnotes.seeds import seed_all

    seed_all(recipe.seed)
    digits = 2 * mnist("train")[0] - 1
    model = untrained(recipe)
    optimizer = torch.optim.Adam(model.network.parameters(), lr=recipe.rate, fused=True)

    def fade(t: int) -> float:
        return min(1.0, 2 * (1 - t / recipe.rounds))

    play(
        model,
        Stream(lambda n: digits[torch.randint(len(digits), (n,))], recipe.batch, recipe.rounds),
        optimizer,
        steps=recipe.rounds,
        schedules=torch.optim.lr_scheduler.LambdaLR(optimizer, fade),
        callbacks=callbacks,
        callback_every=every,
        progress=False,
    )
    return model.eval()


def train(name: str) -> DigitDiffusion:
    """Train one of :data:`RECIPES` on one thread, and save it in half precision."""
    from advnotes.data import mnist
    from advnotes.seeds import seed_all, stamp

    recipe = RECIPES[name]
    torch.set_num_threads(1)
    model = train_diffusion(recipe)
    seed_all(recipe.seed)
    with torch.no_grad():
        loss = float(model.network_loss(2 * mnist("test")[0] - 1))
    card = {
        "name": name,
        "network": "DigitDenoiser",
        "data": "MNIST, the first 55,000 training digits",
        "game": "DDPM",
        "recipe": asdict(recipe),
        "loss on the test digits": loss,
        "made with": stamp(),
    }
    weights = {name: weight.half().contiguous() for name, weight in model.network.state_dict().items()}
    save_weights(name, weights, card)
    return mnist_diffusion()
