"""Generators that have learnt to draw people: chapters "What of all this is needed today?" and "Style".

``draw = portrait_generator()`` maps latent vectors ``[batch, 64]`` to pictures ``[batch, 3, 32, 32]`` in [0, 1] of
people who are not among the emoji that it was shown; ``people = portrait_styles()`` does it by way of
``people.mapping`` and ``people.synthesis``.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model
from advnotes.generators import StyleGenerator
from advnotes.nets import conv_discriminator, conv_generator
from advnotes.zoo.trained import Trained, read_weights, save_weights

__all__ = [
    "RECIPES",
    "PortraitGenerator",
    "PortraitRecipe",
    "PortraitStyles",
    "play_portraits",
    "portrait_generator",
    "portrait_styles",
    "style_generator",
    "train",
    "train_portraits",
]

LATENT = 64


@dataclass(frozen=True)
class PortraitRecipe:
    """How a generator is trained, on one thread: in minutes, not in a page's seconds.

    ``mixing``, ``noise`` and ``mapping_rate`` are for one with styles.
    """

    seed: int = 0
    side: int = 32
    rounds: int = 2000
    batch: int = 64
    width: int = 24
    mixing: float = 0.0
    noise: bool = False
    gamma: float = 0.05
    every: int = 4
    rate: float = 2e-3
    mapping_rate: float = 1.0
    average: float = 0.995


RECIPES = {
    "portrait_generator": PortraitRecipe(),
    "portrait_styles": PortraitRecipe(
        rounds=2400, batch=32, mixing=0.9, gamma=0.3, rate=4e-3, mapping_rate=0.1
    ),
}


class PortraitGenerator(Trained):
    """The trained generator with its card."""

    def forward(self, x: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch 3 32 32"]:
        """Pictures in [0, 1].

        Raises:
            ValueError: where the latent vectors are not of 64 numbers each, of the network's precision.
        """
        if x.ndim != 2 or x.shape[1] != LATENT:
            raise ValueError(f"expected latent vectors [batch, {LATENT}], got the shape {tuple(x.shape)}")
        return call_model(self.network, x)


class PortraitStyles(StyleGenerator):
    """The trained generator with styles, with its card."""

    card: dict[str, Any]


def portrait_generator() -> PortraitGenerator:
    """The trained generator of portraits, from the package; ``.card`` says how it was trained."""
    weights, card = read_weights("portrait_generator")
    network = plain_generator(PortraitRecipe(**card["recipe"]))
    network.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return PortraitGenerator(network, card).eval()


def portrait_styles() -> PortraitStyles:
    """The trained generator of portraits with styles, from the package; ``.card`` says how it was trained."""
    weights, card = read_weights("portrait_styles")
    recipe = card["recipe"]
    network = PortraitStyles((3, recipe["side"], recipe["side"]), LATENT, LATENT, recipe["width"])
    network.load_state_dict({name: weight.float() for name, weight in weights.items()})
    network.card = card
    return network.eval()


def plain_generator(recipe: PortraitRecipe) -> nn.Module:
    """The untrained generator of a recipe, without styles."""
    return conv_generator((3, recipe.side, recipe.side), latent_size=LATENT, width=recipe.width)


def style_generator(recipe: PortraitRecipe) -> StyleGenerator:
    """The untrained generator of a recipe; without noise its strengths stay 0."""
    shape = (3, recipe.side, recipe.side)
    network = StyleGenerator(shape, LATENT, LATENT, recipe.width, mixing=recipe.mixing)
    for layer in network.synthesis.grow:
        layer.noise.strength.requires_grad_(recipe.noise)  # type: ignore[union-attr]
    return network


def play_portraits(
    network: nn.Module, recipe: PortraitRecipe, callbacks: Sequence[Any] = (), every: int | None = None
) -> nn.Module:
    """Play R3GAN's game on the portraits, mirrored half of the time; the generator's averaged weights.

    Args:
        network: a generator of latent vectors ``[batch, 64]``; its child ``mapping``, where it has one, learns
            ``mapping_rate`` times as fast as the others.
        recipe: rounds, batch, and so on.
        callbacks: of :func:`advnotes.play`, called every ``every`` rounds.
        every: in rounds; None: at the end only.

    Raises:
        ValueError: where the recipe's side is not 8, 16 or 32.
    """
    if recipe.side not in (8, 16, 32):
        raise ValueError(f"expected a side of 8, 16 or 32, as the portraits have 32, got {recipe.side!r}")
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
    if own := list(network.parameters(recurse=False)):
        groups.append({"params": own, "lr": recipe.rate})
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


def train_portraits(
    recipe: PortraitRecipe, callbacks: Sequence[Any] = (), every: int | None = None
) -> nn.Module:
    """A generator without styles, trained from the recipe's seed: its averaged weights, in eval mode."""
    from advnotes.seeds import seed_all

    seed_all(recipe.seed)
    return play_portraits(plain_generator(recipe), recipe, callbacks, every)


def train(name: str) -> PortraitGenerator | PortraitStyles:
    """Train one of :data:`RECIPES` on one thread, and save it in half precision."""
    from advnotes.seeds import seed_all, stamp

    recipe = RECIPES[name]
    torch.set_num_threads(1)
    seed_all(recipe.seed)
    styled = name == "portrait_styles"
    network = play_portraits((style_generator if styled else plain_generator)(recipe), recipe)
    card = {
        "name": name,
        "network": "StyleGenerator" if styled else "conv_generator",
        "data": "advnotes.data.portraits, the 560 of its training split, mirrored half of the time",
        "game": "RelativisticGAN with R1 and R2: R3GAN's loss",
        "recipe": asdict(recipe),
        "made with": stamp(),
    }
    save_weights(
        name, {name: weight.half().contiguous() for name, weight in network.state_dict().items()}, card
    )
    return portrait_styles() if styled else portrait_generator()
