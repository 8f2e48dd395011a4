"""What a game promises: who plays, what each one wants, and clear words where something is missing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from advnotes.game import Game


class Duel(Game):
    turns = ("critic", "actor", ("critic", "actor"))

    def __init__(self) -> None:
        super().__init__()
        self.actor = nn.Linear(2, 1)
        self.critic = nn.Linear(1, 1)
        self.judge = nn.Linear(1, 1)

    def actor_loss(self, x: Tensor) -> Tensor:
        return self.critic(self.actor(x)).mean()

    def critic_loss(self, x: Tensor) -> Tensor:
        return -self.critic(self.actor(x)).mean()


def test_players_come_in_the_order_of_their_first_move_and_idle_modules_are_none() -> None:
    game = Duel()
    assert list(game.players) == ["critic", "actor"]
    assert game.players["actor"] is game.actor


def test_forward_asks_the_loss_of_the_player() -> None:
    game, x = Duel(), torch.randn(5, 2)
    assert torch.equal(game("actor", x), game.actor_loss(x))
    assert torch.equal(game("critic", x), -game("actor", x))


def test_forward_names_the_players_when_asked_for_another() -> None:
    with pytest.raises(ValueError, match="the players critic, actor and no loss for 'judge'"):
        Duel()("judge", torch.randn(5, 2))


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ("model", r"write \('model',\)"),
        ((), r"got \(\)"),
        (["a"], r"got \['a'\]"),
        (("a", 3), "the turn 3"),
        (("a", ()), r"the turn \(\)"),
        (("a", ("b", ("c",))), "the turn"),
        (("not a name",), "the turn 'not a name'"),
        ((("a", "a"),), "moves once in a turn"),
    ],
)
def test_turns_of_another_form_are_refused_when_the_class_is_made(turns: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        type("Odd", (Game,), {"turns": turns})


def test_turns_may_be_set_on_the_instance() -> None:
    game = Duel()
    game.turns = ("critic",) * 5 + ("actor",)
    assert list(game.players) == ["critic", "actor"]


def test_a_game_without_turns_is_told_so() -> None:
    class Idle(Game):
        pass

    with pytest.raises(ValueError, match="Idle has no turns"):
        Idle().players  # noqa: B018


def test_a_mover_without_a_submodule_is_named() -> None:
    class Half(Duel):
        turns = ("critic", "spy")

    with pytest.raises(ValueError, match=r"submodule of that name, got NoneType: set self\.spy"):
        Half().players  # noqa: B018


def test_a_mover_without_a_loss_is_named() -> None:
    class Half(Duel):
        turns = ("critic", "judge")

    with pytest.raises(ValueError, match=r"define judge_loss\(self, \*batch\)"):
        Half().players  # noqa: B018


def test_the_state_of_a_game_is_that_of_all_its_players() -> None:
    modules = ("actor", "critic", "judge")
    assert set(Duel().state_dict()) == {f"{name}.{part}" for name in modules for part in ("weight", "bias")}
