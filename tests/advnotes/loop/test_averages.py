"""The moving average of modules as people write them: buffers put in each other's place, kept results, lazy layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from advnotes.game import Game
from advnotes.loop import State, play
from advnotes.loop.averages import Average, copy_module
from tests.advnotes.loop.small import pairs


class Scale(nn.Module):
    """A running scale that every forward replaces, and a buffer that is only there from the first one on."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("late", None)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.scale = 0.5 * self.scale + x.detach().abs().mean()
            self.late = self.scale + 1
        out: Tensor = self.linear(x) * self.scale
        return out


class OneModule(Game):
    """A game of one module."""

    turns = ("model",)

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def model_loss(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.model(x) - y).square().mean()


def test_buffers_that_are_replaced_are_averaged_as_if_they_were_not() -> None:
    game = OneModule(Scale())
    expected = {"scale": torch.ones(1)}

    def follow(state: State) -> None:
        expected["scale"] = 0.75 * expected["scale"] + 0.25 * game.model.scale
        expected["late"] = (
            0.75 * expected["late"] + 0.25 * game.model.late if "late" in expected else game.model.late
        )

    history = play(
        game,
        pairs(),
        SGD(game.parameters(), lr=0.01),
        steps=7,
        ema={"model": 0.75},
        callbacks=[follow],
        callback_every=1,
        progress=False,
    )
    average: Any = history.averages["model"]
    torch.testing.assert_close(average.scale, expected["scale"])
    torch.testing.assert_close(average.late, expected["late"])
    assert not torch.equal(average.scale, game.model.scale)
    assert set(average.state_dict()) == set(game.model.state_dict())


class Keeps(nn.Module):
    """Keeps what it computed: bare, in a list and in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.kept: Any = None

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x)
        self.kept = {"out": out, "all": [out.tanh(), (out.exp(),)]}
        return out


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.utils.spectral_norm(nn.Linear(3, 1)),
        lambda: nn.utils.weight_norm(nn.Linear(3, 1)),
        lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 1)),
        Keeps,
    ],
    ids=["spectral_norm", "weight_norm", "parametrized", "keeps"],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_a_module_that_was_used_before_has_an_average(make: Any) -> None:
    game = OneModule(make())
    game.model(torch.ones(2, 3))
    for _ in range(2):  # the second time after a training
        history = play(
            game, pairs(), SGD(game.parameters(), lr=0.1), steps=3, ema={"model": 0.0}, progress=False
        )
    x = torch.randn(4, 3)
    average = history.averages["model"]
    torch.testing.assert_close(average.eval()(x), game.model.eval()(x))  # a decay of 0 copies
    assert not any(parameter.requires_grad for parameter in average.parameters())
    ours = {id(tensor) for tensor in game.model.state_dict(keep_vars=True).values()}
    assert not ours & {id(tensor) for tensor in average.state_dict(keep_vars=True).values()}


def test_a_copy_has_the_values_of_what_was_kept() -> None:
    module = Keeps()
    out = module(torch.ones(2, 3))
    copied: Any = copy_module(module)
    assert torch.equal(copied.kept["out"], out)
    assert copied.kept["out"].grad_fn is None
    assert torch.equal(copied.kept["all"][1][0], out.exp())
    assert module.kept["out"] is out


def test_a_module_that_cannot_be_copied_is_named() -> None:
    class Box:
        def __init__(self, tensor: Tensor) -> None:
            self.tensor = tensor

    module = nn.Linear(3, 1)
    module.box = Box(module(torch.ones(1, 3)))  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"ema keeps a copy of 'critic'.*tensor\.detach\(\)"):
        Average("critic", module, 0.9)


@pytest.mark.parametrize("lazy", [nn.LazyLinear(1), nn.Sequential(nn.Linear(3, 1), nn.LazyBatchNorm1d())])
def test_lazy_modules_are_to_be_run_first(lazy: nn.Module) -> None:
    game = OneModule(lazy)
    with pytest.raises(ValueError, match=r"model\.\S* is of a lazy module.*run the module once"):
        play(game, pairs(), SGD(game.parameters(), lr=0.1), steps=1, progress=False)
    with torch.no_grad():
        lazy(torch.ones(2, 3))
    history = play(game, pairs(), SGD(game.parameters(), lr=0.1), steps=1, ema={"model": 0.5}, progress=False)
    assert history.steps == 1
