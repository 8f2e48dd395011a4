"""The loop against loops written out by hand, and against everything that could disturb it."""

from __future__ import annotations

import copy
import io
import random
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, MultiStepLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

from advnotes.game import Game
from advnotes.loop import CheckpointError, NonFiniteLoss, State, losses, play
from advnotes.loop.history import History
from tests.advnotes.loop.small import Fit, names, pairs, same


class Duel(Game):
    """Two players and a module that is nobody's; the noise comes from the global generator."""

    turns: Any = ("critic", "actor")

    def __init__(self) -> None:
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))
        self.critic = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
        self.judge = nn.Linear(2, 1)
        self.asked: list[tuple[str, float]] = []

    def fake(self, x: Tensor) -> Tensor:
        out: Tensor = self.actor(torch.randn_like(x))
        return out

    def critic_loss(self, x: Tensor) -> Tensor:
        self.asked.append(("critic", float(x[0, 0].detach())))
        return self.critic(self.fake(x)).mean() - self.critic(x).mean() + self.critic(x).square().mean()

    def actor_loss(self, x: Tensor) -> Tensor:
        self.asked.append(("actor", float(x[0, 0].detach())))
        return -self.critic(self.fake(x)).mean() + 0.1 * self.judge(self.fake(x)).mean()


def seeded(kind: Callable[[], Game], seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return kind()


def adams(game: Game, lr: float = 1e-2) -> dict[str, Optimizer]:
    return {name: Adam(player.parameters(), lr=lr) for name, player in game.players.items()}


def numbered(count: int, size: int = 6) -> list[Tensor]:
    """Batches that say which they are in their first entry."""
    generator = torch.Generator().manual_seed(9)
    batches = torch.randn(count, size, 2, generator=generator)
    batches[:, 0, 0] = torch.arange(count)
    return list(batches)


def quiet(game: Game, data: Any, optimizers: Any, **options: Any) -> History:
    return play(game, data, optimizers, progress=False, **options)


# The loop itself


def test_one_player_is_the_plain_loop_bit_for_bit() -> None:
    mine, theirs = seeded(Fit), seeded(Fit)
    history = quiet(mine, pairs(8), Adam(mine.parameters()), epochs=3)
    optimizer, losses = Adam(theirs.parameters()), []
    for _ in range(3):
        for x, y in pairs(8):
            optimizer.zero_grad()
            loss = theirs.model_loss(x, y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert same(mine, theirs)
    assert history.losses == {"model": losses}
    assert history.epochs == [0] * 8 + [1] * 8 + [2] * 8
    assert history.steps == 24


def test_a_shuffling_loader_is_read_as_the_plain_loop_reads_it() -> None:
    rows = TensorDataset(*(torch.cat(parts) for parts in zip(*pairs(8), strict=True)))
    mine, theirs = seeded(Fit), seeded(Fit)
    torch.manual_seed(3)
    quiet(mine, DataLoader(rows, batch_size=4, shuffle=True), Adam(mine.parameters()), epochs=2)
    torch.manual_seed(3)
    optimizer = Adam(theirs.parameters())
    loader = DataLoader(rows, batch_size=4, shuffle=True)
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            theirs.model_loss(x, y).backward()
            optimizer.step()
    assert same(mine, theirs)


def test_two_players_are_the_usual_alternation_bit_for_bit() -> None:
    mine, theirs = seeded(Duel), seeded(Duel)
    torch.manual_seed(1)
    quiet(mine, numbered(5), adams(mine), epochs=2)
    torch.manual_seed(1)
    optimizers = adams(theirs)
    for _ in range(2):
        for x in numbered(5):
            for player in ("critic", "actor"):
                optimizers[player].zero_grad()
                theirs(player, x).backward()
                optimizers[player].step()
    assert same(mine, theirs)


def test_players_that_move_at_once_take_their_gradients_at_the_same_point() -> None:
    class Bilinear(Game):
        turns: Any = (("x", "y"),)

        def __init__(self) -> None:
            super().__init__()
            self.x, self.y = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
            nn.init.ones_(self.x.weight)
            nn.init.ones_(self.y.weight)

        def x_loss(self, _: Tensor) -> Tensor:
            return (self.x.weight * self.y.weight).sum()

        def y_loss(self, _: Tensor) -> Tensor:
            return -(self.x.weight * self.y.weight).sum()

    one = [torch.zeros(1)]
    at_once, in_turn = Bilinear(), Bilinear()
    in_turn.turns = ("x", "y")
    for game in (at_once, in_turn):
        quiet(
            game,
            one,
            {name: SGD(player.parameters(), lr=0.5) for name, player in game.players.items()},
            steps=1,
        )
    # From (1, 1): x - y/2 and y + x/2 at once give (0.5, 1.5); in turn y sees the new x and gets 1.25.
    assert (at_once.x.weight.item(), at_once.y.weight.item()) == (0.5, 1.5)
    assert (in_turn.x.weight.item(), in_turn.y.weight.item()) == (0.5, 1.25)


def test_a_round_reads_the_same_batches_for_every_player_from_its_start() -> None:
    game = seeded(Duel)
    game.turns = ("critic", "critic", "critic", "actor")
    quiet(game, numbered(7), adams(game), steps=3)
    expected = [(0, 1, 2, 0), (3, 4, 5, 3), (6, 0, 1, 6)]  # on over the end of the epoch
    assert game.asked == [
        (player, float(i)) for row in expected for player, i in zip(game.turns, row, strict=True)
    ]


def test_accumulation_reads_on_within_the_round() -> None:
    game = seeded(Duel)
    quiet(game, numbered(8), adams(game), steps=2, accumulate={"critic": 2, "actor": 4})
    first = [("critic", 0.0), ("critic", 1.0), ("actor", 0.0), ("actor", 1.0), ("actor", 2.0), ("actor", 3.0)]
    assert game.asked == first + [(player, i + 4) for player, i in first]


def test_a_round_starts_only_while_epochs_are_left() -> None:
    game = seeded(Duel)
    history = quiet(game, numbered(7), adams(game), epochs=2, accumulate=4)
    # 14 batches in rounds of 4: the fourth starts in the second epoch and reads on into the third.
    assert history.epochs == [0, 0, 1, 1]


@given(pieces=st.integers(1, 4), clip=st.none() | st.floats(0.01, 2.0))
def test_accumulated_gradients_are_the_mean_and_are_clipped(pieces: int, clip: float | None) -> None:
    mine, theirs = seeded(Fit), seeded(Fit)
    batches = pairs(pieces)
    history = quiet(mine, batches, SGD(mine.parameters(), lr=0.1), steps=1, accumulate=pieces, clip=clip)
    whole = theirs.model_loss(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
    whole.backward()
    gradient = torch.cat([parameter.grad.flatten() for parameter in theirs.parameters()])
    if clip is not None:
        gradient = gradient * min(1.0, clip / (gradient.norm().item() + 1e-6))
    moved = [(a - b).flatten() for a, b in zip(theirs.parameters(), mine.parameters(), strict=True)]
    torch.testing.assert_close(torch.cat(moved) / 0.1, gradient, rtol=1e-4, atol=1e-6)
    assert history.losses["model"][0] == pytest.approx(whole.item(), rel=1e-5)


def test_schedules_step_with_their_players() -> None:
    game = seeded(Duel)
    game.turns = ("critic", "critic", "actor")
    optimizers = adams(game, lr=1.0)
    schedules = {"critic": StepLR(optimizers["critic"], step_size=1, gamma=0.5)}
    quiet(game, numbered(4), optimizers, steps=2, schedules=schedules)
    assert optimizers["critic"].param_groups[0]["lr"] == 0.5**4
    assert optimizers["actor"].param_groups[0]["lr"] == 1.0


def test_the_average_follows_its_equation_and_takes_buffers_along() -> None:
    game = seeded(Duel)
    expected = {name: value.clone() for name, value in game.actor.state_dict().items()}

    def follow(state: State) -> None:
        for name, value in game.actor.state_dict().items():
            expected[name] = (
                0.75 * expected[name] + 0.25 * value if value.is_floating_point() else value.clone()
            )

    history = quiet(
        game, numbered(4), adams(game), steps=6, ema={"actor": 0.75}, callbacks=[follow], callback_every=1
    )
    found = history.averages["actor"].state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    assert not same(history.averages["actor"], game.actor)
    assert set(history.averages) == {"actor"}
    assert isinstance(history.averages["actor"], nn.Sequential)


def test_bfloat16_computes_losses_in_it_and_keeps_weights_in_float32() -> None:
    class Look(Fit):
        def model_loss(self, x: Tensor, y: Tensor) -> Tensor:
            seen.append(self.model(x).dtype)
            return super().model_loss(x, y)

    seen: list[torch.dtype] = []
    game = seeded(Look)
    history = quiet(game, pairs(8), SGD(game.parameters(), lr=0.05), epochs=4, precision="bfloat16")
    assert set(seen) == {torch.bfloat16}
    assert game.model.weight.dtype is torch.float32
    assert history.losses["model"][-1] < history.losses["model"][0]
    quiet(game, pairs(8), SGD(game.parameters()), steps=1, precision="float32")
    assert seen[-1] is torch.float32


def test_double_precision_is_recorded_as_it_is() -> None:
    game = seeded(Fit).double()
    batch = tuple(part.double() for part in pairs(1)[0])
    expected = game.model_loss(*batch).item()
    assert quiet(game, [batch], SGD(game.parameters()), steps=1).losses["model"] == [expected]


@pytest.mark.usefixtures("unchecked")
def test_a_compiled_game_is_played_as_it_is() -> None:
    mine, theirs = seeded(Fit), seeded(Fit)
    quiet(torch.compile(mine, backend="eager"), pairs(8), SGD(mine.parameters(), lr=0.1), steps=5)
    quiet(theirs, pairs(8), SGD(theirs.parameters(), lr=0.1), steps=5)
    torch.testing.assert_close(mine.state_dict(), theirs.state_dict())


def test_an_accelerator_may_be_given() -> None:
    game = seeded(Fit)
    accelerator = Accelerator(cpu=True)
    assert quiet(game, pairs(8), SGD(game.parameters()), steps=2, accelerator=accelerator).steps == 2


# What must stay as it was


class Spy(Duel):
    """Looks at who may move while a loss is computed."""

    def critic_loss(self, x: Tensor) -> Tensor:
        self.look("critic")
        return super().critic_loss(x)

    def actor_loss(self, x: Tensor) -> Tensor:
        self.look("actor")
        return super().actor_loss(x)

    def look(self, player: str) -> None:
        moving = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        frozen = "actor.0.bias"
        assert moving == {
            name for name, _ in self.named_parameters() if name.startswith(player) and name != frozen
        }


def test_only_the_mover_has_gradients_and_the_frozen_stay_frozen() -> None:
    game = seeded(Spy)
    game.actor[0].bias.requires_grad_(False)
    flags = {name: parameter.requires_grad for name, parameter in game.named_parameters()}
    bias, judge = game.actor[0].bias.clone(), copy.deepcopy(game.judge)
    optimizers = {
        name: Adam([parameter for parameter in player.parameters() if parameter.requires_grad])
        for name, player in game.players.items()
    }
    quiet(game, numbered(3), optimizers, steps=4)
    assert {name: parameter.requires_grad for name, parameter in game.named_parameters()} == flags
    assert torch.equal(game.actor[0].bias, bias)
    assert same(game.judge, judge)
    assert all(parameter.grad is None for parameter in game.parameters())


def test_flags_come_back_after_an_exception_too() -> None:
    class Trips(Duel):
        def actor_loss(self, x: Tensor) -> Tensor:
            raise RuntimeError("tripped")

    game = seeded(Trips)
    with pytest.raises(RuntimeError, match="tripped"):
        quiet(game, numbered(3), adams(game), steps=4)
    assert all(parameter.requires_grad for parameter in game.parameters())


@pytest.mark.usefixtures("unchecked")  # the checks draw from Python's generator themselves
def test_callbacks_cannot_change_the_training() -> None:
    def meddle(state: State) -> dict[str, Any]:
        assert not any(module.training for module in state.game.modules())
        assert not any(module.training for module in state.averages["actor"].modules())
        assert all(parameter.requires_grad for parameter in state.game.parameters())
        random.random(), np.random.rand(), torch.rand(3)  # noqa: NPY002
        state.game("critic", numbered(1)[0]).backward()  # gradients that must not be stepped along
        state.game.train()  # a mode that must not last
        return {"noise": torch.rand(())}

    watched, alone = seeded(Duel), seeded(Duel)
    for game in (watched, alone):
        game.judge.eval()
    torch.manual_seed(2)
    random.seed(2)
    history = quiet(
        watched,
        numbered(3),
        adams(watched),
        steps=7,
        callbacks=[meddle],
        callback_every=2,
        ema={"actor": 0.5},
    )
    after = random.random(), torch.rand(())
    torch.manual_seed(2)
    random.seed(2)
    quiet(alone, numbered(3), adams(alone), steps=7)
    assert (random.random(), torch.rand(())) == after
    assert same(watched, alone)
    assert watched.actor.training
    assert not watched.judge.training
    assert [row["step"] for row in history.metrics] == [2, 4, 6, 7]
    assert all(isinstance(row["noise"], float) for row in history.metrics)


def test_callbacks_see_where_the_game_is_and_are_called_at_the_end() -> None:
    seen: list[tuple[int, int, int]] = []

    def note(state: State) -> None:
        seen.append((state.step, state.epoch, len(state.history.losses["model"])))

    game = seeded(Fit)
    history = quiet(game, pairs(4), SGD(game.parameters()), epochs=2, callbacks=[note])
    assert seen == [(8, 2, 8)]
    assert history.metrics == []


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([lambda state: 3.0], "returns a mapping of numbers or None, got float"),
        ([lambda state: {"a": 1}, lambda state: {"a": 2}], r"measures \['a'\], which is taken"),
        ([lambda state: {"step": 1}], r"measures \['step'\]"),
    ],
)
def test_callbacks_that_return_something_else_are_refused(callbacks: Any, message: str) -> None:
    game = seeded(Fit)
    with pytest.raises(ValueError, match=message):
        quiet(game, pairs(8), SGD(game.parameters()), steps=1, callbacks=callbacks)


# What is not finite


class Breaks(Duel):
    def actor_loss(self, x: Tensor) -> Tensor:
        return super().actor_loss(x) / (0.0 if x[0, 0] == 5 else 1.0)


def test_a_loss_that_is_not_finite_stops_at_its_step_with_its_player(tmp_path: Path) -> None:
    game = seeded(Breaks)
    with pytest.raises(NonFiniteLoss, match=r"'actor' is .*/step-00000004.*actor_loss") as stop:
        quiet(game, numbered(9), adams(game), steps=9, checkpoint=tmp_path, checkpoint_every=4)
    assert (stop.value.step, stop.value.player) == (6, "actor")
    assert stop.value.checkpoint == str(tmp_path / "step-00000004")
    assert stop.value.history.steps == 5
    assert names(tmp_path) == ["step-00000004"]


def test_without_a_checkpoint_it_says_so() -> None:
    game = seeded(Breaks)
    with pytest.raises(NonFiniteLoss, match="there is no checkpoint"):
        quiet(game, numbered(9), adams(game), steps=9)


def test_weights_that_are_not_finite_are_never_checkpointed(tmp_path: Path) -> None:
    game = seeded(Fit)

    def overflow(gradient: Tensor) -> Tensor:
        return gradient * float("inf")

    game.model.weight.register_hook(overflow)
    with pytest.raises(
        NonFiniteLoss, match=r"'model' has parameters that are not finite after its step at step 1"
    ):
        quiet(game, pairs(8), SGD(game.parameters(), lr=0.1), steps=1, checkpoint=tmp_path)
    assert names(tmp_path) == []


def test_weights_that_are_not_finite_at_the_end_are_nobodys_result() -> None:
    """Where nothing is checkpointed, the last step has no loss after it that would tell."""
    game = seeded(Fit)
    game.model.weight.register_hook(lambda gradient: gradient * float("inf"))
    called = [lambda state: pytest.fail("measured weights that are not finite")]
    with pytest.raises(NonFiniteLoss, match=r"not finite after its step at step 1.*there is no checkpoint"):
        quiet(game, pairs(8), SGD(game.parameters(), lr=0.1), steps=1, callbacks=called)


# What is shown


def test_the_bar_shows_every_players_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    game, shown = seeded(Duel), io.StringIO()
    with redirect_stderr(shown):
        history = play(game, numbered(3), adams(game), epochs=2)
    assert "6/6" in shown.getvalue()
    for player in ("critic", "actor"):
        assert f"{player}={history.losses[player][-1]:.4g}" in shown.getvalue()


@pytest.mark.parametrize("how", ["variable", "argument"])
def test_the_bar_can_be_silenced(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "variable":
        monkeypatch.setenv("TQDM_DISABLE", "1")
    game, shown = seeded(Fit), io.StringIO()
    with redirect_stderr(shown):
        play(game, pairs(8), SGD(game.parameters()), steps=2, progress=how == "variable")
    assert shown.getvalue() == ""


def test_losses_are_not_asked_for_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    game, asked = seeded(Fit), []
    original = Tensor.cpu
    monkeypatch.setattr(Tensor, "cpu", lambda self: asked.append(self.shape) or original(self))
    monkeypatch.setattr(Tensor, "item", lambda self: pytest.fail("a loss was asked for"))
    monkeypatch.setattr(losses, "FLUSH_SECONDS", 1e9)
    quiet(game, pairs(8), SGD(game.parameters(), lr=0.01), steps=50)
    assert asked == [torch.Size([50])]


# Data


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (iter(pairs(8)), "can be read only once: pass a DataLoader"),
        ((pair for pair in pairs(8)), "generator can be read only once"),
        (torch.randn(8, 3), r"got one tensor: pass \[x\]"),
        (3, "got int"),
        ([], "an epoch of data has no batch"),
        ([{"x": torch.ones(2)}], "got dict of dict"),
        ([(torch.ones(2, 3), "label")], "got tuple of Tensor, str"),
    ],
)
def test_data_of_another_kind_is_refused(data: Any, message: str) -> None:
    game = seeded(Fit)
    with pytest.raises(ValueError, match=message):
        quiet(game, data, SGD(game.parameters()), steps=1)


