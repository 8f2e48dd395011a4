"""What is told of a game that ended badly: the record so far, the place, the batch, and whose fault it may be."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from advnotes.loop import History, NonFiniteLoss
from tests.advnotes.loop.small import Fit, fit, pairs


def with_a_bad_number(value: float, batch: int, part: int = 0) -> list[tuple[Tensor, Tensor]]:
    data = pairs(6)
    data[batch][part][2, 0] = value
    return data


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", [0, 1])
def test_data_that_is_not_finite_is_named_as_such(value: float, part: int) -> None:
    with pytest.raises(NonFiniteLoss, match="A batch of this step holds NaN or infinities") as stop:
        fit(None, 6, data=with_a_bad_number(value, 3, part))
    assert (stop.value.step, stop.value.bad_data) == (4, True)
    assert stop.value.history.steps == 3


def test_a_game_that_diverges_on_good_data_is_advised_about_its_rate() -> None:
    with pytest.raises(NonFiniteLoss, match="Lower the learning rate") as stop:
        fit(None, 500, lr=1e9)
    assert not stop.value.bad_data


def test_data_that_is_large_or_that_nobody_looks_at_is_not_accused() -> None:
    class Ignores(Fit):
        def model_loss(self, x: Tensor, y: Tensor) -> Tensor:
            return super().model_loss(torch.ones(5, 3), torch.ones(5, 1))

    _, history = fit(None, 6, Ignores(), data=with_a_bad_number(float("nan"), 3))
    assert history.steps == 6

    class Roots(Fit):
        def model_loss(self, x: Tensor, y: Tensor) -> Tensor:
            return (self.model(torch.ones(1, 3)).abs() + 1).mean() * (-y[0, 0]).sqrt()

    large = [(torch.full((5, 3), 3e38), torch.full((5, 1), 3e38))]
    with pytest.raises(NonFiniteLoss, match="Lower the learning rate"):
        fit(None, 2, Roots(), data=large)


def test_data_without_a_number_that_could_be_infinite_is_not_accused() -> None:
    class Words(Fit):
        def model_loss(self, words: Tensor) -> Tensor:
            return self.model(words.float()).mean() / 0

    with pytest.raises(NonFiniteLoss, match="Lower the learning rate") as stop:
        fit(None, 2, game=Words(), data=[torch.arange(6).reshape(2, 3)])
    assert stop.value.bad_data is False


class Trips(Fit):
    def model_loss(self, x: Tensor, y: Tensor) -> Tensor:
        if x.isnan().any():
            raise TypeError("tripped")
        return super().model_loss(x, y)


def test_an_error_tells_where_it_was_met_and_has_the_record() -> None:
    with pytest.raises(TypeError, match="tripped") as stop:
        fit(None, None, Trips(), epochs=2, data=with_a_bad_number(float("nan"), 3), accumulate=2)
    history = stop.value.history  # type: ignore[attr-defined]
    assert isinstance(history, History)
    assert history.steps == len(history.losses["model"]) == 1, "the second step was not over"
    (note,) = stop.value.__notes__
    assert "model_loss of Trips, at step 2 in epoch 0, for the batch (float32[5, 3], float32[5, 1])" in note


def test_a_last_batch_of_one_sample_is_explained() -> None:
    game: Any = Fit()
    game.model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    data = DataLoader(TensorDataset(torch.randn(17, 3), torch.randn(17, 1)), batch_size=8)
    with pytest.raises(ValueError, match="more than 1 value per channel") as stop:
        fit(None, 9, game, data=data)
    assert "float32[1, 3]" in stop.value.__notes__[0]
    assert "drop_last=True" in stop.value.__notes__[0]


def test_measurements_of_different_steps_become_columns() -> None:
    history = History(
        {"model": [3.0, 2.0, 1.0]},
        epochs=[0, 0, 1],
        metrics=[{"step": 1.0, "a": 0.5}, {"step": 3.0, "b": 2.0, "a": 0.25}],
        averages={},
    )
    frame = history.to_pandas()
    assert list(frame.columns) == ["epoch", "model_loss", "a", "b"]
    assert frame["a"].dropna().to_dict() == {1: 0.5, 3: 0.25}
    assert frame["b"].dropna().to_dict() == {3: 2.0}
    assert frame["epoch"].dtype.kind == "i"
