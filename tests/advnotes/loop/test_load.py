"""The weights of a checkpoint alone: to use them, or to begin another run with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import advnotes
from advnotes.loop import CheckpointError
from tests.advnotes.loop.small import Fit, fit, same


class Wide(Fit):
    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(3, 2)


class Other(Fit):
    """Another class with the same tensors."""


def test_the_last_weights_start_another_run(tmp_path: Path) -> None:
    game, _ = fit(tmp_path / "first", 6, checkpoint_every=3)
    other = Other(gamma=7.0)
    nn.init.zeros_(other.model.weight)
    assert advnotes.load(other, tmp_path / "first") == 6
    assert same(other, game)
    _, history = fit(tmp_path / "second", 2, other, lr=0.5)
    assert history.steps == 2
    earlier = Fit()
    assert advnotes.load(earlier, str(tmp_path / "first" / "step-00000003")) == 3
    assert not same(earlier, game)


def test_averages_come_instead_of_the_weights_where_they_are_asked_for(tmp_path: Path) -> None:
    _, history = fit(tmp_path, 6, ema={"model": 0.9})
    average = history.averages["model"]
    for averages in (True, ["model"]):
        game = Fit()
        advnotes.load(game, tmp_path, averages=averages)
        assert same(game.model, average)
    with pytest.raises(ValueError, match=r"no moving average of 'critic'.*\['model'\]"):
        advnotes.load(Fit(), tmp_path, averages=["critic"])


def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    fit(tmp_path, 2)
    game, before = Wide(), None
    before = [parameter.clone() for parameter in game.parameters()]
    with pytest.raises(
        CheckpointError, match=r"model.weight is float32\[1, 3\] there and float32\[2, 3\] in"
    ):
        advnotes.load(game, tmp_path)
    assert all(map(torch.equal, game.parameters(), before))


def test_a_damaged_checkpoint_is_passed_over_and_none_is_an_error(tmp_path: Path) -> None:
    fit(tmp_path, 4, checkpoint_every=2)
    (tmp_path / "step-00000004" / "game.safetensors").write_bytes(b"?")
    assert advnotes.load(Fit(), tmp_path) == 2
    with pytest.raises(CheckpointError, match="not a folder"):
        advnotes.load(Fit(), tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="no SHA256SUMS"):
        advnotes.load(Fit(), tmp_path.parent)
