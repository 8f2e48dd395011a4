"""Projections, samples and steepest steps of the threats, against definitions and other solvers."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.optimize import minimize

from advnotes.threats import L1, L2, Linf, check_threat

THREATS = [Linf, L2, L1]
threats = st.sampled_from(THREATS)
seeds = st.integers(0, 2**32)
radii = st.floats(0.01, 5)


def batch(seed: int, scale: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(5, 2, 7, generator=generator, dtype=torch.float64)


@given(threats, seeds, radii)
def test_projection_is_inside_idempotent_and_keeps_what_is_inside(kind, seed, eps):
    threat, delta = kind(eps), batch(seed)
    projected = threat.project(delta)
    assert (threat.norm(projected) <= eps * (1 + 1e-9)).all()
    torch.testing.assert_close(threat.project(projected), projected)
    inside = delta * (0.99 * eps / threat.norm(delta)).view(-1, 1, 1)
    torch.testing.assert_close(threat.project(inside), inside)


@given(threats, seeds, radii)
def test_projection_does_not_move_points_apart(kind, seed, eps):
    threat, one, other = kind(eps), batch(seed), batch(seed + 1)
    before = (one - other).flatten(1).norm(dim=1)
    after = (threat.project(one) - threat.project(other)).flatten(1).norm(dim=1)
    assert (after <= before + 1e-9).all()


@given(threats, seeds, radii)
def test_the_point_inside_ball_and_range_is_inside_both_and_keeps_what_is_inside(kind, seed, eps):
    threat, point = kind(eps), batch(seed)
    x = batch(seed + 1).clamp(0, 1)  # most coordinates at an end of the range
    inside = threat.nearest(point, x, (0.0, 1.0))
    assert (threat.norm(inside - x) <= eps * (1 + 1e-9)).all()
    assert inside.min() >= 0
    assert inside.max() <= 1
    torch.testing.assert_close(threat.nearest(inside, x, (0.0, 1.0)), inside)


@given(seeds, st.floats(0.05, 3))
@settings(max_examples=30)
def test_in_l1_it_is_the_nearest_point_of_ball_and_range(seed, eps):
    """Against a general solver, which sees the change as what is added minus what is taken away."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(1, 6, generator=generator, dtype=torch.float64)
    x[0, 0], x[0, 1] = 0, 1
    point = x + torch.randn(1, 6, generator=generator, dtype=torch.float64)
    start, wanted = x[0].numpy(), point[0].numpy()

    def apart(v):
        return start + v[:6] - v[6:] - wanted

    solved = minimize(
        lambda v: (apart(v) ** 2).sum(),
        np.zeros(12),
        jac=lambda v: np.concatenate([2 * apart(v), -2 * apart(v)]),
        bounds=[*((0, 1 - s) for s in start), *((0, s) for s in start)],
        constraints={"type": "ineq", "fun": lambda v: eps - v.sum(), "jac": lambda v: -np.ones(12)},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    ours = L1(eps).nearest(point, x, (0.0, 1.0))
    np.testing.assert_allclose(ours[0].numpy(), start + solved.x[:6] - solved.x[6:], atol=1e-6)


def test_in_l1_cutting_off_after_the_projection_gives_away_a_part_of_eps():
    x, point = torch.tensor([[0.9, 0.5, 0.5]]), torch.tensor([[1.9, 1.0, 0.5]])
    # By hand: the first coordinate arrives after 0.1, the second gets what is left.
    torch.testing.assert_close(L1(0.4).nearest(point, x, (0.0, 1.0)), torch.tensor([[1.0, 0.8, 0.5]]))
    cut_off = (x + L1(0.4).project(point - x)).clamp(0, 1)
    torch.testing.assert_close(cut_off, torch.tensor([[1.0, 0.5, 0.5]]))
    each = L1(torch.tensor([0.4, float("inf")])).nearest(point.repeat(2, 1), x.repeat(2, 1), (0.0, 1.0))
    torch.testing.assert_close(each, torch.tensor([[1.0, 0.8, 0.5], [1.0, 1.0, 0.5]]))


@pytest.mark.parametrize("kind", THREATS)
def test_projection_is_the_nearest_point(kind):
    threat, delta = kind(1.0), torch.tensor([[2.0, -0.5, 0.9]], dtype=torch.float64)
    nearest = minimize(
        lambda v: ((v - delta[0].numpy()) ** 2).sum(),
        np.full(3, 0.01),
        constraints={"type": "ineq", "fun": lambda v: 1 - threat.norm(torch.tensor(v)[None]).item()},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    np.testing.assert_allclose(threat.project(delta)[0].numpy(), nearest.x, atol=2e-3)


def test_l1_projection_is_euclidean_and_of_each_sample():
    delta = torch.tensor([[3.0, 1.0, 0.0], [0.5, -0.5, 0.0]])
    projected = L1(2.0).project(delta)
    torch.testing.assert_close(projected, torch.tensor([[2.0, 0.0, 0.0], [0.5, -0.5, 0.0]]))
    many = batch(0).float()
    alone = torch.cat([L1(2.0).project(sample[None]) for sample in many])
    torch.testing.assert_close(L1(2.0).project(many), alone, rtol=0, atol=0)


@given(threats, seeds, radii)
@settings(max_examples=30)
def test_sixteen_samples_are_brought_back_as_each_of_them_alone(kind, seed, eps):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(16, 2, 7, generator=generator)
    point = x + torch.randn(16, 2, 7, generator=generator) * torch.logspace(-2, 1, 16).view(-1, 1, 1)
    threat = kind(eps)
    for bring in (threat.nearest, lambda p, x, bounds: threat.back_into(x, bounds)(p.clone())):
        together = bring(point, x, (0.0, 1.0))
        alone = torch.cat([bring(p[None], c[None], (0.0, 1.0)) for p, c in zip(point, x, strict=True)])
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)


@given(threats, seeds, radii)
def test_samples_lie_in_the_ball_and_reach_its_outer_half(kind, seed, eps):
    threat = kind(eps)
    sample = threat.sample(batch(0), torch.Generator().manual_seed(seed))
    norm = threat.norm(sample)
    assert (norm <= eps * (1 + 1e-9)).all()
    assert (norm > eps / 2).any()


@pytest.mark.parametrize("kind", THREATS)
@pytest.mark.parametrize("seeded", [False, True])
def test_samples_are_uniform(kind, seeded):
    # In two dimensions the share inside half the radius is a quarter of the volume, in every norm.
    like = torch.zeros(20_000, 2)
    source = torch.arange(20_000) if seeded else torch.Generator().manual_seed(0)
    sample = kind(2.0).sample(like, source)
    assert abs((kind(2.0).norm(sample) <= 1.0).float().mean() - 0.25) < 0.015
    assert sample.mean(dim=0).abs().max() < 0.03
    quadrants = ((sample > 0).long() * torch.tensor([1, 2])).sum(dim=1).bincount()
    assert (quadrants / 20_000 - 0.25).abs().max() < 0.015


@given(threats, seeds)
@settings(max_examples=50)
def test_no_direction_in_the_ball_gains_more_than_the_steepest(kind, seed):
    threat = kind(1.0, share=1e-9) if kind is L1 else kind(1.0)
    gradient = batch(seed)
    best = (threat.steepest(gradient) * gradient).flatten(1).sum(dim=1)
    other = threat.sample(gradient, torch.Generator().manual_seed(seed))
    assert ((other * gradient).flatten(1).sum(dim=1) <= best + 1e-9).all()
    torch.testing.assert_close(threat.norm(threat.steepest(gradient)), torch.ones(5, dtype=torch.float64))


def test_dual_norms_of_a_known_gradient():
    gradient = torch.tensor([[3.0, -4.0], [0.0, 0.0], [0.0, 1.0]])
    for threat, expected in ((Linf(0.1), [7, 0, 1]), (L2(0.1), [5, 0, 1]), (L1(0.1), [4, 0, 1])):
        torch.testing.assert_close(threat.dual_norm(gradient), torch.tensor(expected).float())


@given(threats, seeds)
def test_the_dual_norm_is_the_most_that_the_ball_gains(kind, seed):
    gradient, threat = batch(seed), kind(1.0)
    most = threat.dual_norm(gradient)
    best = (L1(1.0, share=1e-6) if kind is L1 else threat).steepest(gradient)
    torch.testing.assert_close((gradient * best).flatten(1).sum(dim=1), most)
    other = threat.sample(gradient, torch.Generator().manual_seed(seed))
    assert ((gradient * other).flatten(1).sum(dim=1) <= most + 1e-12).all()


@pytest.mark.parametrize("kind", THREATS)
def test_the_dual_norm_of_nothing_has_no_slope(kind):
    gradient = torch.zeros(2, 3, requires_grad=True)
    (slope,) = torch.autograd.grad(kind(1.0).dual_norm(gradient).sum(), gradient)
    assert torch.equal(slope, torch.zeros(2, 3))


def test_a_number_is_no_threat():
    check_threat(L2(0.3))
    with pytest.raises(ValueError, match=r"Linf\(8 / 255\), got 0\.3"):
        check_threat(0.3)


def test_the_steepest_step_of_l1_is_not_that_of_l2():
    gradient = torch.tensor([[3.0, 4.0, 0.0]])
    torch.testing.assert_close(L1(1.0).steepest(gradient), torch.tensor([[0.0, 1.0, 0.0]]))
    torch.testing.assert_close(L2(1.0).steepest(gradient), torch.tensor([[0.6, 0.8, 0.0]]))


@pytest.mark.parametrize("kind", [L1, L2])
def test_what_the_range_blocks_takes_no_share_of_the_step(kind):
    gradient = torch.tensor([[-9.0, 1.0, 1e-3]])
    point = torch.tensor([[0.0, 0.5, 0.5]])
    direction = kind(1.0).steepest(gradient, point, (0.0, 1.0))
    assert direction[0, 0] == 0
    assert direction[0, 1] > 0.99


@pytest.mark.parametrize("kind", THREATS)
def test_zero_and_tiny_gradients_give_no_nan(kind):
    gradient = torch.zeros(2, 4)
    assert (kind(1.0).steepest(gradient) == 0).all()
    gradient[1, 2] = 1e-38
    torch.testing.assert_close(kind(1.0).steepest(gradient)[1], torch.tensor([0.0, 0.0, 1.0, 0.0]))


@pytest.mark.parametrize("kind", THREATS)
def test_one_radius_for_each_sample(kind):
    delta, eps = batch(3), torch.tensor([0.1, 0.5, 1.0, 2.0, 100.0])
    together = kind(eps).project(delta)
    alone = torch.cat([kind(float(e)).project(d[None]) for e, d in zip(eps, delta, strict=True)])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="each of 5 samples, but there are 2"):
        kind(eps).project(delta[:2])


