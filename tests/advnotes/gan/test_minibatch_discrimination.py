"""The layer against sums written out by hand, and what its gradient does to a clump."""

import math

import pytest
import torch
from torch import nn

from advnotes.gan import GAN, R1, MinibatchDiscrimination, UnrolledGAN
from advnotes.nets import mlp


def test_it_is_the_sum_over_the_others_written_out() -> None:
    torch.manual_seed(0)
    layer, h = MinibatchDiscrimination(3, kernels=2, size=4).double(), torch.randn(5, 3, dtype=torch.float64)
    out = layer(h)
    assert out.shape == (5, 5)
    assert torch.equal(out[:, :3], h)
    matrices = [(row @ layer.weight).view(2, 4).tolist() for row in h]
    for i in range(5):
        for b in range(2):
            expected = sum(
                math.exp(-sum(abs(p - q) for p, q in zip(matrices[i][b], matrices[j][b], strict=True)))
                for j in range(5)
                if j != i
            )
            assert out[i, 3 + b].item() == pytest.approx(expected, rel=1e-12)


def test_a_clump_is_as_close_as_can_be_and_far_samples_are_not_close() -> None:
    layer = MinibatchDiscrimination(3, kernels=2, size=4)
    same = torch.ones(6, 3).mul(0.7)
    torch.testing.assert_close(layer.closeness(same), torch.full((6, 2), 5.0))
    assert layer.closeness(1e4 * torch.eye(3)).max() < 1e-6


def test_the_order_of_the_batch_does_not_matter() -> None:
    torch.manual_seed(0)
    layer, h, order = MinibatchDiscrimination(4).double(), torch.randn(7, 4).double(), torch.randperm(7)
    torch.testing.assert_close(layer(h)[order], layer(h[order]))


def test_going_down_the_closeness_spreads_a_clump() -> None:
    torch.manual_seed(0)
    layer = MinibatchDiscrimination(2, 8, 3).requires_grad_(False).double()
    h = (0.01 * torch.randn(16, 2)).double().requires_grad_()
    before = h.detach().std()
    for _ in range(20):
        (slope,) = torch.autograd.grad(layer.closeness(h).sum(), h)
        h = (h - 1e-4 * slope).detach().requires_grad_()
    assert h.std() > 2 * before


def test_a_game_judges_real_and_generated_samples_in_batches_of_their_own() -> None:
    """Real samples that are far apart and generated ones in a clump: only by batches of their own do they differ so."""
    torch.manual_seed(0)
    seen = []

    class Watch(MinibatchDiscrimination):
        def closeness(self, h):
            seen.append(len(h))
            return super().closeness(h)

    critic = nn.Sequential(nn.Linear(2, 3), Watch(3, 2, 2), nn.Linear(5, 1))
    GAN(mlp(4, 8, 2), critic, 4).discriminator_loss(torch.randn(9, 2))
    assert seen == [9, 9]


def test_a_single_sample_and_other_shapes_are_refused() -> None:
    layer = MinibatchDiscrimination(3)
    with pytest.raises(ValueError, match="compares the samples of a batch, got 1"):
        layer(torch.zeros(1, 3))
    for wrong in (torch.zeros(4, 2), torch.zeros(4, 3, 2)):
        with pytest.raises(ValueError, match=r"expected features of shape \[batch, 3\]"):
            layer(wrong)


def test_games_that_want_each_sample_judged_by_itself_refuse_it() -> None:
    def critic() -> nn.Sequential:
        return nn.Sequential(nn.Linear(2, 3), MinibatchDiscrimination(3, 2, 2), nn.Linear(5, 1))

    with pytest.raises(ValueError, match="has MinibatchDiscrimination, by which a sample's gradient depends"):
        GAN(mlp(4, 2), critic(), 4, penalties=[R1()])
    joined = critic()
    with pytest.raises(ValueError, match="has MinibatchDiscrimination"):
        UnrolledGAN(mlp(4, 2), joined, 4, optimizer=torch.optim.Adam(joined.parameters()))


def test_half_precision_is_taken_and_comes_back() -> None:
    torch.manual_seed(0)
    layer, h = MinibatchDiscrimination(3, 2, 2), torch.randn(6, 3)
    found = layer.bfloat16()(h.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), layer.float()(h), rtol=0.1, atol=0.1)
