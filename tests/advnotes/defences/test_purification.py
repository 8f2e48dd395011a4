"""Purifiers: what is on the way has the noise that it should, the walk is DDPM's own, and its gradient is whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advnotes.attacks import PGD
from advnotes.defences import DenoiseOnce, DiffPure, Purified
from advnotes.generators import DDPM, linear_betas
from advnotes.threats import Linf

BETAS = linear_betas(30).double()
SIGNAL = (1 - BETAS).cumprod(dim=0)


class Noise(nn.Module):
    """The noise in x_t where clean inputs have this mean and this spread, once they lie in [-1, 1]."""

    def __init__(self, mean: float, spread: float) -> None:
        super().__init__()
        self.mean, self.spread = mean, spread
        self.seen: list[tuple[int, Tensor]] = []

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.seen.append((int(t[0]), x.detach()))
        signal = SIGNAL[t].view(-1, *[1] * (x.ndim - 1))
        weight = signal.sqrt() * self.spread**2 / (signal * self.spread**2 + 1 - signal)
        clean = self.mean + weight * (x - signal.sqrt() * self.mean)
        return (x - signal.sqrt() * clean) / (1 - signal).sqrt()


def diffusion(mean: float = 0.2, spread: float = 0.0, width: int = 1) -> DDPM:
    return DDPM(Noise(mean, spread), BETAS, (width,))


def seen_by(model: DDPM) -> list[tuple[int, Tensor]]:
    assert isinstance(model.network, Noise)
    return model.network.seen


@pytest.mark.parametrize(("start", "passes"), [(12, 12), (12, 5), (12, 2), (12, 1), (30, 4), (1, 1)])
def test_what_is_on_the_way_has_the_signal_and_the_noise_of_its_step(start: int, passes: int) -> None:
    """Where the clean input is known and is what came in, x_t is N(sqrt(signal) x, 1 - signal) at each stop."""
    torch.manual_seed(0)
    model = diffusion(mean=0.2)
    x = torch.full((50_000, 1), 0.6).double()  # 0.2 in [-1, 1]
    assert torch.allclose(DiffPure(model, start, passes)(x), x)
    assert len(seen_by(model)) == passes
    assert seen_by(model)[0][0] == start - 1
    assert passes == 1 or seen_by(model)[-1][0] == 0
    for step, x_t in seen_by(model):
        assert abs(float(x_t.mean() - SIGNAL[step].sqrt() * 0.2)) < 0.03 * float((1 - SIGNAL[step]).sqrt())
        assert abs(float(x_t.var() / (1 - SIGNAL[step])) - 1) < 0.05


def test_with_all_passes_it_is_ddpms_own_walk_from_there() -> None:
    x = torch.rand(6, 3).double()
    model = diffusion(spread=0.5, width=3)
    torch.manual_seed(1)
    pure = DiffPure(model, start=9)(x)
    torch.manual_seed(1)
    step = torch.full((6,), 8)
    x_t = model.noisy(2 * x - 1, step, torch.randn_like(x))
    for k in reversed(range(1, 9)):
        t = torch.full((6,), k)
        mean, variance = model.posterior(model.clean_of(x_t, t), x_t, t)
        x_t = mean + variance.sqrt() * torch.randn_like(x)
    expected = (model.clean_of(x_t, torch.zeros(6, dtype=torch.long)) + 1) / 2
    assert torch.allclose(pure, expected.clamp(0, 1), atol=1e-12)


def test_denoising_once_shrinks_towards_the_mean_as_bayes_does() -> None:
    model, x = diffusion(mean=0.2, spread=0.5, width=3), torch.rand(6, 3).double()
    once = DenoiseOnce(model, start=10)
    signal = SIGNAL[9]
    # sqrt(signal) x without noise, read as if it had some: mean + w (sqrt(signal) x - sqrt(signal) mean)
    expected = 0.2 + signal * 0.25 / (signal * 0.25 + 1 - signal) * (2 * x - 1 - 0.2)
    assert torch.allclose(once(x), (expected + 1) / 2)
    assert torch.equal(once(x), once(x)), "it draws nothing"


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-2.0, 6.0)])
def test_sigma_is_the_noise_beside_the_input_in_its_units(bounds: tuple[float, float]) -> None:
    torch.manual_seed(0)
    model = diffusion()
    pure = DiffPure(model, start=8, passes=1, bounds=bounds)
    lowest, highest = bounds
    pure(torch.full((50_000, 1), lowest + 0.25 * (highest - lowest)).double())
    (step, x_t) = seen_by(model)[0]
    noise = (x_t / SIGNAL[step].sqrt()).std() * (highest - lowest) / 2
    assert abs(float(noise) / pure.sigma - 1) < 0.03
    assert DenoiseOnce(model, 8, bounds).sigma == pure.sigma


def test_it_works_in_any_range_and_stays_within_it() -> None:
    x = torch.rand(200, 3).double()
    unit, bytes_ = (DiffPure(diffusion(spread=0.9, width=3), 20, 4, (0.0, high)) for high in (1.0, 255.0))
    torch.manual_seed(2)
    small = unit(x)
    torch.manual_seed(2)
    assert torch.allclose(bytes_(255 * x), 255 * small)
    assert small.min() == 0, "some are clipped"
    assert small.max() == 1


def test_the_gradient_is_that_of_all_passes() -> None:
    model = Purified(nn.Linear(3, 2).double(), DiffPure(diffusion(spread=0.3, width=3), 12, 4))

    def answer(x: Tensor) -> Tensor:
        torch.manual_seed(3)  # the same draws
        return model(x)

    x = (0.3 + 0.4 * torch.rand(2, 3)).double().requires_grad_()
    assert torch.autograd.gradcheck(answer, (x,))


def test_it_draws_anew_and_leaves_the_input_as_it_is() -> None:
    torch.manual_seed(0)
    classifier = nn.Linear(3, 2).double()
    model = Purified(classifier, DiffPure(diffusion(spread=0.5, width=3), 9, 3)).eval()
    x = torch.rand(5, 3).double()
    before = x.clone()
    first, second = model(x), model(x)
    assert not torch.allclose(first, second)
    assert torch.equal(x, before)
    torch.manual_seed(4)
    inner = classifier(model.purifier(x))
    torch.manual_seed(4)
    assert torch.equal(model(x), inner)


def test_an_attack_takes_its_gradient_through_the_purifier() -> None:
    torch.manual_seed(0)
    classifier = nn.Linear(3, 2).double()
    model = Purified(classifier, DiffPure(diffusion(spread=0.5, width=3), 9, 3)).eval()
    x = torch.full((40, 3), 0.5).double()
    y = classifier(x).argmax(dim=1)
    moved = PGD(Linf(0.2), steps=5, best=False)(model, x, y, torch.Generator().manual_seed(0))
    towards = (classifier.weight[1 - y] - classifier.weight[y]).sign()
    assert ((moved - x).sign() == towards).double().mean() > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": 0}, "start"),
        ({"start": 31}, "at most the diffusion model's 30 steps, got 31"),
        ({"start": 2.5}, "start"),
        ({"start": 5, "passes": 6}, "passes must be at most start, 5, got 6"),
        ({"start": 5, "passes": 0}, "passes"),
        ({"start": 5, "bounds": (1, 0)}, "bounds"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_walked_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiffPure(diffusion(), **arguments)


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_diffusion_model_and_what_does_not_fit_it_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be an advnotes.generators.DDPM, got Noise"):
        DenoiseOnce(Noise(0.0, 1.0), 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected samples of the shape \(1,\), got \(2,\)"):
        DiffPure(diffusion(), 3)(torch.rand(4, 2).double())
    with pytest.raises(ValueError, match="floating point"):
        DiffPure(diffusion(), 3)(torch.zeros(4, 1, dtype=torch.uint8))
    with pytest.raises(ValueError, match="cannot be called"):
        Purified(nn.Linear(2, 2), 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"same shape, \(4, 2\), got \(4, 1\)"):
        Purified(nn.Linear(2, 2), lambda x: x[:, :1])(torch.rand(4, 2))
