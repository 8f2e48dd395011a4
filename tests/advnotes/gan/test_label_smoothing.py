"""One-sided label smoothing against torch's binary cross-entropy and the discriminator that is best by theory."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from advnotes.gan import GAN, ConditionalGAN, Conditioned, LabelSmoothingGAN
from advnotes.nets import mlp


def game(kind: type[GAN] = LabelSmoothingGAN, **options: float) -> GAN:
    torch.manual_seed(0)
    return kind(mlp(2, 4, 3), mlp(3, 8, 1), 2, **options)


@given(label=st.floats(0.51, 1.0))
def test_it_is_cross_entropy_with_the_label_for_real_samples_and_0_for_generated_ones(label: float) -> None:
    gan, real, fake = game(real=label), torch.randn(8, 3), torch.randn(8, 3)
    on_real, on_fake = gan.logit(real), gan.logit(fake)
    expected = F.binary_cross_entropy_with_logits(on_real, torch.full_like(on_real, label))
    expected = expected + F.binary_cross_entropy_with_logits(on_fake, torch.zeros_like(on_fake))
    torch.testing.assert_close(gan.discriminator_objective(real, fake), expected)


def test_generated_samples_are_never_smoothed() -> None:
    """The loss of generated samples is that of the plain game, whatever the label is."""
    gan, fake = game(real=0.7), torch.randn(8, 3)
    for one, other in ((torch.randn(8, 3), torch.randn(8, 3)),):
        a = gan.discriminator_objective(one, fake) - gan.discriminator_objective(one, other)
        b = F.softplus(gan.logit(fake)).mean() - F.softplus(gan.logit(other)).mean()
        torch.testing.assert_close(a, b)


def test_label_1_is_the_plain_game() -> None:
    real, losses = torch.randn(8, 3), []
    for gan in (game(real=1.0), game(GAN)):
        torch.manual_seed(1)
        losses.append(gan.discriminator_loss(real).item())
    assert losses[0] == losses[1]


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.3, 0.01), (0.2, 0.0)])
def test_the_best_logit_is_that_of_0_9_p_over_p_plus_q(p: float, q: float) -> None:
    """Where a share p of the real and q of the generated points lie, the loss is lowest at the formula's logit."""
    best = 0.9 * p / (p + q)
    logit = torch.tensor(math.log(best / (1 - best)), dtype=torch.float64, requires_grad=True)
    gan = game(real=0.9)
    gan.logit = lambda x: logit.expand(1) * x  # type: ignore[method-assign]
    one = torch.ones(1, dtype=torch.float64)
    on_real = gan.discriminator_objective(one, 0 * one)  # a logit of 0 adds a constant
    on_fake = F.softplus(logit)
    (slope,) = torch.autograd.grad(p * on_real + q * on_fake, logit)
    assert slope.item() == pytest.approx(0, abs=1e-12)
    assert best <= 0.9


def test_it_composes_with_labels() -> None:
    class Conditional(ConditionalGAN, LabelSmoothingGAN):
        pass

    torch.manual_seed(0)
    y = torch.tensor([0, 1, 1, 0])
    gan = Conditional(Conditioned(mlp(4, 4, 3), 2), Conditioned(mlp(5, 8, 1), 2), 2, classes=2, real=0.8)
    assert gan.real == 0.8
    assert gan.discriminator_loss(torch.randn(4, 3), y).isfinite()


@pytest.mark.parametrize("label", [0.5, 1.1, math.nan])
def test_other_labels_are_refused(label: float) -> None:
    with pytest.raises(ValueError, match=r"real must be a finite number above 0\.5 and at most 1"):
        game(real=label)