# Arguments


def stranger(game: Duel) -> Any:
    return adams(game) | {"critic": Adam(game.parameters())}


def partial_one(game: Duel) -> Any:
    return adams(game) | {"critic": Adam([game.critic[0].weight])}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": None}, "how long to play"),
        ({"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ({"epochs": 1.5}, r"epochs must be a whole number of at least 1, got 1\.5"),
        ({"keep": 0}, "keep must be a whole number"),
        ({"callback_every": -1}, "callback_every must be a whole number"),
        ({"checkpoint_every": True}, "checkpoint_every must be a whole number"),
        ({"precision": "float16"}, 'precision is "float32" or "bfloat16"'),
        ({"accumulate": 0}, "accumulate for 'critic' must be a whole number of at least 1"),
        ({"accumulate": {"judge": 2}}, "accumulate names 'judge', but the players are critic, actor"),
        ({"clip": -1.0}, "clip for 'critic' must be a finite number above 0"),
        ({"clip": {"actor": 0.0}}, "clip for 'actor' must be .* above 0, got 0.0"),
        ({"ema": 0.9}, "ema says whose average to keep"),
        ({"ema": {"actor": 1.0}}, "up to, not including, 1, got 1.0 for 'actor'"),
        ({"ema": {"nobody": 0.5}}, "ema names 'nobody'"),
        ({"optimizers": lambda game: Adam(game.parameters())}, "optimizers is a dictionary with the players"),
        ({"optimizers": lambda game: {"critic": Adam(game.critic.parameters())}}, "has none for 'actor'"),
        ({"optimizers": lambda game: adams(game) | {"x": adams(game)["actor"]}}, "optimizers names 'x'"),
        ({"optimizers": lambda game: adams(game) | {"actor": 3}}, "is a int"),
        ({"optimizers": stranger}, "that are not critic's: make it with game.critic.parameters"),
        ({"optimizers": partial_one}, "leaves out 0.bias, 2.weight, 2.bias"),
        (
            {"optimizers": lambda game: adams(game) | {"actor": torch.optim.LBFGS(game.actor.parameters())}},
            "is LBFGS",
        ),
        (
            {"schedules": lambda game: {"critic": StepLR(adams(game)["critic"], 1)}},
            "drives another optimizer",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_any_work(change: dict[str, Any], message: str) -> None:
    game = seeded(Duel)
    before = copy.deepcopy(game)
    options: dict[str, Any] = {"steps": 2, "optimizers": adams}
    options |= change
    for name in ("optimizers", "schedules"):
        if callable(options.get(name)):
            options[name] = options[name](game)
    with pytest.raises(ValueError, match=message):
        quiet(game, numbered(3), options.pop("optimizers"), **options)
    assert same(game, before)
    assert game.asked == []


def test_shared_parameters_and_players_that_cannot_move_are_refused() -> None:
    game = seeded(Duel)
    optimizers = adams(game)
    game.actor[0] = game.critic[0]
    with pytest.raises(ValueError, match="'critic' and 'actor' share parameters"):
        quiet(game, numbered(3), optimizers, steps=1)
    game = seeded(Duel)
    optimizers = adams(game)
    game.critic.requires_grad_(False)
    with pytest.raises(ValueError, match="'critic' has no parameter that requires a gradient"):
        quiet(game, numbered(3), optimizers, steps=1)


@pytest.mark.usefixtures("unchecked")
def test_something_else_than_a_game_is_refused() -> None:
    with pytest.raises(ValueError, match="game is an advnotes Game, got Linear"):
        play(nn.Linear(2, 1), numbered(3), {}, steps=1)  # type: ignore[arg-type]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda game, x: game.model(x).square(), r"got a tensor of shape \(5, 1\): take its mean"),
        (lambda game, x: x.sum(), "without a gradient"),
        (lambda game, x: 3.0, "got float"),
    ],
)
def test_losses_of_another_kind_are_refused(loss: Any, message: str) -> None:
    game = seeded(Fit)
    game.model_loss = lambda x, y: loss(game, x)  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=rf"model_loss returns a scalar tensor.*{message}"):
        quiet(game, pairs(8), SGD(game.parameters()), steps=1)


