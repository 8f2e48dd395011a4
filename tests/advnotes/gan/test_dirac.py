"""The Dirac-GAN as it is played, against its eigenvalues."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from advnotes import play
from advnotes.gan import GAN, R1, R2, WGANGP, MinimaxGAN, dirac_eigenvalues, dirac_gan


class AtOnce(GAN):
    turns = (("discriminator", "generator"),)


def trajectory(gan: GAN, steps: int, lr: float) -> torch.Tensor:
    """theta and psi after each step of gradient descent."""
    gan.double()
    optimizers = {name: torch.optim.SGD(p.parameters(), lr=lr) for name, p in gan.players.items()}
    path: list[list[float]] = []

    def watch(state: object) -> None:
        path.append([gan.generator.theta.item(), gan.discriminator.weight.item()])

    real = torch.zeros(1, 1, dtype=torch.float64)
    play(gan, [real], optimizers, steps=steps, callbacks=[watch], callback_every=1, progress=False)
    return torch.tensor(path, dtype=torch.float64)


def rates(path: torch.Tensor, lr: float) -> list[complex]:
    """Of the matrix that takes each state to the next: the logarithms of its eigenvalues, over lr."""
    matrix = torch.linalg.lstsq(path[:-1], path[1:]).solution
    values = torch.linalg.eigvals(matrix).log() / lr
    return sorted(values.tolist(), key=lambda v: (-v.real, -v.imag))


@pytest.mark.parametrize("gamma", [0.0, 0.25, 0.8, 2.0])
def test_the_game_decays_and_turns_as_the_eigenvalues_say(gamma: float) -> None:
    lr = 1e-3
    found = rates(trajectory(dirac_gan(AtOnce, (1e-3, 1e-3), penalties=[R1(gamma)]), 150, lr), lr)
    for measured, theory in zip(found, dirac_eigenvalues(gamma), strict=True):
        assert measured.real == pytest.approx(theory.real, rel=0.01, abs=1e-3)
        assert abs(measured.imag) == pytest.approx(abs(theory.imag), rel=0.01, abs=1e-3)


def test_r2_is_the_same_here() -> None:
    """A line has one slope everywhere: at real samples and at generated ones."""
    paths = [trajectory(dirac_gan(GAN, penalties=[kind(0.5)]), 20, 0.1) for kind in (R1, R2)]
    assert torch.equal(*paths)


def test_the_wasserstein_game_turns_at_a_slope_of_1() -> None:
    class Linear(WGANGP):
        def __init__(self, *players: object, **options: float) -> None:
            super().__init__(*players, weight=0.0, moves=1, **options)
            self.turns = (("discriminator", "generator"),)

    found = rates(trajectory(dirac_gan(Linear), 60, 1e-3), 1e-3)
    assert abs(found[0].imag) == pytest.approx(dirac_eigenvalues(0.0, slope=1.0)[0].imag, rel=1e-3)


def test_with_the_penalty_it_ends_at_the_equilibrium_and_without_it_does_not() -> None:
    games = dirac_gan(GAN, penalties=[R1()]), dirac_gan(MinimaxGAN)
    damped, free = (trajectory(game, 300, 0.2)[-1].norm() for game in games)
    assert damped < 1e-5
    assert free > 0.5


@given(st.floats(0, 10), st.floats(0.01, 3))
def test_eigenvalues_solve_their_equation_and_are_the_matrix_own(gamma: float, slope: float) -> None:
    slow, fast = dirac_eigenvalues(gamma, slope)
    matrix = torch.tensor([[0.0, slope], [-slope, -gamma]], dtype=torch.float64)
    assert slow + fast == pytest.approx(matrix.trace().item(), abs=1e-9)
    assert slow * fast == pytest.approx(torch.linalg.det(matrix).item(), abs=1e-9)
    assert slow.real >= fast.real
    assert slow.real <= 0


def test_damping_is_critical_at_twice_the_slope() -> None:
    for slope in (0.5, 1.0):
        best = dirac_eigenvalues(2 * slope, slope)
        assert best[0] == best[1] == -slope
        for other in (1.9 * slope, 2.1 * slope):
            assert dirac_eigenvalues(other, slope)[0].real > -slope


def test_what_cannot_be_meant_is_refused() -> None:
    for arguments in ((-1.0, 0.5), (1.0, 0.0), (math.nan, 0.5)):
        with pytest.raises(ValueError, match=r"(gamma|slope) must be a finite number"):
            dirac_eigenvalues(*arguments)
    with pytest.raises(ValueError, match="two finite numbers to start from"):
        dirac_gan(GAN, (1.0, math.inf))
