"""Divergences: against their definitions by quadrature, against automatic differentiation and each other."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from advnotes.gan import Alpha, Divergence, JensenShannon, NonSaturating

ALPHAS = (-0.5, 0.0, 0.3, 0.5, 1.0, 2.0)
ALL = [*map(Alpha, ALPHAS), JensenShannon(), NonSaturating()]
RATIOS = torch.linspace(-3, 3, 25, dtype=torch.float64)  # their logarithms

X, CELL = torch.linspace(-12, 12, 4801, dtype=torch.float64), 0.005
P, Q = (Normal(torch.tensor(mean, dtype=torch.float64), sigma) for mean, sigma in ((0.0, 1.0), (0.7, 1.3)))
LOG_P, LOG_Q = P.log_prob(X), Q.log_prob(X)


def integral(values: Tensor) -> Tensor:
    return values.sum() * CELL


@pytest.mark.parametrize("divergence", ALL, ids=repr)
def test_slope_objective_and_weight_follow_from_f(divergence: Divergence) -> None:
    ratio = RATIOS.exp().requires_grad_()
    f = divergence.f(ratio.log())
    (slope,) = torch.autograd.grad(f.sum(), ratio, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), ratio)
    constant = divergence.objective(RATIOS) - (f - ratio * slope)
    torch.testing.assert_close(
        divergence.slope(RATIOS) - slope, (divergence.slope(RATIOS) - slope)[:1].expand(25)
    )
    torch.testing.assert_close(constant, constant[:1].expand(25))
    torch.testing.assert_close(divergence.weight(RATIOS), ratio.square() * bend)
    assert (divergence.weight(RATIOS) > 0).all()
    assert abs(float(divergence.f(torch.zeros(1, dtype=torch.float64)))) < 1e-12


@pytest.mark.parametrize("divergence", ALL, ids=repr)
def test_the_conjugate_at_the_slope_is_minus_the_objective(divergence: Divergence) -> None:
    """The conjugate sup_u (u t - f(u)) by search."""
    fine = torch.linspace(-9, 9, 18_001, dtype=torch.float64)
    f = divergence.f(fine)
    conjugates = torch.stack([(fine.exp() * t - f).max() for t in divergence.slope(RATIOS)])
    torch.testing.assert_close(conjugates, -divergence.objective(RATIOS), atol=1e-6, rtol=1e-6)


def test_known_divergences_of_two_normal_distributions() -> None:
    torch.testing.assert_close(Alpha(1.0).between(LOG_P, LOG_Q, CELL), kl_divergence(P, Q))
    torch.testing.assert_close(Alpha(0.0).between(LOG_P, LOG_Q, CELL), kl_divergence(Q, P))
    overlap = math.sqrt(2 * 1.3 / (1 + 1.3**2)) * math.exp(-(0.7**2) / (4 * (1 + 1.3**2)))
    torch.testing.assert_close(float(Alpha(0.5).between(LOG_P, LOG_Q, CELL)), 4 * (1 - overlap))
    chi_squared = integral((LOG_P.exp() - LOG_Q.exp()).square() / LOG_Q.exp())
    torch.testing.assert_close(Alpha(2.0).between(LOG_P, LOG_Q, CELL), chi_squared / 2)
    log_m = torch.logaddexp(LOG_P, LOG_Q) - math.log(2)
    middle = integral(LOG_P.exp() * (LOG_P - log_m) + LOG_Q.exp() * (LOG_Q - log_m)) / 2
    torch.testing.assert_close(JensenShannon().between(LOG_P, LOG_Q, CELL), middle)
    torch.testing.assert_close(NonSaturating().between(LOG_P, LOG_Q, CELL), kl_divergence(Q, P) - 2 * middle)


@settings(max_examples=40)
@given(st.sampled_from(ALL), st.floats(-1, 1), st.floats(0.6, 1.4))
def test_no_divergence_is_negative_and_that_of_equals_is_nothing(
    divergence: Divergence, mean: float, sigma: float
) -> None:
    log_q = Normal(torch.tensor(mean, dtype=torch.float64), sigma).log_prob(X)
    assert float(divergence.between(LOG_Q, log_q, CELL)) > -1e-9
    assert abs(float(divergence.between(log_q, log_q, CELL))) < 1e-9


@pytest.mark.parametrize("divergence", ALL, ids=repr)
def test_the_frozen_objective_has_the_divergence_s_gradient_and_frozen_f_has_not(
    divergence: Divergence,
) -> None:
    """By quadrature over z: what a generator's samples tell, the ratio being a fixed function of x."""
    mean, sigma = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.7, 1.3))
    value = divergence.between(LOG_P, Normal(mean, sigma).log_prob(X), CELL)
    exact = torch.stack(torch.autograd.grad(value, (mean, sigma)))
    noise = Normal(torch.tensor(0.0, dtype=torch.float64), 1.0)
    z = X[(X > -8) & (X < 8)]
    x = mean + sigma * z
    log_ratio = P.log_prob(x) - Q.log_prob(x)  # Q is the generator's density at the start, and stays it

    def gradient(values: Tensor) -> Tensor:
        loss = integral(noise.log_prob(z).exp() * values)
        return torch.stack(torch.autograd.grad(loss, (mean, sigma), retain_graph=True))

    torch.testing.assert_close(gradient(divergence.objective(log_ratio)), exact, rtol=1e-5, atol=1e-6)
    assert (gradient(divergence.f(log_ratio)) - exact).norm() > 0.1 * exact.norm()


def test_alpha_is_continuous_at_0_and_1() -> None:
    for alpha in (0.0, 1.0):
        for method in ("f", "slope", "objective", "weight"):
            at, near = (getattr(Alpha(a), method)(RATIOS) for a in (alpha, alpha + 1e-6))
            torch.testing.assert_close(at, near, rtol=1e-4, atol=1e-4)


def test_extreme_ratios_stay_finite_where_the_divergence_is() -> None:
    far = torch.tensor([-80.0, 80.0])
    for divergence in (JensenShannon(), NonSaturating(), Alpha(0.0), Alpha(1.0)):
        assert torch.isfinite(divergence.objective(far)).all()
        assert torch.isfinite(divergence.weight(far)).all()


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        Alpha(math.nan)
    with pytest.raises(ValueError, match="cell"):
        Alpha(1.0).between(LOG_P, LOG_Q, 0.0)
