"""Virtual batch normalisation: no batchmate counts, and the statistics are those of the reference batch and oneself."""

import pytest
import torch
from torch import nn

from advnotes.gan import VirtualBatchNorm, WithReference

REFERENCE = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def network(norm: type[nn.Module] = VirtualBatchNorm) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), norm(5), nn.ReLU(), nn.Linear(5, 4), norm(4)).double()


def images(norm: type[nn.Module]) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), norm(3), nn.ReLU(), nn.Conv2d(3, 2, 2), norm(2)).double()


def moved(net: nn.Module, shape: tuple[int, ...]) -> float:
    """How far the first output moves as the others' inputs change, in train mode."""
    first, *others = torch.randn(9, *shape, dtype=torch.float64).split([1, 4, 4])
    a, b = (net.train()(torch.cat([first, mates]))[0] for mates in others)
    return float((a - b).detach().abs().max())


def test_an_output_does_not_depend_on_its_batchmates() -> None:
    assert moved(WithReference(network(), REFERENCE), (3,)) < 1e-12
    assert moved(WithReference(images(VirtualBatchNorm), torch.randn(4, 2, 6, 6).double()), (2, 6, 6)) < 1e-12
    assert moved(network(nn.BatchNorm1d), (3,)) > 0.01  # what other code makes of it
    assert moved(images(nn.BatchNorm2d), (2, 6, 6)) > 0.01


def test_a_sample_by_itself_has_the_output_that_it_has_in_a_batch() -> None:
    net, x = WithReference(network(), REFERENCE), torch.randn(5, 3).double()
    torch.testing.assert_close(torch.cat([net(row) for row in x.split(1)]), net(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(3,), (3, 4, 5)])
def test_a_sample_is_normalised_as_batch_norm_does_with_the_reference_batch_around_it(
    shape: tuple[int, ...],
) -> None:
    """torch's batch norm, of a batch of the reference samples and that one."""
    torch.manual_seed(0)
    layer = VirtualBatchNorm(3).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
        layer.bias.copy_(torch.tensor([0.5, 0.0, 1.0]))
    reference, x = torch.randn(4, *shape).double(), torch.randn(2, *shape).double()
    found = WithReference(nn.Sequential(layer), reference)(x)
    for row, one in zip(found, x, strict=True):
        batch = torch.cat([reference, one[None]])
        peer = nn.functional.batch_norm(
            batch, None, None, layer.weight, layer.bias, training=True, eps=layer.eps
        )
        torch.testing.assert_close(row, peer[-1], rtol=1e-9, atol=1e-9)


def test_the_reference_batch_itself_is_normalised_by_its_own_statistics() -> None:
    layer = VirtualBatchNorm(3).double()
    layer.references = len(REFERENCE)
    out = layer(torch.cat([REFERENCE, torch.full((2, 3), 50.0).double()]))[: len(REFERENCE)]
    torch.testing.assert_close(out.mean(dim=0), torch.zeros(3).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(out.var(dim=0, correction=0), torch.ones(3).double(), atol=1e-4, rtol=0)


def test_the_gradient_goes_through_the_reference_batch() -> None:
    """Its statistics are of the present weights: scaling the layer before the first norm changes nothing."""
    net, x = WithReference(network(), REFERENCE), torch.randn(5, 3).double()
    before = net(x)
    with torch.no_grad():
        net.network[0].weight *= 3.0
        net.network[0].bias *= 3.0
    torch.testing.assert_close(net(x), before, rtol=1e-3, atol=1e-3)


def test_it_is_saved_with_its_reference_batch() -> None:
    net, x = WithReference(network(), REFERENCE), torch.randn(5, 3).double()
    other = WithReference(network(), torch.zeros_like(REFERENCE))
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x), net(x))


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="no reference batch: wrap the whole network"):
        network()(REFERENCE)
    with pytest.raises(ValueError, match="has no VirtualBatchNorm"):
        WithReference(nn.Linear(3, 2), REFERENCE)
    with pytest.raises(ValueError, match="two samples or more"):
        WithReference(network(), REFERENCE[:1])
    with pytest.raises(ValueError, match=r"expected inputs of shape \[batch, 5, ...\]"):
        VirtualBatchNorm(5)(torch.zeros(2, 4))


@pytest.mark.parametrize(("mean", "spread"), [(1e4, 1.0), (1.0, 1e-3), (0.0, 1.0)])
def test_far_from_0_the_variance_is_not_lost_in_rounding(mean: float, spread: float) -> None:
    torch.manual_seed(0)
    points = mean + spread * torch.randn(40, 3)
    found, exact = (
        WithReference(nn.Sequential(VirtualBatchNorm(3)).to(dtype), points[:30].to(dtype))(
            points[30:].to(dtype)
        )
        for dtype in (torch.float32, torch.float64)
    )
    torch.testing.assert_close(found.double(), exact, rtol=1e-3, atol=1e-3)


def test_in_half_precision_it_computes_as_batch_norm_does_in_float32() -> None:
    torch.manual_seed(0)
    points = (1 + 0.1 * torch.randn(40, 3)).bfloat16()
    found = WithReference(nn.Sequential(VirtualBatchNorm(3)).bfloat16(), points[:30])(points[30:])
    assert found.dtype == torch.bfloat16
    exact = WithReference(nn.Sequential(VirtualBatchNorm(3)), points[:30].float())(points[30:].float())
    torch.testing.assert_close(found.float(), exact, rtol=0.01, atol=0.01)


def test_two_wrappers_of_one_network_have_each_its_own_reference_batch() -> None:
    layers, x = network(), torch.randn(5, 3).double()
    first = WithReference(layers, REFERENCE)
    alone = first(x)
    WithReference(layers[:2], REFERENCE[:3])(x)
    assert torch.equal(first(x), alone)
    with pytest.raises(ValueError, match="no reference batch: wrap the whole network"):
        layers[:2](x)  # whose first rows would be taken for the reference batch


def test_a_reference_batch_is_of_finite_floating_point_numbers() -> None:
    for wrong, message in ((REFERENCE.byte(), "floating point"), (REFERENCE / 0, "finite")):
        with pytest.raises(ValueError, match=message):
            WithReference(network(), wrong)