# Checkpoints: what real processes do is in test_play_processes.py


def duel(folder: Path | None, steps: int | None, **options: Any) -> tuple[Any, History]:
    """A run with all kinds of state, seeded anew."""
    game = seeded(Duel, options.pop("seed", 0))
    optimizers = adams(game)
    schedules = {
        "critic": MultiStepLR(optimizers["critic"], [3, 9]),
        "actor": LambdaLR(optimizers["actor"], lambda step: 0.9**step),
    }
    options = {"ema": {"actor": 0.9}, "checkpoint_every": 4, "schedules": schedules} | options
    data = DataLoader(TensorDataset(torch.cat(numbered(7))), batch_size=5, shuffle=True)
    return game, quiet(game, data, optimizers, steps=steps, checkpoint=folder, **options)


def test_a_run_in_parts_is_the_whole_run(tmp_path: Path) -> None:
    whole, expected = duel(None, 21)
    for steps in (3, 9, 10, 21):
        game, history = duel(tmp_path, steps)
    assert same(game, whole)
    assert same(history.averages["actor"], expected.averages["actor"])
    assert (history.losses, history.epochs) == (expected.losses, expected.epochs)


def test_a_run_in_epochs_is_the_whole_run(tmp_path: Path) -> None:
    whole, expected = duel(None, None, epochs=3)
    for epochs in (1, 3):
        game, history = duel(tmp_path, None, epochs=epochs)
    assert same(game, whole)
    assert (history.losses, history.epochs) == (expected.losses, expected.epochs)