@pytest.mark.parametrize("eps", [-1.0, float("nan"), torch.tensor([0.1, -0.1]), torch.ones(2, 2)])
def test_bad_radii_are_refused(eps):
    with pytest.raises(ValueError, match="one radius >= 0"):
        Linf(eps)


@pytest.mark.parametrize("kind", THREATS)
def test_without_a_limit_everything_is_inside_and_nothing_can_be_drawn(kind):
    delta = batch(3)
    assert torch.equal(kind(float("inf")).project(delta), delta)
    some = kind(torch.tensor([0.5, float("inf"), 0.5, 0.5, 0.5])).project(delta)
    assert torch.equal(some[1], delta[1])
    assert kind(0.5).norm(some)[0] <= 0.5 * (1 + 1e-6)
    with pytest.raises(ValueError, match="wants a finite eps"):
        kind(float("inf")).sample(delta)


def test_rows_of_a_threat():
    eps = torch.tensor([0.1, 0.2, 0.3])
    assert Linf(0.1).rows(torch.tensor([1])) == Linf(0.1)
    assert torch.equal(torch.as_tensor(L2(eps).rows(torch.tensor([2, 0])).eps), eps[[2, 0]])
    assert torch.equal(torch.as_tensor(L1(eps, share=0.5).rows(eps > 0.1).eps), eps[1:])


