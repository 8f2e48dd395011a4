"""What is resumed: the same game with the same settings; what else differs is refused or said."""

from __future__ import annotations

import copy
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

from advnotes import PGD, TRADES, AdversarialTraining, Linf
from advnotes.game import Game
from advnotes.loop import CheckpointError, checkpoint_files, play
from tests.advnotes.loop.small import Fit, fit, pairs, same


class Twice(Fit):
    turns = ("model", "model")


Twice.__qualname__ = "Fit"


def schedule(by: str) -> dict[str, Any]:
    game = Fit()
    optimizer = SGD(game.parameters(), lr=0.1)
    return {"game": game, "optimizer": optimizer, "schedules": StepLR(optimizer, 100), "schedule_by": by}


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({}, {"game": Twice()}, r"turns: \('model',\) there, \('model', 'model'\) here"),
        ({}, {"accumulate": 2}, "accumulate: {'model': 1} there, {'model': 2} here"),
        ({"clip": 0.5}, {"clip": 0.25}, "clip: {'model': 0.5} there, {'model': 0.25} here"),
        ({}, {"precision": "bfloat16"}, "precision: float32 there, bfloat16 here"),
        (
            schedule("step"),
            schedule("epoch"),
            "schedules: {'model': .*'step'.* there, {'model': .*'epoch'.* here",
        ),
        ({}, {"game": Fit(gamma=2.0)}, "gamma: 1.0 there, 2.0 here"),
    ],
)
def test_a_run_of_other_settings_is_refused_and_changes_nothing(
    first: dict[str, Any], second: dict[str, Any], message: str, tmp_path: Path
) -> None:
    fit(tmp_path, 2, **first)
    second = {"game": Fit()} | second
    before = copy.deepcopy(second["game"])
    with pytest.raises(CheckpointError, match=f"(?s)of another game .*{message}.*advnotes.load"):
        fit(tmp_path, 4, **second)
    assert same(second["game"], before)


@pytest.mark.filterwarnings("ignore:.*CUDA")
@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        (
            lambda model: TRADES(model, PGD(Linf(0.1)), beta=1.0),
            lambda model: TRADES(model, PGD(Linf(0.1)), beta=6.0),
            "beta",
        ),
        (lambda model: TRADES(model, PGD(Linf(0.3))), lambda model: TRADES(model, PGD(Linf(0.1))), "attack"),
        (
            lambda model: AdversarialTraining(model, PGD(Linf(0.1), steps=2)),
            lambda model: AdversarialTraining(model, PGD(Linf(0.1), steps=3)),
            "attack",
        ),
    ],
)
def test_the_games_of_the_package_tell_their_settings(
    first: Any, second: Any, name: str, tmp_path: Path
) -> None:
    data = [(torch.rand(4, 3), torch.tensor([0, 1, 1, 0]))]
    for make, steps in ((first, 1), (first, 2), (second, 3)):
        game: Game = make(torch.nn.Linear(3, 2))
        optimizer = SGD(game.parameters(), lr=0.1)
        if make is first:
            assert (
                play(game, data, optimizer, steps=steps, checkpoint=tmp_path, progress=False).steps == steps
            )
        else:
            with pytest.raises(CheckpointError, match=f"{name}: .* there, .* here"):
                play(game, data, optimizer, steps=steps, checkpoint=tmp_path, progress=False)


def rates(optimizer: Any) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def test_other_hyper_parameters_are_warned_of_and_those_of_the_checkpoint_used(tmp_path: Path) -> None:
    whole, _ = fit(None, 6)
    fit(tmp_path, 3)
    game = Fit()
    optimizer = SGD(game.parameters(), lr=1e-5, momentum=0.9)
    message = r"lr in the optimizer of 'model': 0\.1 there, 1e-05 here; momentum .*0 there, 0\.9 here"
    with pytest.warns(UserWarning, match=message) as found:
        fit(tmp_path, 6, game, optimizer=optimizer)
    assert len(found) == 1
    assert rates(optimizer) == [0.1]
    assert same(game, whole)


def with_schedule(folder: Path | None, steps: int, decays: int = 3) -> tuple[Any, Any]:
    game = Fit()
    optimizer = SGD(game.parameters(), lr=0.1)
    made = StepLR(optimizer, decays, gamma=0.5)
    fit(folder, steps, game, optimizer=optimizer, schedules=made)
    return game, optimizer


