"""Schedules by step, by round, by epoch and by what was measured, against loops written out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, OneCycleLR, ReduceLROnPlateau

from advnotes.game import Game
from advnotes.loop import State
from tests.advnotes.loop.small import Fit, fit, pairs, same


class Thrice(Fit):
    turns = ("model", "model", "model")


def scheduled(
    game: Game, make: Any, folder: Path | None = None, steps: int | None = None, **options: Any
) -> Any:
    """Play with a schedule; the game, the history and the rate at the end."""
    optimizer = SGD(game.parameters(), lr=0.1)
    _, history = fit(folder, steps, game, optimizer=optimizer, schedules=make(optimizer), **options)
    return game, history, optimizer.param_groups[0]["lr"]


def halving(optimizer: SGD) -> ExponentialLR:
    return ExponentialLR(optimizer, 0.5)


@pytest.mark.parametrize(("by", "falls"), [("step", 12), ("round", 4), ("epoch", 3)])
def test_each_unit_is_counted(by: str, falls: int) -> None:
    # Three batches a round: four rounds read four batches three times.
    _, _, rate = scheduled(Thrice(), halving, steps=None, epochs=3, schedule_by=by)
    assert rate == 0.1 * 0.5**falls


def test_by_epoch_is_the_usual_loop_whole_and_in_parts(tmp_path: Path) -> None:
    theirs = Fit()
    optimizer = SGD(theirs.parameters(), lr=0.1)
    schedule = halving(optimizer)
    for _ in range(3):
        for x, y in pairs():
            optimizer.zero_grad()
            theirs.model_loss(x, y).backward()
            optimizer.step()
        schedule.step()
    mine, _, rate = scheduled(Fit(), halving, epochs=3, schedule_by="epoch")
    assert same(mine, theirs)
    assert rate == optimizer.param_groups[0]["lr"]
    for steps in (3, 4, 9):
        scheduled(Fit(), halving, tmp_path, steps=steps, schedule_by={"model": "epoch"})
    parts, _, rate = scheduled(Fit(), halving, tmp_path, epochs=3, schedule_by={"model": "epoch"})
    assert same(parts, theirs)
    assert rate == optimizer.param_groups[0]["lr"]


def plateau(optimizer: SGD) -> ReduceLROnPlateau:
    return ReduceLROnPlateau(optimizer, patience=0, factor=0.5, threshold=0.05)


def test_a_plateau_is_told_the_mean_loss_of_each_epoch(tmp_path: Path) -> None:
    theirs = Fit()
    optimizer = SGD(theirs.parameters(), lr=0.1)
    schedule = plateau(optimizer)
    for _ in range(6):
        losses = []
        for x, y in pairs():
            optimizer.zero_grad()
            loss = theirs.model_loss(x, y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step(sum(losses) / len(losses))
    assert optimizer.param_groups[0]["lr"] < 0.1, "the oracle has to fall"
    mine, _, rate = scheduled(Fit(), plateau, epochs=6, schedule_by="model_loss")
    assert (same(mine, theirs), rate) == (True, optimizer.param_groups[0]["lr"])
    for steps in (5, 8):
        scheduled(Fit(), plateau, tmp_path, steps=steps, schedule_by="model_loss")
    parts, _, rate = scheduled(Fit(), plateau, tmp_path, epochs=6, schedule_by="model_loss")
    assert (same(parts, theirs), rate) == (True, optimizer.param_groups[0]["lr"])


def test_a_plateau_is_told_a_metric_each_time_that_it_is_measured() -> None:
    scores = iter([3.0, 2.0, 2.0, 1.0, 1.5])

    def measure(state: State) -> dict[str, float]:
        return {"score": next(scores)}

    rates = []
    look = {"callbacks": [measure, lambda state: rates.append(optimizer.param_groups[0]["lr"])]}
    game = Fit()
    optimizer = SGD(game.parameters(), lr=1.0)
    schedule = plateau(optimizer)
    fit(
        None, 10, game, optimizer=optimizer, schedules=schedule, schedule_by="score", callback_every=2, **look
    )
    assert rates == [1.0, 1.0, 1.0, 0.5, 0.5], "halved after the third, seen at the fourth"
    assert optimizer.param_groups[0]["lr"] == 0.25


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (plateau, {}, "ReduceLROnPlateau of 'model' waits for a value: name it, such as schedule_by="),
        (plateau, {"schedule_by": "epoch"}, "ReduceLROnPlateau of 'model' waits for a value"),
        (plateau, {"schedule_by": "score"}, "waits for 'score': pass the callback that measures it"),
        (
            halving,
            {"schedule_by": "score"},
            "'step', 'round', 'epoch' for the ExponentialLR of 'model', got 'score'",
        ),
        (halving, {"schedule_by": {"critic": "epoch"}}, "schedule_by names 'critic'"),
    ],
)
def test_units_that_do_not_fit_are_refused(make: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scheduled(Fit(), make, steps=3, **options)


def test_a_metric_that_nobody_measures_is_named_with_those_that_are() -> None:
    look: Any = {"callbacks": [lambda state: {"accuracy": 1.0}], "callback_every": 1}
    with pytest.raises(ValueError, match="waits for 'score', and the callbacks measured 'accuracy'"):
        scheduled(Fit(), plateau, steps=3, schedule_by="score", **look)


def one_cycle(total: int) -> Any:
    return lambda optimizer: OneCycleLR(optimizer, 0.1, total_steps=total)


def test_one_cycle_is_compared_with_the_game_before_the_first_step(tmp_path: Path) -> None:
    game, before = Thrice(), Thrice()
    with pytest.raises(
        ValueError, match=r"total_steps=8, and the game has 24 .*total_steps=24.*schedule_by='round'"
    ):
        scheduled(game, one_cycle(8), steps=8)
    with pytest.raises(ValueError, match="the game has 12"):
        scheduled(game, one_cycle(11), epochs=3)  # twelve batches, three in each round
    with pytest.raises(ValueError, match="the game has 3 epochs"):
        scheduled(game, one_cycle(2), epochs=3, schedule_by="epoch")
    assert same(game, before)
    scheduled(Thrice(), one_cycle(24), tmp_path, steps=4)
    scheduled(Thrice(), one_cycle(24), tmp_path, steps=8)
    scheduled(Thrice(), one_cycle(8), steps=8, schedule_by="round")


def test_a_cosine_that_turns_round_is_warned_of(recwarn: pytest.WarningsRecorder) -> None:
    with pytest.warns(UserWarning, match=r"T_max=8, and the game has 24 .*rise again"):
        scheduled(Thrice(), lambda optimizer: CosineAnnealingLR(optimizer, 8), steps=8)
    recwarn.clear()
    scheduled(Thrice(), lambda optimizer: CosineAnnealingLR(optimizer, 24), steps=8)
    assert not recwarn.list


def test_two_players_have_units_of_their_own() -> None:
    class Two(Game):
        turns = ("a", "a", "b")

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)

        def a_loss(self, x: Any, y: Any) -> Any:
            return self.a(x).mean()

        def b_loss(self, x: Any, y: Any) -> Any:
            return self.b(x).mean()

    game = Two()
    optimizers = {name: SGD(player.parameters(), lr=1.0) for name, player in game.players.items()}
    schedules = {name: halving(optimizer) for name, optimizer in optimizers.items()}
    fit(None, 3, game, optimizer=optimizers, schedules=schedules, schedule_by={"a": "round"})
    assert [optimizers[name].param_groups[0]["lr"] for name in "ab"] == [0.125, 0.125]
    fit(None, 3, game, optimizer=optimizers, schedules=schedules)
    assert [optimizers[name].param_groups[0]["lr"] for name in "ab"] == [0.125 * 0.5**6, 0.125**2]