def test_bad_share_is_refused():
    with pytest.raises(ValueError, match="share must lie in"):
        L1(1.0, share=0.0)


def test_scaling():
    assert Linf(0.4).scaled(0.5) == Linf(0.2)
    assert L1(4.0, share=0.1).scaled(0.5) == L1(2.0, share=0.1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("seeded", [False, True])
@pytest.mark.parametrize("kind", THREATS)
def test_half_precision_samples_and_projections_are_those_of_float32_rounded(kind, seeded, dtype):
    like = torch.zeros(40, 784)
    source = torch.arange(40) if seeded else torch.Generator().manual_seed(0)
    sample = kind(2.0).sample(like.to(dtype), source)
    assert sample.dtype == dtype
    exact = kind(2.0).sample(like, source if seeded else torch.Generator().manual_seed(0))
    assert torch.equal(sample, exact.to(dtype))
    delta = torch.randn(40, 784, generator=torch.Generator().manual_seed(1)).to(dtype)
    projected = kind(2.0).project(delta)
    assert projected.dtype == dtype
    norm = kind(2.0).norm(projected.double())
    torch.testing.assert_close(norm, torch.full_like(norm, 2.0), rtol=2 * torch.finfo(dtype).eps, atol=0)


def test_no_seed_gives_a_number_that_half_precision_rounds_to_0_or_1():
    seeds = torch.arange(2000)
    sample = L2(1.0).sample(torch.zeros(2000, 784, dtype=torch.bfloat16), seeds)
    assert sample.isfinite().all()


def test_one_radius_in_a_tensor_follows_the_batch():
    # The device "meta" stands for a GPU: it has no data, but knows where it is.
    radius = Linf(torch.tensor(0.1, dtype=torch.float64)).radius(torch.empty(2, 3, device="meta"))
    assert isinstance(radius, torch.Tensor)
    assert radius.device.type == "meta"
    assert radius.dtype == torch.float32
