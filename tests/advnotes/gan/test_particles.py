"""Particles: their motion against the kernel's, and the two ends of the coupling."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from advnotes import play
from advnotes.gan import R1, ParticleGAN, Particles, r1_penalty
from advnotes.nets import mlp


def game(coupling: float, penalties: tuple[R1, ...] = ()) -> ParticleGAN:
    torch.manual_seed(0)
    start = torch.randn(7, 2, dtype=torch.float64)
    D = mlp(2, 8, 1, activation=nn.Tanh).double()
    return ParticleGAN(Particles(start, coupling), D, penalties=penalties)


@given(st.floats(0, 1))
def test_a_step_of_gradient_descent_moves_them_by_the_kernel(coupling: float) -> None:
    gan, real, lr = game(coupling), torch.zeros(3, 2, dtype=torch.float64), 0.1
    before = gan.generator().detach().requires_grad_()
    (slope,) = torch.autograd.grad(-nn.functional.softplus(-gan.logit(before)).sum(), before)
    (push,) = torch.autograd.grad(gan.generator_loss(real), gan.generator.pull)
    with torch.no_grad():
        gan.generator.pull -= lr * push
    moved = gan.generator().detach() - before.detach()
    torch.testing.assert_close(moved, lr * gan.generator.kernel() @ slope, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("coupling", [0.0, 0.4, 1.0])
def test_the_kernels_eigenvalues_are_1_for_the_centre_and_the_rest_for_differences(coupling: float) -> None:
    values = torch.linalg.eigvalsh(Particles(torch.zeros(5, 2), coupling).kernel())
    torch.testing.assert_close(values, torch.tensor([1 - coupling] * 4 + [1.0]), atol=1e-6, rtol=0)


def test_uncoupled_particles_do_not_feel_each_other_and_rigid_ones_keep_their_shape() -> None:
    real = torch.full((5, 2), 3.0, dtype=torch.float64)
    for coupling in (0.0, 1.0):
        gan = game(coupling)
        start = gan.generator().detach().clone()
        optimizers = {
            "discriminator": torch.optim.SGD(gan.discriminator.parameters(), lr=0.1),
            "generator": torch.optim.SGD(gan.generator.parameters(), lr=0.5),
        }
        play(gan, [real], optimizers, steps=20, progress=False)
        moved = gan.generator().detach() - start
        assert moved.norm() > 0.1
        if coupling == 1.0:
            torch.testing.assert_close(moved, moved[:1].expand_as(moved), rtol=1e-9, atol=1e-12)
        else:
            assert (moved - moved.mean(dim=0)).norm() > 1e-3


def test_every_sample_is_a_particle_and_r1_is_the_discriminators() -> None:
    gan = game(0.5, (R1(2.0),))
    assert gan.sample(3) is not None
    assert torch.equal(gan.sample(3), gan.generator())
    real = torch.zeros(3, 2, dtype=torch.float64)
    plain = game(0.5)
    extra = gan.discriminator_loss(real) - plain.discriminator_loss(real)
    torch.testing.assert_close(extra, 2.0 * r1_penalty(plain.discriminator, real))


def test_what_cannot_be_meant_is_refused() -> None:
    for coupling in (-0.1, 1.1):
        with pytest.raises(ValueError, match=r"coupling must be a finite number|one particle or more"):
            Particles(torch.zeros(3, 2), coupling)
    with pytest.raises(ValueError, match="expected one particle"):
        Particles(torch.zeros(0, 2), 0.5)
    with pytest.raises(ValueError, match="Particles for a generator, got Linear"):
        ParticleGAN(nn.Linear(1, 2), mlp(2, 4, 1))