def test_what_a_schedule_changes_is_no_difference_in_whatever_part(tmp_path: Path) -> None:
    whole, _ = with_schedule(None, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for steps in (2, 4, 5, 8):
            game, optimizer = with_schedule(tmp_path, steps)
    assert same(game, whole)
    assert rates(optimizer) == [0.025]
    with pytest.warns(UserWarning, match="step_size in the schedule of 'model': 3 there, 4 here"):
        with_schedule(tmp_path, 9, decays=4)


class Counts(Fit):
    """A plain attribute that changes while the game is played is no setting."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.log = 0, list[float]()

    def model_loss(self, x: Tensor, y: Tensor) -> Tensor:
        self.calls += 1
        self.log.append(float(self.calls))
        return super().model_loss(x, y)


def test_a_second_call_with_the_same_objects_goes_on_without_a_word(tmp_path: Path) -> None:
    game = Counts()
    optimizer = Adam(game.parameters(), lr=0.1)
    made = CosineAnnealingLR(optimizer, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for steps in (2, 5):
            fit(tmp_path, steps, game, optimizer=optimizer, schedules=made)
        fresh = Counts()
        again = Adam(fresh.parameters(), lr=0.1)
        fit(tmp_path, 7, fresh, optimizer=again, schedules=CosineAnnealingLR(again, 20))
    assert (game.calls, fresh.calls) == (5, 2)


def loader(rows: int, size: int) -> Any:
    x, y = (torch.cat(parts) for parts in zip(*pairs(8), strict=True))
    return DataLoader(TensorDataset(x[:rows], y[:rows]), batch_size=size)


def test_other_data_and_another_machine_are_warned_of(tmp_path: Path) -> None:
    fit(tmp_path, 2, data=loader(40, 5))
    with pytest.warns(
        UserWarning, match="data: 40 samples in batches of 5 there, 40 samples in batches of 4 here"
    ):
        fit(tmp_path, 4, data=loader(40, 4))
    with pytest.warns(
        UserWarning, match="data: 40 samples in batches of 4 there, 36 samples in batches of 4 here"
    ):
        fit(tmp_path, 5, data=loader(36, 4))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        with pytest.warns(UserWarning, match=f"threads: {threads} there, {threads + 1} here"):
            fit(tmp_path, 6, data=loader(36, 4))
    finally:
        torch.set_num_threads(threads)


def test_a_finished_run_says_that_there_is_nothing_to_do(tmp_path: Path) -> None:
    fit(tmp_path, 5)
    with pytest.warns(UserWarning, match="resumed at step 5 of 5, nothing to do$"):
        fit(tmp_path, 5)


def rewrite(entry: Path, file: str, change: Any) -> None:
    """Change a JSON file of a checkpoint, and sign it again."""
    tree = checkpoint_files.decode(json.loads((entry / file).read_text()), _Every())
    (entry / file).write_text(json.dumps(checkpoint_files.encode(change(tree), {})))
    (entry / checkpoint_files.SUMS).unlink()
    checkpoint_files.seal(entry.rename(entry.with_name(".step-1.partial")), entry)


class _Every(dict[str, Tensor]):
    """Any tensor by any name."""

    def __missing__(self, name: str) -> Tensor:
        return torch.zeros(1)


@pytest.mark.parametrize("absent", ["optimizers", "history", "callbacks"])
def test_a_checkpoint_that_lacks_something_is_read_as_a_whole_before_anything_changes(
    absent: str, tmp_path: Path
) -> None:
    fit(tmp_path, 2)

    def drop(tree: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in tree.items() if key != absent}

    rewrite(tmp_path / "step-00000002", "training.json", drop)
    game = Fit()
    optimizer = SGD(game.parameters(), lr=0.3)
    with pytest.raises(CheckpointError, match=rf"cannot be read \(KeyError: .*{absent}"):
        fit(tmp_path, 4, game, optimizer=optimizer)
    assert same(game, Fit())
    assert rates(optimizer) == [0.3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree | {"format": 1}, "it has the format 1, this version reads 2"),
        (lambda tree: {"format": 2}, "its header lacks environment, hyper-parameters, identity"),
    ],
)
def test_other_formats_are_refused_clearly(change: Any, message: str, tmp_path: Path) -> None:
    fit(tmp_path, 2)
    rewrite(tmp_path / "step-00000002", "header.json", change)
    with pytest.raises(CheckpointError, match=f"{message}(.|\n)*delete it, or name another folder"):
        fit(tmp_path, 4)


@pytest.mark.usefixtures("unchecked")  # the annotations say int, and NumPy's are taken all the same
def test_whole_numbers_of_numpy_are_whole_numbers(tmp_path: Path) -> None:
    one = np.int64(1)
    counts: Any = {"callback_every": one, "checkpoint_every": one, "keep": one, "accumulate": {"model": one}}
    fit(tmp_path, np.int64(3), clip=np.float32(0.5), epochs=np.int32(9), **counts)  # type: ignore[arg-type]
    _, history = fit(tmp_path, 4, clip=0.5, accumulate=1)
    assert history.steps == 4


@dataclass(frozen=True)
class Rule:
    size: float
    of: Any


def test_settings_are_plain_values_and_may_be_told_otherwise() -> None:
    def choose(x: Tensor) -> Tensor:
        return x

    game = Fit()
    game.rule, game.choose, game.pair = Rule(0.5, choose), choose, (1, "a", None)  # type: ignore[assignment]
    game.log, game._hidden, game.kind, game.weights = [1.0], 3, torch.float16, torch.ones(2)  # type: ignore[assignment]
    found = game.settings()
    name = f"{__name__}.{choose.__qualname__}"
    assert found == {
        "gamma": "1.0",
        "rule": f"Rule(size=0.5, of={name})",
        "choose": name,
        "pair": "(1, 'a', None)",
        "kind": "torch.float16",
    }
    assert not re.search(r"0x[0-9a-f]+", str(found)), "addresses differ from process to process"

    class Told(Fit):
        def settings(self) -> dict[str, str]:
            return {"level": str(round(self.gamma))}

    assert Told(3.2).settings() == {"level": "3"}