def test_a_finished_run_asked_again_gives_its_history_at_once(tmp_path: Path) -> None:
    whole, expected = duel(tmp_path, 6, callbacks=[lambda state: {"a": 1.0}])
    game, history = duel(tmp_path, 6, callbacks=[lambda state: pytest.fail("called again")], seed=1)
    assert game.asked == []
    assert same(game, whole)
    assert (history.losses, history.metrics) == (expected.losses, expected.metrics)
    with pytest.raises(ValueError, match="at step 6 in epoch 0, beyond steps=5"):
        duel(tmp_path, 5)


@pytest.mark.usefixtures("unchecked")  # the checks draw from Python's generator themselves
@pytest.mark.parametrize("workers", [0, 1])
def test_transforms_and_workers_go_on_where_they_were(workers: int, tmp_path: Path) -> None:
    class Jitter(torch.utils.data.Dataset[Tensor]):
        def __len__(self) -> int:
            return 12

        def __getitem__(self, i: int) -> Tensor:
            return torch.full((2,), float(i)) + torch.randn(2) + random.random()

    def run(folder: Path | None, steps: int) -> Any:
        random.seed(0)
        game = seeded(Duel)
        data = DataLoader(Jitter(), batch_size=3, shuffle=True, num_workers=workers)
        quiet(game, data, adams(game), steps=steps, checkpoint=folder)
        return game

    whole = run(None, 6)
    run(tmp_path, 2)
    assert same(run(tmp_path, 6), whole)


