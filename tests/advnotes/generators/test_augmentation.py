"""DAGAN: its losses and pairs, and that a spread learnt from some classes is that of a class it has never seen."""

import math

import pytest
import torch
from torch import nn

from advnotes import play
from advnotes.data import Stream
from advnotes.gan import R1, RelativisticGAN
from advnotes.generators import DAGAN, Beside, pairs_of_a_class
from advnotes.nets import mlp


def game(kind=DAGAN, **options):
    return kind(Beside(mlp(2 + 3, 8, 3)), Beside(mlp(6, 8, 1)), 2, **options)


def test_losses_are_the_formulas_with_the_sample_that_was_given_beside_both():
    torch.manual_seed(0)
    gan, other, given = game(), torch.rand(8, 3), torch.rand(8, 3)
    torch.manual_seed(1)
    with torch.no_grad():
        fake = gan.generator.network(torch.cat([torch.randn(8, 2), given], dim=1))
    real, made = (
        gan.discriminator.network(torch.cat([sample, given], dim=1)).sigmoid() for sample in (other, fake)
    )
    torch.manual_seed(1)
    torch.testing.assert_close(
        gan("discriminator", other, given), -real.log().mean() - (1 - made).log().mean()
    )
    torch.manual_seed(1)
    torch.testing.assert_close(gan("generator", other, given), -made.log().mean())


def test_penalties_and_other_losses_see_the_pairs():
    class Pairing(DAGAN, RelativisticGAN):
        pass

    torch.manual_seed(0)
    other, given = torch.rand(8, 3), torch.rand(8, 3)
    bare = game(Pairing)
    gan = Pairing(bare.generator, bare.discriminator, 2, penalties=[R1(gamma=2.0)])
    x = other.clone().requires_grad_()
    slopes = torch.autograd.grad(gan.logit(x, given).sum(), x)[0]
    torch.manual_seed(1)
    plain = bare("discriminator", other, given)
    torch.manual_seed(1)
    penalised = gan("discriminator", other, given)
    torch.testing.assert_close(penalised - plain, slopes.square().sum(dim=1).mean())


def test_the_spread_of_some_classes_is_given_to_one_that_was_never_seen():
    """Classes are clouds of one shape, long in a direction; the linear generator learns it from those at two places."""

    class Shifts(nn.Module):
        def __init__(self):
            super().__init__()
            self.spread = nn.Linear(2, 2, bias=False)

        def forward(self, z, x):
            return x + self.spread(z)

    torch.manual_seed(0)
    y = torch.arange(400) % 2
    long = torch.tensor([1.0, 1.0]) / math.sqrt(2)
    x = 4.0 * y[:, None] + torch.randn(400, 1) * long
    gan = DAGAN(Shifts(), Beside(mlp(4, 32, 32, 1)), 2, penalties=[R1(gamma=0.1)])
    optimizers = {
        n: torch.optim.Adam(p.parameters(), 1e-2, betas=(0.0, 0.99)) for n, p in gan.players.items()
    }
    play(gan, Stream(pairs_of_a_class(x, y), 64, 250), optimizers, steps=250, progress=False)
    with torch.no_grad():
        moves = gan.more(torch.full((2000, 2), -7.0), torch.Generator().manual_seed(0)) + 7
    along, across = moves @ long, moves @ torch.tensor([1.0, -1.0]) / math.sqrt(2)
    # Two samples of a class differ by a normal number of variance 2 along, and by nothing across.
    assert 0.5 < float(along.std()) < 2.5
    assert float(across.std()) < float(along.std()) / 3


@pytest.mark.parametrize("generator", [None, torch.Generator()])
def test_pairs_are_two_different_samples_of_one_class_and_all_of_them_come(generator):
    torch.manual_seed(0)
    if generator is not None:
        generator.manual_seed(0)
    y = torch.tensor([3, 0, 3, 0, 3, 7, 7, 7, 7])
    x = torch.arange(9.0)[:, None]
    other, given = pairs_of_a_class(x, y)(6000, generator=generator)
    a, b = other[:, 0].long(), given[:, 0].long()
    assert bool((y[a] == y[b]).all())
    assert bool((a != b).all())
    shares = torch.zeros(9, 9)
    shares.index_put_((b, a), torch.ones(6000), accumulate=True)
    expected = (y[:, None] == y[None]).float() - torch.eye(9)
    expected = expected / expected.sum(dim=1, keepdim=True) / 9
    torch.testing.assert_close(shares / 6000, expected, atol=0.02, rtol=0)


def test_classes_may_have_any_numbers():
    x, y = torch.arange(6.0)[:, None], torch.tensor([7, 2, 2**40, 7, 2, 2**40])
    torch.manual_seed(0)
    far = pairs_of_a_class(x, y)(50)
    torch.manual_seed(0)
    near = pairs_of_a_class(x, y.unique(return_inverse=True)[1])(50)
    assert all(torch.equal(a, b) for a, b in zip(far, near, strict=True))
    with pytest.raises(ValueError, match=f"class {2**40} has one"):
        pairs_of_a_class(x[:5], y[:5])


def test_more_is_drawn_by_its_generator_and_takes_any_number():
    gan, x = game(), torch.rand(5, 3)
    first, second = (gan.more(x, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert gan.more(x[:0]).shape == (0, 3)


def test_mistakes_are_told():
    gan = game()
    with pytest.raises(ValueError, match="pairs of one class, as pairs_of_a_class draws them"):
        gan("discriminator", torch.rand(4, 3))
    with pytest.raises(ValueError, match=r"\[\(4, 3\), \(2, 3\)\]"):
        gan("generator", torch.rand(4, 3), torch.rand(2, 3))
    with pytest.raises(ValueError, match=r"call more\(x\)"):
        gan.sample(4)
    with pytest.raises(ValueError, match="class 1 has one"):
        pairs_of_a_class(torch.rand(3, 2), torch.tensor([0, 0, 1]))
