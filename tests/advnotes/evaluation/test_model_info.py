"""What is said of a model and of attacks, and which models are refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from advnotes.attacks import EOT, PGD, Transfer
from advnotes.evaluation import model_info, names
from advnotes.identity import modules
from advnotes.losses import margin_loss
from advnotes.threats import Linf
from tests.advnotes.evaluation import models


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)).eval()


def test_choices_say_every_choice() -> None:
    eps = torch.tensor([0.1, 0.2])
    attacks = [
        PGD(Linf(0.1)),
        PGD(Linf(0.2)),
        PGD(Linf(eps)),
        PGD(Linf(eps.flip(0))),
        PGD(Linf(0.1), loss=margin_loss),
        EOT(PGD(Linf(0.1))),
        EOT(PGD(Linf(0.1), loss=margin_loss)),
        Transfer(PGD(Linf(0.1)), models.Linear()),
        Transfer(PGD(Linf(0.1)), models.Linear(2.0)),
    ]
    words = [names.config_text(attack) for attack in attacks]
    assert len(set(words)) == len(words)
    assert "loss=margin_loss" in words[4]
    assert words[0] == names.config_text(PGD(Linf(0.1)))


def test_a_model_is_called_by_its_layers() -> None:
    assert model_info.describe_model(network()) == "Sequential (Conv2d, BatchNorm2d, Flatten, Linear)"
    assert model_info.describe_model(nn.Linear(2, 2)) == "Linear"
    assert model_info.count_parameters(network()) == 20 + 4 + 27
    net = network()
    wrapped = lambda x: net(x).relu()  # noqa: E731
    assert model_info.describe_model(wrapped).endswith(
        "<lambda> of Sequential (Conv2d, BatchNorm2d, Flatten, Linear)"
    )
    assert modules(net.forward) == {"model": net}


def test_a_function_around_a_model_in_train_mode_is_refused_by_name() -> None:
    net = network().train()
    with pytest.raises(ValueError, match=r"model 'net', which the function calls, is in train mode"):
        model_info.check_model(lambda x: net(x))
    with pytest.raises(ValueError, match="is in train mode"):
        model_info.check_model(functools.partial(torch.func.functional_call, net, {}))


def broken(change: Callable[[nn.Sequential], None]) -> nn.Module:
    net = network()
    with torch.no_grad():
        change(net)
    return net


def spoilt(layer: int, name: str, values: Any) -> Callable[[nn.Sequential], None]:
    def change(net: nn.Sequential) -> None:
        getattr(net[layer], name).view(-1)[: len(values)] = torch.tensor(values)

    return change


SHARED = network().train()


def calls_a_global_one(x: torch.Tensor) -> torch.Tensor:
    return SHARED(x)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "maps inputs to logits, got int, which cannot be called"),
        (None, "got NoneType"),
        ("resnet", "got str"),
        (torch.zeros(3), "got Tensor"),
        (nn.Flatten, r"the model is the class Flatten: make one of it, Flatten\(\.\.\.\)"),
        (network().train(), r"the model is in train mode \(it, a Sequential\).*call model\.eval\(\) first"),
        (
            broken(lambda net: net[1].train()),
            r"the model is in train mode \(its layer 1, a BatchNorm2d\).*F\.dropout\(x, training=True\)",
        ),
        (network().train().forward, "the model is in train mode"),
        (calls_a_global_one, "the model 'SHARED', which the function calls, is in train mode"),
        (
            broken(spoilt(0, "weight", [torch.nan])),
            r"0\.weight of the model has 1 of 18 values .* not finite",
        ),
        (broken(spoilt(3, "bias", [torch.inf, -torch.inf])), r"3\.bias of the model has 2 of 3 values"),
        (
            broken(spoilt(1, "running_var", [torch.inf])),
            r"1\.running_var of the model has 1 of 2 values that are not finite: did its training diverge",
        ),
    ],
)
def test_a_model_that_cannot_be_evaluated_is_refused(model: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_info.check_model(model)


def test_weights_of_a_model_that_a_function_calls_are_looked_at_too() -> None:
    net = broken(spoilt(3, "weight", [torch.nan]))
    with pytest.raises(
        ValueError, match=r"3\.weight of the model 'net', which the function calls, has 1 of 24"
    ):
        model_info.check_model(lambda x: net(x))


def test_models_that_can_be_evaluated_are_not_refused() -> None:
    net = network()
    frozen = network().requires_grad_(False).double()
    for model in (net, frozen, net.forward, lambda x: net(x), lambda x: x.flatten(1), models.Noisy().eval()):
        model_info.check_model(model)
    net.register_buffer("count", torch.tensor(3))  # whole numbers are finite
    model_info.check_model(net)
