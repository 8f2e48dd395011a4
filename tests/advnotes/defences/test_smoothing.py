"""Smoothing: the linear classifier's exact radius, how often a bound is wrong, abstention, and rounding."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import binom, binomtest, norm
from torch import nn

from advnotes.defences import ABSTAIN, Smoothed
from advnotes.defences.parts.binomial import clopper_pearson, unevenness


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def halfspace(distance: float, size: int = 12) -> tuple[nn.Linear, torch.Tensor]:
    """A linear classifier of two classes, and a sample of class 1 at a distance from its boundary."""
    torch.manual_seed(0)
    model = nn.Linear(size, 2).double()
    x = torch.rand(1, size, dtype=torch.float64)
    normal = (model.weight[1] - model.weight[0]).detach()
    at = (normal @ x[0] + model.bias[1] - model.bias[0]).detach() / normal.norm()
    return model, x + (distance - at) * normal / normal.norm()


def test_the_radius_of_a_linear_classifier_is_the_distance_to_its_boundary():
    model, x = halfspace(0.4)
    found = Smoothed(model, sigma=0.5, grid=2.0**-16).certify(x, n=100_000, generator=seeded())
    assert found.classes.tolist() == [1]
    p = norm.cdf(0.4 / 0.5)
    assert found.p_lower.item() == pytest.approx(p, abs=0.01)
    assert 0.37 < found.radius.item() < 0.4
    assert found.radius.item() == pytest.approx(0.5 * norm.ppf(found.p_lower.item()))


def test_the_bound_is_wrong_as_rarely_as_it_says():
    model, x = halfspace(0.3)
    smoothed = Smoothed(model, sigma=0.5, grid=2.0**-16)
    generator = seeded(3)
    runs = smoothed.certify(x.repeat(600, 1), n0=20, n=60, alpha=0.1, generator=generator)
    wrong = int((runs.radius > 0.3).sum())
    share = sum(  # its exact probability, in the discrete law of the counts
        binom.pmf(k, 60, norm.cdf(0.6)) for k in range(61)
        if 0.5 * norm.ppf(max(clopper_pearson(torch.tensor([k]), 60, 0.1).item(), 0.5)) > 0.3
    )  # fmt: skip
    assert share <= 0.1
    assert binomtest(wrong, 600, share).pvalue > 1e-6
    assert (runs.classes == ABSTAIN).double().mean() < 0.2


def test_it_abstains_on_the_boundary_and_answers_away_from_it():
    model, edge = halfspace(0.0)
    _, far = halfspace(-0.8)
    smoothed = Smoothed(model, sigma=0.5)
    x = torch.cat([edge, far])
    assert smoothed.predict(x, n=1000, generator=seeded()).tolist() == [ABSTAIN, 0]
    found = smoothed.certify(x, n=1000, generator=seeded())
    assert found.classes.tolist() == [ABSTAIN, 0]
    assert found.radius[0] == 0 < found.radius[1]


def test_the_class_is_the_majoritys_and_not_the_noiseless_one():
    def model(x: torch.Tensor) -> torch.Tensor:  # class 1 in a ball that noise hardly ever hits
        inside = (x.flatten(1) - 0.5).norm(dim=1) < 0.1
        return torch.stack([torch.zeros(len(x)), torch.where(inside, 1.0, -1.0)], dim=1)

    x = torch.full((1, 1, 4, 4), 0.5)
    assert model(x).argmax() == 1
    assert Smoothed(model, 0.25).predict(x, generator=seeded()).tolist() == [0]
    assert Smoothed(model, 0.25).certify(x, generator=seeded()).classes.tolist() == [0]


def test_where_all_agree_the_radius_is_the_largest_that_so_many_copies_allow():
    model = nn.Linear(4, 3)
    nn.init.zeros_(model.weight)
    model.bias.data = torch.tensor([0.0, 1.0, 0.0])
    found = Smoothed(model, 0.25).certify(torch.rand(2, 4), n=500, alpha=0.01, generator=seeded())
    expected = 0.25 * norm.ppf(0.01 ** (1 / 500))
    assert found.radius.tolist() == pytest.approx([expected, expected], rel=1e-6)


def test_more_samples_at_once_are_a_smaller_alpha():
    k = torch.tensor([90])
    assert clopper_pearson(k, 100, 0.001 / 100) < clopper_pearson(k, 100, 0.001)


@pytest.mark.parametrize("n", [1, 7, 100, 1000])
def test_the_bound_is_clopper_and_pearsons(n):
    k = torch.arange(0, n + 1, max(1, n // 10))
    theirs = [binomtest(int(i), n, alternative="greater").proportion_ci(0.99, "exact").low for i in k]
    torch.testing.assert_close(clopper_pearson(k, n, 0.01), torch.tensor(theirs, dtype=torch.float64))


def test_unevenness_is_the_two_sided_test():
    most, rest = torch.tensor([5, 60, 99, 100, 3]), torch.tensor([5, 40, 1, 0, 2])
    theirs = [binomtest(int(k), int(k + j)).pvalue for k, j in zip(most, rest, strict=True)]
    torch.testing.assert_close(unevenness(most, rest), torch.tensor(theirs, dtype=torch.float64))


@pytest.mark.parametrize(
    ("dtype", "fine"), [(torch.float32, 2.0**-27), (torch.float64, 2.0**-56)], ids=["float32", "float64"]
)
def test_the_model_cannot_read_the_point_from_the_last_bits(dtype: torch.dtype, fine: float):
    """A classifier that asks which point noise was added to: a certificate in plain arithmetic that is wrong."""

    def spy(x: torch.Tensor) -> torch.Tensor:  # 1/8 and a number of this dtype sum up to a multiple of this
        coarse = (x.double() / fine == (x.double() / fine).round()).all(dim=1)
        return torch.stack([~coarse, coarse], dim=1).float()

    x, black = torch.full((1, 64), 0.125, dtype=dtype), torch.zeros(1, 64, dtype=dtype)
    noise = 0.5 * torch.randn(4000, 64, dtype=dtype, generator=seeded())
    naive = [spy(point + noise).argmax(dim=1).bincount(minlength=2) for point in (x, black)]
    radius = 0.5 * norm.ppf(clopper_pearson(naive[0][1:], 4000, 0.001).item())
    assert radius > 1.4 * (x - black).norm().item()  # what plain sums certify for class 1 ...
    assert naive[1].argmax() == 0  # ... and a point well inside, which has another class

    smoothed = Smoothed(spy, 0.5)
    both = smoothed.certify(torch.cat([x, black]), n=1000, generator=seeded())
    assert both.classes[0] == both.classes[1]


def test_the_generator_alone_decides_and_the_model_stays_as_it_was():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 3)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.rand(3, 4)
    torch.manual_seed(0)
    state, copy = torch.get_rng_state(), x.clone()
    first, second = (
        Smoothed(model, 0.5, batch_size=1000).counts(x, 101, generator=seeded()) for _ in range(2)
    )
    assert torch.equal(first, second)
    assert first.sum(dim=1).tolist() == [101] * 3
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, copy)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_answers_that_are_not_finite_count_for_nobody():
    def model(x: torch.Tensor) -> torch.Tensor:
        logits = torch.stack([torch.ones(len(x)), torch.zeros(len(x))], dim=1)
        return logits.masked_fill(x[:, :1] > 0.5, torch.nan)

    x = torch.full((1, 4), 0.5)
    counts = Smoothed(model, 0.5).counts(x, 1000, generator=seeded())
    assert counts[0, 1] == 0
    assert 400 < counts[0, 0] < 600
    assert Smoothed(model, 0.5).certify(x, n=1000, generator=seeded()).classes.tolist() == [ABSTAIN]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sigma": 0.0}, "sigma must be a finite number above 0"),
        ({"grid": 0.01}, "grid must be a power of 2"),
        ({"grid": 1.0}, "not above sigma=0.5"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"model": 3}, "maps inputs to logits"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_options_are_told(options, says):
    with pytest.raises(ValueError, match=says):
        Smoothed(**({"model": nn.Linear(4, 3), "sigma": 0.5} | options))


@pytest.mark.parametrize(
    ("x", "options", "says"),
    [
        (torch.rand(4), {}, "batch of at least one"),
        (torch.zeros(2, 4, dtype=torch.uint8), {}, "x.float\\(\\) / 255"),
        (torch.full((2, 4), torch.nan), {}, "finite"),
        (torch.rand(2, 4), {"n": 0}, "n must be a whole number"),
        (torch.rand(2, 4), {"alpha": 0.7}, "alpha must be a finite number"),
        (torch.rand(2, 4).double(), {}, "float32"),
        (torch.rand(2, 4), {"generator": 3}, "generator must be a torch.Generator or None, got int"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_inputs_are_told(x, options, says):
    for method in ("predict", "certify"):
        with pytest.raises(ValueError, match=says):
            getattr(Smoothed(nn.Linear(4, 3), 0.5), method)(x, **options)
