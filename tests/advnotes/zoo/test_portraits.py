"""The trained generator is what its card says, draws people, and is made by the recipe on it."""

from dataclasses import asdict

import pytest
import torch

from advnotes.data import portraits
from advnotes.zoo import PortraitRecipe, portrait_generator, train_portraits
from advnotes.zoo.portraits import LATENT, RECIPES


def drawn(network: torch.nn.Module, n: int = 200) -> torch.Tensor:
    with torch.no_grad():
        return network(torch.randn(n, LATENT, generator=torch.Generator().manual_seed(0)))


def test_it_draws_people_of_every_tone_and_copies_nobody() -> None:
    painter, shown = portrait_generator(), portraits("train")
    assert painter.card["recipe"] == asdict(RECIPES["portrait_generator"])
    assert not painter.training
    images = drawn(painter)
    assert images.shape == (200, 3, 32, 32)
    assert images.min() >= 0
    assert images.max() <= 1
    nearest = torch.cdist(images.flatten(1), shown.images.flatten(1)).min(dim=1)
    apart = torch.cdist(shown.images.flatten(1), shown.images.flatten(1)).median()
    assert (
        0.1 * apart < nearest.values.median() < 0.8 * apart
    )  # off the emoji, and nearer than they are to each other
    assert len(shown.tones[nearest.indices].unique()) == 6


def test_its_recipe_is_played_from_its_seed() -> None:
    recipe = PortraitRecipe(rounds=2, width=2)
    rounds: list[int] = []
    first = train_portraits(recipe, [lambda state: rounds.append(state.step)], 1)
    assert rounds == [1, 2]
    assert torch.equal(drawn(first, 3), drawn(train_portraits(recipe), 3))
    assert not torch.equal(
        drawn(first, 3), drawn(train_portraits(PortraitRecipe(seed=1, rounds=2, width=2)), 3)
    )


def test_latent_vectors_of_another_size_or_precision_are_told() -> None:
    drawing = portrait_generator()
    with pytest.raises(ValueError, match=r"expected latent vectors \[batch, 64\], got the shape \(2, 63\)"):
        drawing(torch.randn(2, 63))
    with pytest.raises(ValueError, match=r"inputs are .*float64, the model .*float32"):
        drawing(torch.randn(2, 64, dtype=torch.float64))
