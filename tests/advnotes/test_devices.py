"""What is computed beside the data's device: nothing, although a machine without a GPU has only one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from advnotes import defences, metrics
from advnotes.attacks import HopSkipJump, OnlyAdd, Pose, Square
from advnotes.seeds import content_seeds
from advnotes.threats import L1, L2, Linf
from tests.advnotes.attacks.every import ATTACKS
from tests.advnotes.defences.networks import networks
from tests.advnotes.testing.test_games import GAMES

MAKERS = {
    *(
        torch.arange,
        torch.empty,
        torch.eye,
        torch.full,
        torch.linspace,
        torch.ones,
        torch.rand,
        torch.randint,
    ),
    *(torch.randn, torch.randperm, torch.tensor, torch.as_tensor, torch.zeros),
}


class OtherDevice(TorchFunctionMode):
    """Puts the tensors that are made without a word on the device on one where the data is not.

    So what forgets ``device=`` fails here, as it would with data on a GPU. A tensor of one number goes with any device.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        named = (kwargs or {}).get("device") is not None
        if function not in MAKERS or named or made.ndim == 0 or isinstance(args[0], torch.Tensor):
            return made
        return made.to("meta")


X, Y = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 5
SEEDS = content_seeds(X, Y)
# The squares of L1 and L2 are tables, made once on the processor and kept.
TABLES = [Square, *(type(a) for a in ATTACKS if type(a).__name__ == "AutoAttack")]
CASES = [
    *(a for a in ATTACKS if type(a) not in TABLES or isinstance(a.threat, Linf)),
    *(HopSkipJump(L2(0.5), steps=2), OnlyAdd(2), Pose()),
]


def test_the_other_device_is_another():
    with OtherDevice(), pytest.raises(RuntimeError):
        X[0, 0, 0] + torch.zeros(8)


@pytest.mark.parametrize("attack", CASES, ids=lambda a: f"{type(a).__name__} {getattr(a, 'threat', '')}")
def test_attacks_compute_where_the_data_is(attack):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 5)).eval()
    with OtherDevice():
        assert attack(net, X, Y, SEEDS).device == X.device


@pytest.mark.parametrize("name", GAMES)
def test_games_compute_where_the_data_is(name):
    make, batch = GAMES[name]
    game = make()
    for player in game.players:
        with OtherDevice():
            loss = game(player, *batch)
        assert loss.device == batch[0].device


@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.2), L1(0.5)], ids=repr)
def test_proofs_compute_where_the_data_is(threat):
    net = networks()["pooled"]
    x = X[..., :6, :6].contiguous()
    with OtherDevice():
        y = net(x).argmax(dim=1)
        found = defences.certify(net, x, y, threat, branches=4)
        assert found.proved.device == x.device
        assert defences.linear_margins(net, x, y, threat, steps=1).device == x.device


def test_metrics_compute_where_the_data_is():
    torch.manual_seed(0)
    net, rows, labels = nn.Linear(4, 3), torch.rand(60, 4), torch.arange(60) % 3
    with OtherDevice():
        metrics.accuracy(net, rows, labels)
        metrics.fooling_rate(net, rows, rows + 0.1)
        metrics.frechet_distance(rows, rows + 1)
        metrics.precision_recall(rows, rows + 0.1)
        metrics.density_coverage(rows, rows + 0.1)
        metrics.nearest_records(rows, rows + 0.1, rows - 0.1)
        metrics.mean_average_precision(rows, labels, rows + 0.1, labels)
        metrics.kernel_distance(rows, rows + 0.1, 2, 10)
        metrics.frechet_limit(rows, rows + 0.1, [20, 40])
        metrics.mode_coverage(rows, rows[:5], 0.5)
        metrics.effective_modes(rows, rows[:5], 0.5)
