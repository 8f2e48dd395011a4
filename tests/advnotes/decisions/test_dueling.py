"""Dueling networks: equations 8 and 9 by hand, what can be told apart in Q, and the gradient that features get."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state

from advnotes.decisions import DuelingNetwork, MaxDuelingNetwork, dueling_mlp
from advnotes.nets import mlp

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
KINDS = [DuelingNetwork, MaxDuelingNetwork]


def made(kind: type[DuelingNetwork] = DuelingNetwork, actions: int = 4, **options: float) -> DuelingNetwork:
    torch.manual_seed(1)
    features = nn.Sequential(nn.Linear(3, 8), nn.Tanh())
    return kind(features, mlp(8, 5, 1), mlp(8, 5, actions), **options).double()


def test_q_is_equation_9_and_equation_8() -> None:
    for kind, centre in ((DuelingNetwork, lambda a: sum(a) / len(a)), (MaxDuelingNetwork, max)):
        network = made(kind)
        read = network.features(X)
        value, advantage = network.value(read).flatten().tolist(), network.advantage(read).tolist()
        expected = [[v + one - centre(a) for one in a] for v, a in zip(value, advantage, strict=True)]
        torch.testing.assert_close(
            network(X), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_in_the_advantages_changes_nothing_and_one_in_the_value_is_seen(
    kind: type[DuelingNetwork],
) -> None:
    network = made(kind)
    before = network(X)
    with torch.no_grad():
        network.advantage[-1].bias += 7.0
    torch.testing.assert_close(network(X), before, rtol=0, atol=1e-12)
    with torch.no_grad():
        network.value[-1].bias += 7.0
    torch.testing.assert_close(network(X), before + 7, rtol=0, atol=1e-12)


def test_the_value_is_the_mean_or_the_best_of_the_actions() -> None:
    value, advantage = made().streams(X)
    torch.testing.assert_close(advantage.sum(dim=1), torch.zeros(6).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(value[:, 0], made()(X).mean(dim=1), rtol=0, atol=1e-12)
    value, advantage = made(MaxDuelingNetwork).streams(X)
    assert (advantage.max(dim=1).values == 0).all()
    torch.testing.assert_close(value[:, 0], made(MaxDuelingNetwork)(X).max(dim=1).values, rtol=0, atol=1e-12)


def test_one_action_has_no_advantage() -> None:
    network = made(actions=1)
    assert torch.equal(network(X), network.streams(X)[0])


def test_features_get_their_share_of_the_gradient_and_streams_all_of_it() -> None:
    gradients, values = {}, {}
    for share in (1.0, 0.5**0.5, 0.25):
        network = made(share=share)
        values[share] = network(X)
        values[share].square().sum().backward()
        gradients[share] = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert made().share == 0.5**0.5
    for share in (0.5**0.5, 0.25):
        assert torch.equal(values[share], values[1.0])
        for name, gradient in gradients[1.0].items():
            expected = share * gradient if name.startswith("features") else gradient
            torch.testing.assert_close(gradients[share][name], expected, rtol=1e-12, atol=1e-14)


def test_a_step_for_one_action_moves_all_the_others_with_the_value() -> None:
    # One target for one action: the value's gradient is 1, the advantages' is 1 - 1/n there and -1/n elsewhere.
    value, advantage = nn.Linear(2, 1, bias=False), nn.Linear(2, 4, bias=False)
    network = DuelingNetwork(nn.Identity(), value, advantage).double()
    x = torch.tensor([[1.0, 0.0]]).double()
    network(x)[0, 2].backward()
    expected = torch.tensor([-0.25, -0.25, 0.75, -0.25]).double()
    torch.testing.assert_close(advantage.weight.grad[:, 0], expected, rtol=0, atol=1e-15)
    assert value.weight.grad.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("kind", KINDS)
def test_stacked_networks_answer_as_each_does(kind: type[DuelingNetwork]) -> None:
    torch.manual_seed(2)
    networks = [kind(nn.Linear(3, 8), nn.Linear(8, 1), nn.Linear(8, 4)).double() for _ in range(3)]
    parameters, _ = stack_module_state(networks)
    one = copy.deepcopy(networks[0])
    together = torch.vmap(lambda p: functional_call(one, p, (X,)))(parameters)
    for network, q in zip(networks, together, strict=True):
        torch.testing.assert_close(q, network(X), rtol=0, atol=1e-12)


def test_batches_may_have_further_axes() -> None:
    network = made()
    torch.testing.assert_close(network(X.view(2, 3, 3)), network(X).view(2, 3, 4), rtol=0, atol=1e-12)


def test_the_networks_of_the_corridor_have_the_papers_sizes() -> None:
    network = dueling_mlp(2, 20)
    assert [tuple(p.shape) for p in network.parameters() if p.ndim == 2] == [
        (50, 2), (25, 50), (1, 25), (25, 50), (20, 25),
    ]  # fmt: skip
    assert network(torch.zeros(3, 2)).shape == (3, 20)


@pytest.mark.usefixtures("unchecked")
def test_mistakes_say_how_to_mend_them() -> None:
    with pytest.raises(ValueError, match=r"share must be a finite number above 0 and at most 1, got 0"):
        made(share=0)
    with pytest.raises(ValueError, match="actions must be a whole number of at least 1, got 0"):
        dueling_mlp(2, 0)
    wide = DuelingNetwork(nn.Identity(), nn.Linear(3, 4), nn.Linear(3, 4)).double()
    with pytest.raises(ValueError, match=r"value stream must return .*\(6, 1\), got \(6, 4\): end it with"):
        wide(X)
    swallows = DuelingNetwork(nn.Flatten(0), nn.Linear(18, 1), nn.Linear(18, 4)).double()
    with pytest.raises(
        ValueError, match=r"a row for each observation, .* got \(18,\) for \(6, 3\): end them with"
    ):
        swallows(X)
    pictures = DuelingNetwork(nn.Conv2d(1, 2, 1), nn.Linear(4, 1), nn.Linear(4, 4))
    with pytest.raises(ValueError, match=r"got \(5, 2, 4, 4\) for \(5, 1, 4, 4\)"):
        pictures(torch.zeros(5, 1, 4, 4))
    flat = DuelingNetwork(nn.Identity(), nn.Linear(3, 1), nn.Flatten(0)).double()
    with pytest.raises(ValueError, match=r"advantage stream must return .* got \(18,\)"):
        flat(X)
    with pytest.raises(ValueError, match=r"inputs are torch.float32, the model torch.float64"):
        made()(X.float())
