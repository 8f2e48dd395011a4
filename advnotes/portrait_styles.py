"""A small StyleGAN that has learnt to draw people, and how it is trained: chapter "Coarse styles and fine styles".

``people = portrait_styles()`` is a :class:`~advnotes.generators.StyleGenerator` of pictures ``[batch, 3, 32, 32]`` with
``people.mapping`` and ``people.synthesis``. ``python -m advnotes.portrait_styles`` trains it again, in some minutes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advnotes.generators import StyleGenerator
from advnotes.nets import conv_discriminator
from advnotes.zoo import read_weights, save_weights

__all__ = ["PortraitStyles", "Recipe", "play_portraits", "portrait_styles", "style_generator", "train"]

NAME = "portrait_styles"
LATENT = 64


@dataclass(frozen=True)
class Recipe:
    """How the generator is trained, on one thread: in minutes, not in a page's seconds."""

    seed: int = 0
    side: int = 32
    rounds: int = 2400
    batch: int = 32
    width: int = 24
    mixing: float = 0.9
    noise: bool = False
    gamma: float = 0.3
    every: int = 4
    rate: float = 4e-3
    mapping_rate: float = 0.1
    average: float = 0.995


RECIPE = Recipe()


class PortraitStyles(StyleGenerator):
    """The trained generator with its card: recipe and data."""

    card: dict[str, Any]


def portrait_styles() -> PortraitStyles:
    """The trained generator of portraits, from the package; ``.card`` says how it was trained."""
    weights, card = read_weights(NAME)
    recipe = card["recipe"]
    network = PortraitStyles((3, recipe["side"], recipe["side"]), LATENT, LATENT, recipe["width"])
    network.load_state_dict({name: weight.float() for name, weight in weights.items()})
    network.card = card
    return network.eval()


def style_generator(recipe: Recipe) -> StyleGenerator:
    """The untrained generator of a recipe; without noise its strengths stay 0."""
    shape = (3, recipe.side, recipe.side)
    network = StyleGenerator(shape, LATENT, LATENT, recipe.width, mixing=recipe.mixing)
    for layer in network.synthesis.grow:
        layer.noise.strength.requires_grad_(recipe.noise)  # type: ignore[union-attr]
    return network


def play_portraits(
    network: nn.Module, recipe: Recipe, callbacks: Sequence[Any] = (), every: int | None = None
) -> nn.Module:
    """Play R3GAN's game on the portraits, mirrored half of the time; the generator's averaged weights.

    Args:
        network: a generator of latent vectors ``[batch, 64]``; its child ``mapping``, where it has one, learns
            ``mapping_rate`` times as fast as the others.
        recipe: rounds, batch, and so on.
        callbacks: of :func:`advnotes.play`, called every ``every`` rounds.
        every: in rounds; None: at the end only.
    """
    from advnotes.data import Stream, portraits
    from advnotes.gan import R1, R2, RelativisticGAN
    from advnotes.loop import play

    people = F.avg_pool2d(portraits("train").images, 32 // recipe.side)

    def draw(n: int) -> Tensor:
        images = people[torch.randint(len(people), (n,))]
        return torch.where(torch.rand(n, 1, 1, 1) < 0.5, images.flip(-1), images)

    def fade(t: int) -> float:
        return min(1.0, 2 * (1 - t / recipe.rounds))

    critic = conv_discriminator((3, recipe.side, recipe.side), recipe.width)
    game = RelativisticGAN(
        network, critic, LATENT, penalties=[kind(recipe.gamma, every=recipe.every) for kind in (R1, R2)]
    )
    rates = {"mapping": recipe.rate * recipe.mapping_rate}
    groups = [
        {"params": list(part.parameters()), "lr": rates.get(name, recipe.rate)}
        for name, part in network.named_children()
    ]
    parameters: dict[str, Any] = {"generator": groups, "discriminator": critic.parameters()}
    optimizers = {
        name: torch.optim.Adam(params, lr=recipe.rate, betas=(0.0, 0.99))
        for name, params in parameters.items()
    }
    history = play(
        game,
        Stream(draw, recipe.batch, recipe.rounds),
        optimizers,
        steps=recipe.rounds,
        schedules={name: torch.optim.lr_scheduler.LambdaLR(o, fade) for name, o in optimizers.items()},
        ema={"generator": recipe.average},
        callbacks=callbacks,
        callback_every=every,
        progress=False,
    )
    return history.averages["generator"].eval()


def train(recipe: Recipe = RECIPE, callbacks: Sequence[Any] = (), every: int | None = None) -> PortraitStyles:
    """Train the generator on one thread, and save it in half precision."""
    from advnotes.seeds import seed_all, stamp

    torch.set_num_threads(1)
    seed_all(recipe.seed)
    network = play_portraits(style_generator(recipe), recipe, callbacks, every)
    card = {
        "name": NAME,
        "network": "StyleGenerator",
        "data": "advnotes.data.portraits, the 560 of its training split, mirrored half of the time",
        "game": "RelativisticGAN with R1 and R2: R3GAN's loss",
        "recipe": vars(recipe),
        "made with": stamp(),
    }
    save_weights(
        NAME, {name: weight.half().contiguous() for name, weight in network.state_dict().items()}, card
    )
    return portrait_styles()


if __name__ == "__main__":
    print(json.dumps(train().card, indent=2))
