"""The trained diffusion model is what its card says, knows digits at every noise, and is made by the recipe on it."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from advnotes.data import mnist
from advnotes.generators import linear_betas
from advnotes.zoo import DiffusionRecipe, DigitDenoiser, mnist_diffusion, train_diffusion
from advnotes.zoo.diffusion import MEAN, RECIPES, SPREAD

SMALL = DiffusionRecipe(rounds=3, width=4, channels=2, batch=8, steps=30)


@torch.no_grad()
def test_it_is_what_its_card_says() -> None:
    model = mnist_diffusion()
    assert model.card["recipe"] == asdict(RECIPES["mnist_diffusion"])
    assert not model.training
    torch.manual_seed(7)
    loss = float(model.network_loss(2 * mnist("test", 2000)[0] - 1))
    assert abs(loss / model.card["loss on the test digits"] - 1) < 0.05


@torch.no_grad()
@pytest.mark.parametrize("step", [2, 8, 13, 25])
def test_it_cleans_better_than_the_best_that_can_be_said_of_a_pixel_alone(step: int) -> None:
    """Least squares, pixel by pixel: the error s^2 n / (signal s^2 + n), with the noise's variance n = 1 - signal."""
    torch.manual_seed(0)
    model = mnist_diffusion()
    clean = 2 * mnist("test", 1000)[0] - 1
    t = torch.full((1000,), step)
    error = (model.clean_of(model.noisy(clean, t, torch.randn_like(clean)), t) - clean).square().mean()
    noise = 1 - model.signal[step]
    alone = SPREAD**2 * noise / (model.signal[step] * SPREAD**2 + noise)
    assert error < 0.8 * alone


@torch.no_grad()
def test_a_denoiser_whose_networks_are_silent_is_the_best_for_a_pixel_alone() -> None:
    """Pixels of mean MEAN and variance SPREAD^2: least squares on x_t, pixel by pixel."""
    torch.manual_seed(0)
    betas = linear_betas(30)
    denoiser = DigitDenoiser(betas, 4, 2)
    for parameter in denoiser.parameters():
        parameter.zero_()
    step, signal = 9, (1 - betas).cumprod(dim=0)[9]
    clean = MEAN + SPREAD * torch.randn(400, 1, 28, 28)
    x_t = signal.sqrt() * clean + (1 - signal).sqrt() * torch.randn_like(clean)
    noise = denoiser(x_t, torch.full((400,), step))
    guess = (x_t - (1 - signal).sqrt() * noise) / signal.sqrt()
    slope = torch.cov(torch.stack([x_t.flatten(), clean.flatten()]))
    expected = clean.mean() + slope[0, 1] / slope[0, 0] * (x_t - x_t.mean())
    assert (guess - expected).abs().max() < 0.02


def test_no_digits_are_cleaned_to_no_digits() -> None:
    model = mnist_diffusion()
    none = torch.zeros(0, 1, 28, 28)
    assert model.clean_of(none, torch.zeros(0, dtype=torch.long)).shape == none.shape


def test_its_recipe_is_played_from_its_seed() -> None:
    rounds: list[int] = []

    def weight(recipe: DiffusionRecipe, **how: object) -> torch.Tensor:
        model = train_diffusion(recipe, **how)  # type: ignore[arg-type]
        assert model.steps == 30
        return torch.nn.utils.parameters_to_vector(model.parameters()).detach()

    first = weight(SMALL, callbacks=[lambda state: rounds.append(state.step)], every=1)
    assert rounds == [1, 2, 3]
    assert torch.equal(first, weight(SMALL))
