"""Selective protection: numbers by hand, and channels whose best estimates are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from advnotes.messages import SelectiveProtection, blind_error, random_bits
from advnotes.nets import mlp
from tests.advnotes.messages.test_cryptography import Says


def cases(n: int = 20_000) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """D is the sum of an open column and a secret one, which have nothing to do with each other."""
    drawn = torch.Generator().manual_seed(0)
    known, secret = torch.randn(n, 1, generator=drawn), torch.randn(n, 1, generator=drawn)
    return known, secret, known + secret, random_bits(n, 2, generator=drawn)


class Column(nn.Module):
    """One column of what it is shown."""

    def __init__(self, column: int) -> None:
        super().__init__()
        self.column = column

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        return shown[..., self.column : self.column + 1]


class Sum(nn.Module):
    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        return shown[..., :1] + shown[..., 1:2]


def test_the_blind_one_says_the_median():
    table = torch.tensor([[0.0, 5.0], [1.0, 5.0], [5.0, 8.0]])
    assert float(blind_error(table)) == pytest.approx((1 + 0 + 4 + 0 + 0 + 3) / 6)
    normal = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(1))
    assert float(blind_error(normal)) == pytest.approx(math.sqrt(2 / math.pi), abs=0.03)


def test_losses_by_hand():
    known, secret, key = torch.zeros(3, 1), torch.tensor([[-2.0], [0.0], [4.0]]), torch.ones(3, 1)
    target = torch.tensor([[0.0], [1.0], [5.0]])
    game = SelectiveProtection(Column(0), Says(1.0), Says(2.0), Says(1.0), secrecy=3.0)
    # blind: 2 for the secret, 5/3 for the target; Bob says the median, the predictor 2, Eve 1
    bob, public, eve = 1.0, (2 + 1 + 3) / 5, (3 + 1 + 3) / 6
    batch = known, secret, target, key
    assert game.bob_loss(*batch).item() == pytest.approx(bob)
    assert game.predictor_loss(*batch).item() == pytest.approx(public)
    assert game.eve_loss(*batch).item() == pytest.approx(eve)
    assert game.alice_loss(*batch).item() == pytest.approx(bob + public + 3 * (1 - eve) ** 2)


def test_who_sends_the_open_column_leaves_eve_blind_and_half_of_the_target_unsaid():
    batch = cases()
    game = SelectiveProtection(Column(0), Column(0), Column(0), Says(0.0))
    assert game.eve_loss(*batch).item() == pytest.approx(1, abs=0.01)
    assert game.predictor_loss(*batch).item() == pytest.approx(1 / math.sqrt(2), abs=0.03)


def test_who_sends_the_target_gives_half_of_the_secret_away():
    batch = cases()
    game = SelectiveProtection(Sum(), Column(0), Column(0), Half())
    assert game.predictor_loss(*batch).item() == 0
    assert game.eve_loss(*batch).item() == pytest.approx(1 / math.sqrt(2), abs=0.03)


class Half(nn.Module):
    """The best guess of one of two equal parts, given their sum."""

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        return shown / 2


def test_alice_does_not_see_the_target():
    known, secret, target, key = cases(10)
    game = SelectiveProtection(mlp(4, 8, 2), mlp(4, 8, 1), mlp(2, 8, 1), mlp(2, 8, 1))
    assert torch.equal(game.send(known, secret, target, key), game.send(known, secret, -target, key))


def test_three_move_at_once_and_then_eve_twice():
    game = SelectiveProtection(mlp(4, 8, 2), mlp(4, 8, 1), mlp(2, 8, 1), mlp(2, 8, 1))
    assert game.turns == (("alice", "bob", "predictor"), "eve", "eve")


def test_alice_learns_from_what_all_three_readers_make_of_her_numbers():
    torch.manual_seed(0)
    game = SelectiveProtection(mlp(4, 8, 2), mlp(4, 8, 1), mlp(2, 8, 1), mlp(2, 8, 1), secrecy=3.0).double()
    known, secret, target, key = batch = [table.double() for table in cases(50)]
    sent = game.alice(torch.cat([known, secret, key], dim=1))
    bob = (target - game.bob(torch.cat([sent, key], dim=1))).abs().mean() / blind_error(target)
    public = (target - game.predictor(sent)).abs().mean() / blind_error(target)
    eve = (secret - game.eve(sent)).abs().mean() / blind_error(secret)
    theirs = torch.autograd.grad(game.alice_loss(*batch), list(game.alice.parameters()))
    mine = torch.autograd.grad(bob + public + 3 * (1 - eve) ** 2, list(game.alice.parameters()))
    for one, other in zip(theirs, mine, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_told_how_to_be_mended():
    known, secret, target, key = cases(10)
    game = SelectiveProtection(mlp(4, 8, 2), mlp(4, 8, 1), mlp(2, 8, 1), mlp(2, 8, 1))
    for batch, told in (
        ((known[:9], secret, target, key), "a row for each case.*cut them to the same cases"),
        ((known[:, 0], secret, target, key), r"x\[:, None\] for a single column"),
        ((known, secret.long(), target, key), "secret must be a table of finite floats"),
        ((known, secret, target * math.nan, key), "target must be a table of finite floats"),
        ((known, secret, target, (key + 1) / 2), "keys are bits, -1 or 1"),
        ((known, torch.ones(10, 1), target, key), "secret and target must vary"),
    ):
        with pytest.raises(ValueError, match=told):
            game.alice_loss(*batch)
    wide = SelectiveProtection(mlp(4, 8, 2), mlp(4, 8, 2), mlp(2, 8, 1), mlp(2, 8, 1))
    with pytest.raises(ValueError, match="as many numbers as there are columns, 1"):
        wide.bob_loss(known, secret, target, key)


@pytest.mark.usefixtures("unchecked")
def test_the_blind_one_sees_a_table_of_finite_floats():
    for odd, told in (
        (torch.tensor([[math.nan], [1.0], [2.0]]), "finite floats"),
        (torch.tensor([[3], [1]]), "got torch.int64"),
        (torch.tensor([3.0, 1.0]), r"x\[:, None\] for a single column"),
        ([[3.0], [1.0]], "must be a tensor, got list"),
        (torch.zeros(0, 2), "a row or more"),
    ):
        with pytest.raises(ValueError, match=told):
            blind_error(odd)
