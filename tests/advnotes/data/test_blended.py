"""MNIST-M: what a blended digit is, where its ground comes from, and who draws."""

import pytest
import torch

from advnotes.data import mnist, mnist_m, photographs


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_photographs_are_six_in_colour():
    grounds = photographs()
    assert len(grounds) == 6
    for ground in grounds:
        assert ground.shape[0] == 3
        assert min(ground.shape[1:]) >= 256
        assert 0 <= float(ground.min()) < 0.1
        assert 0.8 < float(ground.max()) <= 1


def test_ink_shows_the_negative_and_no_ink_the_patch():
    ground = torch.rand(3, 40, 50, generator=draws(1))
    paper, ink = torch.zeros(1, 1, 28, 28), torch.ones(1, 1, 28, 28)
    patch, negative = (mnist_m(x, [ground], draws(2))[0] for x in (paper, ink))
    assert torch.allclose(negative, 1 - patch)
    windows = ground.unfold(1, 28, 1).unfold(2, 28, 1)
    assert sum(bool(torch.equal(windows[:, i, j], patch)) for i in range(13) for j in range(23)) == 1


def test_every_place_and_photograph_may_be_drawn():
    grounds = [torch.arange(3.0 * 2 * 3).view(3, 2, 3) / 18, torch.full((3, 1, 1), 0.5)]
    out = mnist_m(torch.zeros(400, 1, 1, 1), grounds, draws())
    assert len(out.flatten(1).unique(dim=0)) == 2 * 3 + 1
    whole = mnist_m(torch.zeros(2, 1, 2, 3), grounds[:1], draws())
    assert torch.equal(whole[0], grounds[0])


def test_digits_stay_as_they_are_and_the_generator_decides():
    x, _ = mnist("test", size=20)
    before, state = x.clone(), torch.get_rng_state()
    first = mnist_m(x, photographs(), draws(3))
    assert first.shape == (20, 3, 28, 28)
    assert 0 <= float(first.min()) < float(first.max()) <= 1
    assert torch.equal(first, mnist_m(x, photographs(), draws(3)))
    assert not torch.equal(first, mnist_m(x, photographs(), draws(4)))
    assert torch.equal(x, before)
    assert torch.equal(state, torch.get_rng_state())
    assert mnist_m(x.double(), photographs(), draws(3)).dtype == torch.float64


@pytest.mark.parametrize("grounds", [[], [torch.rand(3, 27, 40)]])
def test_photographs_are_larger_than_digits(grounds: list[torch.Tensor]):
    with pytest.raises(ValueError, match="at least 28×28"):
        mnist_m(torch.zeros(1, 1, 28, 28), grounds)
