"""A generator that has learnt to draw people, and how it is trained: chapter "What of all this is needed today?".

``artist = portrait_artist()`` maps latent vectors ``[batch, 64]`` to pictures ``[batch, 3, 32, 32]`` of people who are
not among the emoji that it was shown. ``python -m advnotes.artist`` trains it again, in some minutes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model
from advnotes.nets import conv_discriminator, conv_generator
from advnotes.zoo import read_weights, save_weights

__all__ = ["Artist", "Recipe", "portrait_artist", "portrait_game", "train"]

NAME = "portrait_artist"
LATENT = 64


@dataclass(frozen=True)
class Recipe:
    """How the generator is trained, on one thread: in minutes, not in a page's seconds."""

    seed: int = 0
    rounds: int = 2000
    width: int = 24
    gamma: float = 0.05
    every: int = 4
    rate: float = 2e-3
    average: float = 0.995


RECIPE = Recipe()


class Artist(nn.Module):
    """A trained generator with its card: recipe, data, and what was measured."""

    def __init__(self, network: nn.Module, card: dict[str, Any]) -> None:
        super().__init__()
        self.network, self.card = network, card

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch 3 32 32"]:
        """Pictures in [0, 1].

        Raises:
            ValueError: where the latent vectors are not of 64 numbers each, of the network's precision.
        """
        if z.ndim != 2 or z.shape[1] != LATENT:
            raise ValueError(f"expected latent vectors [batch, {LATENT}], got the shape {tuple(z.shape)}")
        return call_model(self.network, z)


def portrait_artist() -> Artist:
    """The trained generator of portraits, from the package; ``.card`` says how it was trained."""
    weights, card = read_weights(NAME)
    network = conv_generator(latent_size=LATENT, width=card["recipe"]["width"])
    network.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return Artist(network, card).eval()


def portrait_game(recipe: Recipe, callbacks: Sequence[Any] = (), every: int | None = None) -> nn.Module:
    """Play R3GAN's game on the portraits, mirrored half of the time; the generator's averaged weights.

    Args:
        recipe: width of the networks, rounds, and so on; the seed is set.
        callbacks: of :func:`advnotes.play`, called every ``every`` rounds.
        every: in rounds; None: at the end only.
    """
    from advnotes.data import Stream, portraits
    from advnotes.gan import R1, R2, RelativisticGAN
    from advnotes.loop import play
    from advnotes.seeds import seed_all

    people = portraits("train").images

    def draw(n: int) -> Tensor:
        images = people[torch.randint(len(people), (n,))]
        return torch.where(torch.rand(n, 1, 1, 1) < 0.5, images.flip(-1), images)

    def fade(t: int) -> float:
        return min(1.0, 2 * (1 - t / recipe.rounds))

    seed_all(recipe.seed)
    networks = conv_generator(latent_size=LATENT, width=recipe.width), conv_discriminator(width=recipe.width)
    penalties = [kind(recipe.gamma, every=recipe.every) for kind in (R1, R2)]
    game = RelativisticGAN(*networks, LATENT, penalties=penalties)
    optimizers = {
        name: torch.optim.Adam(player.parameters(), lr=recipe.rate, betas=(0.0, 0.99))
        for name, player in game.players.items()
    }
    schedules = {name: torch.optim.lr_scheduler.LambdaLR(o, fade) for name, o in optimizers.items()}
    history = play(
        game,
        Stream(draw, 64, recipe.rounds),
        optimizers,
        steps=recipe.rounds,
        schedules=schedules,
        ema={"generator": recipe.average},
        callbacks=callbacks,
        callback_every=every,
        progress=False,
    )
    return history.averages["generator"].eval()


def train(recipe: Recipe = RECIPE, callbacks: Sequence[Any] = (), every: int | None = None) -> Artist:
    """Train the generator on one thread, and save it in half precision."""
    from advnotes.seeds import stamp

    torch.set_num_threads(1)
    network = portrait_game(recipe, callbacks, every)
    card = {
        "name": NAME,
        "network": "conv_generator",
        "data": "advnotes.data.portraits, the 560 of its training split, mirrored half of the time",
        "game": "RelativisticGAN with R1 and R2: R3GAN's loss",
        "recipe": vars(recipe),
        "made with": stamp(),
    }
    save_weights(
        NAME, {name: weight.half().contiguous() for name, weight in network.state_dict().items()}, card
    )
    return portrait_artist()


if __name__ == "__main__":
    print(json.dumps(train().card, indent=2))
