"""The trained style generator is what its card says, draws people, and is made by the recipe on it."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from advnotes.data import portraits
from advnotes.generators import mix_styles
from advnotes.zoo import PortraitRecipe, play_portraits, portrait_styles, style_generator
from advnotes.zoo.portraits import LATENT, RECIPES

SMALL = PortraitRecipe(side=16, rounds=2, width=2, batch=4)


def drawn(network: torch.nn.Module, n: int = 200) -> torch.Tensor:
    with torch.no_grad():
        return network(torch.randn(n, LATENT, generator=torch.Generator().manual_seed(0)))


def test_it_draws_people_and_its_last_layer_colours_them() -> None:
    people, shown = portrait_styles(), portraits("train").images
    assert people.card["recipe"] == asdict(RECIPES["portrait_styles"])
    assert not people.training
    images = drawn(people)
    assert images.shape == (200, 3, 32, 32)
    assert images.min() >= 0
    assert images.max() <= 1
    nearest = torch.cdist(images.flatten(1), shown.flatten(1)).min(dim=1).values.median()
    apart = torch.cdist(shown.flatten(1), shown.flatten(1)).median()
    assert 0.1 * apart < nearest < 0.8 * apart  # off the emoji, and nearer than they are to each other
    with torch.no_grad():
        first, second = people.mapping(
            torch.randn(400, LATENT, generator=torch.Generator().manual_seed(1))
        ).chunk(2)
        own, other, mixed = (people.synthesis(mix_styles(first, second, k, 5)) for k in (5, 0, 4))
    faces = [x[:, :, 12:21, 12:21].mean(dim=(2, 3)) for x in (own, other, mixed)]
    assert (faces[2] - faces[1]).norm() < (faces[2] - faces[0]).norm()
    outlines = [(x.min(dim=1).values < 0.8).double() for x in (own, other, mixed)]
    assert (outlines[2] - outlines[0]).norm() < (outlines[2] - outlines[1]).norm()


def test_its_recipe_is_played_from_its_seed() -> None:
    rounds: list[int] = []

    def played(recipe: PortraitRecipe, **how: object) -> torch.Tensor:
        torch.manual_seed(recipe.seed)
        return drawn(play_portraits(style_generator(recipe), recipe, **how), 3)  # type: ignore[arg-type]

    first = played(SMALL, callbacks=[lambda state: rounds.append(state.step)], every=1)
    assert rounds == [1, 2]
    assert first.shape == (3, 3, 16, 16)
    assert torch.equal(first, played(SMALL))
    assert not torch.equal(first, played(replace(SMALL, seed=1)))


def test_without_noise_its_strength_stays_0_and_the_mapping_learns_at_its_own_rate() -> None:
    for noise in (False, True):
        torch.manual_seed(0)
        recipe = replace(SMALL, noise=noise, mapping_rate=0.0)
        network = style_generator(recipe)
        before = [p.detach().clone() for p in network.mapping.parameters()]
        play_portraits(network, recipe)
        strengths = [float(layer.noise.strength.detach()) for layer in network.synthesis.grow]  # type: ignore[union-attr, operator]
        assert all(strength != 0 for strength in strengths) == noise
        assert all(torch.equal(a, b) for a, b in zip(before, network.mapping.parameters(), strict=True))


def test_what_comes_back_are_the_averaged_weights_of_all_that_the_network_has() -> None:
    class Brighter(nn.Module):
        """A child that draws, and a parameter of its own."""

        def __init__(self) -> None:
            super().__init__()
            self.draw = style_generator(SMALL)
            self.bright = nn.Parameter(torch.zeros(()))

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return (self.draw(z) + self.bright).clamp(0, 1)

    for average in (0.0, 0.9):
        torch.manual_seed(0)
        network = Brighter()
        played = play_portraits(network, replace(SMALL, average=average))
        assert network.bright != 0
        now, averaged = (torch.cat([p.flatten() for p in net.parameters()]) for net in (network, played))
        assert torch.equal(now, averaged) == (average == 0.0)


def test_portraits_are_shown_mirrored_half_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from advnotes import data

    draws = []

    class Spied(data.Stream):  # type: ignore[misc, valid-type, name-defined]
        def __init__(self, draw: object, *sizes: int) -> None:
            draws.append(draw)
            super().__init__(draw, *sizes)

    monkeypatch.setattr(data, "Stream", Spied)
    play_portraits(style_generator(SMALL), SMALL)
    torch.manual_seed(0)
    drawn = draws[0](200).flatten(1)
    shown = torch.nn.functional.avg_pool2d(portraits("train").images, 2)
    as_it_is, mirrored = (
        torch.cdist(drawn, x.flatten(1)).min(dim=1).values < 0.05 for x in (shown, shown.flip(-1))
    )
    assert (as_it_is | mirrored).all()
    assert 0.3 < as_it_is.double().mean() < 0.95  # some people are their own mirror images
    assert 0.3 < mirrored.double().mean() < 0.95


@pytest.mark.parametrize("side", [4, 12, 64])
def test_sides_that_portraits_cannot_be_brought_to_are_told(side: int) -> None:
    with pytest.raises(ValueError, match="a side of 8, 16 or 32"):
        play_portraits(nn.Linear(1, 1), replace(SMALL, side=side))