def test_the_generators_of_a_loader_go_on_where_they_were(tmp_path: Path) -> None:
    def run(folder: Path | None, steps: int) -> Any:
        game = seeded(Duel)
        own = torch.Generator().manual_seed(8)
        data = DataLoader(TensorDataset(torch.cat(numbered(3))), batch_size=5, shuffle=True, generator=own)
        quiet(game, data, adams(game), steps=steps, checkpoint=folder)
        return game

    whole = run(None, 9)
    run(tmp_path, 6)
    assert same(run(tmp_path, 9), whole)


def test_data_that_has_changed_is_refused(tmp_path: Path) -> None:
    game = seeded(Duel)
    quiet(game, numbered(5), adams(game), steps=4, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="after 4 batches of an epoch, and an epoch of data has only 2"):
        quiet(game, numbered(2), adams(game), steps=8, checkpoint=tmp_path)


def test_resume_false_refuses_to_overwrite(tmp_path: Path) -> None:
    duel(tmp_path / "new", 2, resume=False)
    with pytest.raises(ValueError, match=r"resume=False, but .* is not empty"):
        duel(tmp_path / "new", 2, resume=False)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="checkpoint is a folder, got the file"):
        duel(tmp_path / "file", 2)


def test_only_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    duel(tmp_path, 18, keep=3)
    assert names(tmp_path) == [f"step-000000{step}" for step in (12, 16, 18)]


