"""Callbacks: they may end the game, keep a state, and never see weights that are not finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from advnotes import StopPlaying
from advnotes.loop import NonFiniteLoss, State
from tests.advnotes.loop.small import Fit, fit, names, same


def stop_at(step: int) -> Any:
    def stop(state: State) -> None:
        if state.step >= step:
            raise StopPlaying("good enough", {"score": 0.5})

    return stop


def test_a_callback_ends_the_game_with_its_history_and_its_checkpoint(tmp_path: Path) -> None:
    other: list[int] = []
    callbacks = [stop_at(4), lambda state: other.append(state.step)]
    game, history = fit(tmp_path, 20, callbacks=callbacks, callback_every=2)
    assert history.steps == 4
    assert history.metrics == [{"step": 4, "score": 0.5}]
    assert other == [2, 4], "the others are called as well"
    assert names(tmp_path) == ["step-00000004"]
    with pytest.warns(UserWarning, match="resumed at step 4 of 20, nothing to do as a callback.*good enough"):
        again, history = fit(tmp_path, 20, Fit(), callbacks=callbacks, callback_every=2)
    assert same(again, game)
    assert (history.steps, other) == (4, [2, 4])


def test_without_a_reason_the_callback_is_named(tmp_path: Path) -> None:
    class Enough:
        def __call__(self, state: State) -> None:
            raise StopPlaying

    fit(tmp_path, 3, callbacks=[Enough()])
    with pytest.warns(UserWarning, match="the callback Enough ended the game"):
        fit(tmp_path, 5, callbacks=[Enough()])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            torch.ones(3),
            r"callback measure returns one number for each name, got a Tensor of shape \(3,\) for 'a'",
        ),
        ("much", "callback measure returns one number for each name, got a str for 'a'"),
        ([1.0], "got a list for 'a'"),
        (1j, "got a complex for 'a'"),
    ],
)
def test_a_callback_that_returns_no_numbers_is_named(value: Any, message: str) -> None:
    def measure(state: State) -> Any:
        return {"a": value}

    with pytest.raises(ValueError, match=message) as stop:
        fit(None, 2, callbacks=[measure])
    assert stop.value.history.steps == 2  # type: ignore[attr-defined]


class Best:
    """Remembers the best loss and how many looks it has had."""

    def __init__(self) -> None:
        self.best, self.looks = torch.tensor(float("inf")), 0

    def __call__(self, state: State) -> dict[str, float]:
        self.looks += 1
        self.best = torch.minimum(self.best, torch.tensor(state.history.losses["model"][-1]))
        return {"best": float(self.best)}

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "looks": self.looks}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.looks = state_dict["best"], state_dict["looks"]


def test_what_a_callback_remembers_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, parts = Best(), Best()
    _, expected = fit(None, 9, callbacks=[whole], callback_every=3)
    fit(tmp_path, 6, callbacks=[Best()], callback_every=3)
    _, history = fit(tmp_path, 9, callbacks=[parts], callback_every=3)
    assert (parts.best, parts.looks) == (whole.best, 3)
    assert history.metrics == expected.metrics


def test_a_state_that_has_no_callback_any_more_is_warned_of(tmp_path: Path) -> None:
    fit(tmp_path, 6, callbacks=[Best()])
    with pytest.warns(UserWarning, match=r"callbacks with a state: \['0 Best'\] there, \[\] here"):
        fit(tmp_path, 9)


def test_callbacks_and_averages_never_see_weights_that_are_not_finite() -> None:
    game = Fit()
    steps: list[int] = []

    def overflow(gradient: Tensor) -> Tensor:
        steps.append(len(steps))
        return gradient * (float("inf") if len(steps) == 4 else 1.0)

    game.model.weight.register_hook(overflow)
    seen: list[bool] = []

    def look(state: State) -> None:
        seen.append(all(bool(p.isfinite().all()) for p in state.game.parameters()))

    with pytest.raises(NonFiniteLoss, match="not finite after its step at step 4"):
        fit(None, 9, game, callbacks=[look], callback_every=2)
    assert seen == [True]
