"""Hidden stripes against quadrature, dense perturbations, and an attack that knows the classifier."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import beta

from advnotes.attacks import PGD
from advnotes.defences import (
    HiddenStripes,
    Spikes,
    StripeClassifier,
    hardness,
    mean_even_power,
    stripe_errors,
    unit_directions,
)
from advnotes.threats import L2

SPIKES = Spikes(2, 0.05)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def a_task(n: int = 3, seed: int = 0, spikes: Spikes = SPIKES) -> HiddenStripes:
    return HiddenStripes(unit_directions(1, n, seeded(seed))[0], spikes)


def test_along_the_secret_there_are_spikes_and_across_it_a_gaussian() -> None:
    task = a_task()
    x, y = task.sample(20_000, seeded(1))
    along = x[:, 1:] @ task.direction
    to_spike = (along[:, None] - SPIKES.places.float()).abs()
    assert (to_spike.min(dim=1).values < 0.3).all()  # six widths
    assert torch.equal(SPIKES.spike_labels[to_spike.argmin(dim=1)], y)
    across = torch.linalg.cross(task.direction, unit_directions(1, 3, seeded(2))[0])
    seen = x[:, 1:] @ (across / across.norm())
    for label in (0, 1):
        part = seen[y == label].double()
        assert abs(part.mean().item()) < 0.05
        assert abs((part**2).mean().item() - 1) < 0.08
        assert (
            abs((part**4).mean().item() - 3) < 0.5
        )  # a Gaussian's, and not that of the spikes, which is 1 or 3


def test_the_hint_tells_the_label() -> None:
    x, y = a_task().sample(100, seeded())
    assert torch.equal(x[:, 0], 0.1 * (2.0 * y - 1))


def test_samples_come_from_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first, again = (a_task().sample(50, seeded(4)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert a_task().sample(1, seeded())[0].dtype == torch.float32


@pytest.mark.parametrize("cosine", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_what_a_query_sees_falls_with_the_power_of_the_cosine(order: int, cosine: float) -> None:
    """The mean of He along another direction, by quadrature of the Gaussian part and exact moments of the spikes."""
    spikes = Spikes(order, 0.1)
    nodes, shares = np.polynomial.hermite_e.hermegauss(40)
    he = np.zeros(2 * order + 1)
    he[-1] = 1 / math.sqrt(math.factorial(2 * order))
    means = []
    for label in (0, 1):
        mine = spikes.spike_labels == label
        total = 0.0
        for place, weight in zip(spikes.places[mine].tolist(), spikes.weights[mine].tolist(), strict=True):
            wide = math.sqrt(1 - cosine**2 + (cosine * spikes.width) ** 2)
            values = np.polynomial.hermite_e.hermeval(cosine * place + wide * nodes, he)
            total += weight * float(values @ shares) / float(shares.sum())
        means.append(total)
    assert means[1] - means[0] == pytest.approx(cosine ** (2 * order) * spikes.signal, abs=1e-9)


def test_a_sample_withstands_what_no_step_along_the_direction_changes() -> None:
    task = a_task()
    model, (x, y) = task.classifier(), task.sample(300, seeded(3))
    x = x + 0.3 * torch.randn(x.shape, generator=seeded(5))  # so that some are wrong and some are near a cut
    eps = 0.2
    right = torch.ones(len(x), dtype=torch.bool)
    for step in torch.linspace(-eps, eps, 401):
        moved = torch.cat([x[:, :1], x[:, 1:] + step * task.direction], dim=1)
        right &= model(moved).argmax(dim=1) == y
    known = model.withstands(x, y, eps)
    on_the_edge = (SPIKES.room(x[:, 1:] @ task.direction, y) - eps).abs() < 2e-3
    assert torch.equal(known | on_the_edge, right | on_the_edge)
    assert 0.1 < known.float().mean() < 0.9


def test_no_attack_gets_past_what_is_known() -> None:
    task = a_task()
    model, (x, y) = task.classifier(), task.sample(300, seeded(3))
    x = x + 0.3 * torch.randn(x.shape, generator=seeded(5))
    attack = PGD(L2(0.2), steps=20, bounds=(-50.0, 50.0))
    fooled = model(attack(model, x, y, generator=seeded())).argmax(dim=1) != y
    known = model.withstands(x, y, 0.2)
    assert not (fooled & known).any()
    assert (fooled | known).float().mean() > 0.95  # and it finds nearly everything that there is


def test_the_share_that_withstands_is_the_closed_form() -> None:
    spikes = Spikes(4, 0.06)
    task = a_task(4, spikes=spikes)
    x, y = task.sample(20_000, seeded(6))
    assert task.classifier().withstands(x, y, 0.15).float().mean().item() == pytest.approx(
        spikes.robust_accuracy(0.15), abs=0.015
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nothing_is_certified_of_a_number_that_is_none(value: float) -> None:
    task = a_task()
    x, y = task.sample(8, seeded())
    x[3, 2] = value
    with pytest.raises(ValueError, match="finite"):
        task.classifier().withstands(x, y, 0.1)
    with pytest.raises(ValueError, match="finite"):
        stripe_errors(x, y, task.direction[None], SPIKES)


def test_the_hint_does_not_move_the_classifier() -> None:
    task = a_task()
    x, _ = task.sample(20, seeded())
    other = torch.cat([-x[:, :1], x[:, 1:]], dim=1)
    assert torch.equal(task.classifier()(x), task.classifier()(other))


def test_errors_of_many_directions_are_those_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    task, directions = a_task(), unit_directions(30, 3, seeded(1))
    x, y = task.sample(40, seeded(2))
    each = torch.stack([~StripeClassifier(u, SPIKES).withstands(x, y, 0.1) for u in directions])
    monkeypatch.setattr(hardness, "CHUNK", 7 * len(x))  # seven directions at a time
    assert torch.equal(stripe_errors(x, y, directions, SPIKES, 0.1), each)
    assert (stripe_errors(x, y, directions, SPIKES, 0.1) >= stripe_errors(x, y, directions, SPIKES)).all()


@pytest.mark.parametrize("seed", range(3))
def test_few_samples_tell_the_secret_from_all_others(seed: int) -> None:
    n, spikes = 10, Spikes(4, 0.03)
    directions = unit_directions(2**n, n, seeded(seed))
    x, y = HiddenStripes(directions[77], spikes).sample(8 * n, seeded(seed + 10))
    assert stripe_errors(x, y, directions, spikes, 0.15).sum(dim=1).argmin() == 77


@pytest.mark.parametrize("power", [0, 2, 4, 8])
@pytest.mark.parametrize("n", [2, 3, 16])
def test_mean_power_is_that_of_the_beta_distribution(n: int, power: int) -> None:
    """The square of a coordinate of a uniform direction has the distribution Beta(1/2, (n - 1)/2)."""
    a, b = 0.5, (n - 1) / 2
    assert mean_even_power(n, power) == pytest.approx(beta(a + power / 2, b) / beta(a, b))


def test_on_a_line_every_direction_is_the_secret() -> None:
    assert mean_even_power(1, 8) == 1.0


def test_directions_have_length_one() -> None:
    directions = unit_directions(100, 5, seeded())
    assert torch.allclose(directions.norm(dim=1), torch.ones(100))
    assert directions.mean(dim=0).abs().max() < 0.2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: HiddenStripes(torch.ones(3), SPIKES), "length 1.*normalize"),
        (lambda: HiddenStripes(torch.tensor([math.nan, 0.0]), SPIKES), "length 1"),
        (lambda: HiddenStripes(torch.tensor([1.0, 0.0]), SPIKES, hint=-0.1), "hint"),
        (lambda: a_task().sample(0), "count"),
        (lambda: StripeClassifier(torch.zeros(2), SPIKES), "length 1"),
        (lambda: a_task().classifier()(torch.zeros(4, 3)), r"\[batch, 4\].*hint"),
        (lambda: a_task().classifier()(torch.zeros(4, 4, dtype=torch.float64)), "one dtype"),
        (lambda: stripe_errors(*a_task().sample(5), unit_directions(2, 4), SPIKES), r"\[batch, 5\]"),
        (lambda: stripe_errors(*a_task().sample(5), unit_directions(2, 3), SPIKES, -1.0), "eps"),
        (lambda: stripe_errors(*a_task().sample(5), torch.zeros(0, 3), SPIKES), r"\[candidates, n\]"),
        (lambda: mean_even_power(3, 3), "even"),
        (lambda: mean_even_power(0, 2), "n must"),
        (lambda: unit_directions(0, 2), "count"),
        (lambda: HiddenStripes(torch.tensor([1.0, 0.0]).half(), SPIKES), "half precision"),
        (lambda: HiddenStripes(torch.tensor([1.0, 0.0]).bfloat16(), SPIKES), "half precision"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: HiddenStripes([1.0, 0.0], SPIKES), "floating-point tensor.*list"),
        (lambda: HiddenStripes(torch.tensor([1, 0]), SPIKES), "floating-point tensor.*int64"),
        (lambda: HiddenStripes(torch.eye(2), SPIKES), r"shape \[n\].*\(2, 2\)"),
        (lambda: HiddenStripes(torch.tensor([1.0, 0.0]), 4), "Spikes"),
        (
            lambda: stripe_errors(torch.zeros(5, 4), torch.zeros(4).long(), unit_directions(2, 3), SPIKES),
            "5 inputs",
        ),
        (
            lambda: stripe_errors(torch.zeros(5, 4), torch.full((5,), 2), unit_directions(2, 3), SPIKES),
            "0 and 1",
        ),
        (lambda: a_task().classifier()(torch.zeros(4)), "hint"),
    ],
)
def test_input_of_the_wrong_kind_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