def test_persistent_workers_are_warned_of(tmp_path: Path) -> None:
    game = seeded(Duel)
    data = DataLoader(numbered(4), batch_size=None, num_workers=1, persistent_workers=True)
    with pytest.warns(UserWarning, match="workers that persist"):
        quiet(game, data, adams(game), steps=1, checkpoint=tmp_path)


def test_state_that_cannot_be_kept_is_refused_before_the_first_step(tmp_path: Path) -> None:
    class Remembers(Duel):
        def get_extra_state(self) -> Any:
            return {"a": 1}

        def set_extra_state(self, state: Any) -> None:
            pass

    game = seeded(Remembers)
    with pytest.raises(ValueError, match="get_extra_state return a tensor"):
        quiet(game, numbered(3), adams(game), steps=1, checkpoint=tmp_path)
    assert game.asked == []


def flip(file: Path) -> None:
    """One bit of the middle of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
@pytest.mark.parametrize(
    "name",
    [
        "SHA256SUMS",
        "game.safetensors",
        "average-actor.safetensors",
        "training.json",
        "training.safetensors",
        "process-00000.json",
        "process-00000.safetensors",
        "header.json",
    ],
)
def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_used(
    damage: Callable[[Path], None], name: str, tmp_path: Path
) -> None:
    whole, expected = duel(tmp_path, 10)
    # A checksum with a flipped bit accuses its file instead.
    named = "" if damage is flip and name == "SHA256SUMS" else name
    damage(tmp_path / "step-00000010" / name)
    with pytest.warns(
        UserWarning, match=rf"step-00000010 is refused: .*{named}.*; going on from .*step-00000008"
    ):
        game, history = duel(tmp_path, 10)
    assert same(game, whole)
    assert history.losses == expected.losses
    again, _ = duel(tmp_path, 10, seed=3)  # the damaged one was replaced
    assert same(again, whole)

    for entry in tmp_path.glob("step-*"):
        damage(entry / name)
    fresh = seeded(Duel, 5)
    with pytest.raises(
        CheckpointError, match=rf"(?s)step-00000010 is refused.*{named}.*step-00000008 is refused.*"
    ):
        duel(tmp_path, 10, seed=5)
    assert same(seeded(Duel, 5), fresh)


class Other(Duel):
    pass


class Wide(Duel):
    def __init__(self) -> None:
        super().__init__()
        self.judge = nn.Linear(2, 7)


Wide.__qualname__ = "Duel"


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Other, {}, "game: Duel there, Other here"),
        (Wide, {}, r"judge.weight: float32\[1, 2\] there, float32\[7, 2\] here"),
        (Duel, {"ema": {"critic": 0.9}}, "averages: {} there, {'critic': 0.9} here"),
        (Duel, {"schedule": True}, "schedules: {} there"),
        (Duel, {"sgd": True}, "optimizers: .*Adam"),
    ],
)
def test_a_checkpoint_of_another_game_is_refused(
    kind: type[Game], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    game = seeded(Duel)
    quiet(game, numbered(3), adams(game), steps=2, checkpoint=tmp_path)
    other = seeded(kind, 1)
    before = copy.deepcopy(other)
    optimizers: dict[str, Optimizer] = adams(other)
    if options.pop("sgd", False):
        optimizers = {name: SGD(player.parameters()) for name, player in other.players.items()}
    if options.pop("schedule", False):
        options["schedules"] = {"critic": CosineAnnealingLR(optimizers["critic"], 9)}
    with pytest.raises(CheckpointError, match=f"of another game .*{message}"):
        quiet(other, numbered(3), optimizers, steps=2, checkpoint=tmp_path, **options)
    assert same(other, before)


def junk(entry: Path) -> None:
    entry.mkdir()
    (entry / "notes.txt").write_text("mine")


def file(entry: Path) -> None:
    entry.write_bytes(b"\x80\x04.")


@pytest.mark.parametrize(("make", "message"), [(junk, "it has no SHA256SUMS"), (file, "it is not a folder")])
def test_what_is_no_checkpoint_is_refused(make: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    make(tmp_path / "step-00000050")
    with pytest.raises(CheckpointError, match=message):
        duel(tmp_path, 2)
    (tmp_path / "step-00000050").rename(tmp_path / "other")
    duel(tmp_path, 2)
    assert (tmp_path / "other").exists(), "what is not ours is left alone"


# History


def test_the_history_becomes_a_table_and_a_figure() -> None:
    game = seeded(Duel)
    history = quiet(
        game,
        numbered(3),
        adams(game),
        steps=5,
        callbacks=[lambda state: {"score": state.step / 10}],
        callback_every=2,
    )
    frame = history.to_pandas()
    assert list(frame.columns) == ["epoch", "critic_loss", "actor_loss", "score"]
    assert list(frame.index) == [1, 2, 3, 4, 5]
    assert frame.index.name == "step"
    assert frame["score"].dropna().to_dict() == {2: 0.2, 4: 0.4, 5: 0.5}
    assert frame["critic_loss"].tolist() == history.losses["critic"]
    assert frame["epoch"].tolist() == [0, 0, 0, 1, 1]

    figure = history.plot(smooth=2)
    losses, score = figure.axes
    assert [text.get_text() for text in losses.get_legend().get_texts()] == ["critic", "actor"]
    smooth = losses.lines[1].get_ydata()
    np.testing.assert_allclose(smooth, np.convolve(history.losses["critic"], [0.5, 0.5], "valid"))
    assert score.get_title() == "score"
    figure.savefig(io.BytesIO())
    with pytest.raises(ValueError, match="smooth is a number of steps from 1"):
        history.plot(smooth=0)


def test_a_loss_is_the_mean_over_the_turns_of_a_round() -> None:
    class Counts(Fit):
        turns = ("model", "model")

        def model_loss(self, x: Tensor, y: Tensor) -> Tensor:
            return 0 * self.model(x).sum() + y[0, 0]

    game = seeded(Counts)
    data: Iterator[Tensor] | list[Any] = [(torch.ones(1, 3), torch.full((1, 1), float(i))) for i in range(4)]
    history = quiet(game, data, SGD(game.parameters()), steps=2)
    assert history.losses == {"model": [0.5, 2.5]}


def test_processes_that_accelerate_does_not_know_of_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator = Accelerator(cpu=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    game = seeded(Fit)
    with pytest.raises(ValueError, match=r"2 processes were started, but accelerate was set up for 1"):
        quiet(game, pairs(8), SGD(game.parameters()), steps=1, accelerator=accelerator)
