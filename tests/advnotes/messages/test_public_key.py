"""The public key against ciphers that are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from advnotes.messages import Cryptography, MixTransform, PublicKey, random_bits
from advnotes.nets import mlp
from tests.advnotes.messages.test_cryptography import Pad, Plain, Says, all_pairs


class Text(nn.Module):
    """The first bits of what it is shown."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        return shown[..., : self.bits]


def learned(copies: int | None = None) -> PublicKey:
    maker, pair = MixTransform(3, 5, copies), [MixTransform(4 + n, 4, copies) for n in (5, 3, 5)]
    return PublicKey(maker, *pair, 4, key_bits=3)


def test_an_eve_who_tries_all_messages_reads_what_bob_can_read():
    message, secret = all_pairs(3)
    game = PublicKey(nn.Identity(), Pad(), Pad(), Text(3), 3)
    sent, heard = game.transmit(message, secret)
    assert game.bob_loss(message, secret).item() == 0
    assert torch.equal(heard, torch.cat([message * secret, secret], dim=1))
    assert torch.equal(game.search(sent, game.publish(secret)), message)


def test_where_alice_sends_nothing_there_is_nothing_to_find():
    message, secret = all_pairs(3)
    game = PublicKey(nn.Identity(), Says(0.5, 0.5), Plain(), Text(3), 3)
    found = game.search(*(game.transmit(message, secret)[0], game.publish(secret)))
    assert float((found == message).float().mean()) == 0.5


@pytest.mark.parametrize("copies", [None, 2])
def test_a_search_has_the_answers_of_a_random_network(copies):
    torch.manual_seed(0)
    game = learned(copies)
    message, secret = random_bits(20, 4, copies), random_bits(20, 3, copies)
    with torch.no_grad():
        sent, public = game.transmit(message, secret)[0], game.publish(secret)
    assert torch.equal(game.search(sent, public), message)  # no two messages have one ciphertext


def test_all_three_move_on_the_loss_of_the_symmetric_game():
    torch.manual_seed(0)
    game, (message, secret) = learned(), (random_bits(6, 4), random_bits(6, 3))
    with torch.no_grad():
        sent, heard = game.transmit(message, secret)
    replay = Cryptography(Says(*sent[0].tolist()), game.bob, FirstOf(game.eve, heard), 4, key_bits=3)
    one = message[:1], secret[:1]
    assert game.alice_loss(*one).item() == pytest.approx(replay.alice_loss(*one).item(), abs=1e-6)
    assert game.key_maker_loss(*one).item() == game.alice_loss(*one).item()
    assert game.turns == (("key_maker", "alice", "bob"), "eve", "eve")


class FirstOf(nn.Module):
    """An Eve who overheard the first row."""

    def __init__(self, eve: nn.Module, heard: torch.Tensor) -> None:
        super().__init__()
        self.eve, self.heard = eve, heard

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        return self.eve(self.heard[:1])


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_told_how_to_be_mended():
    game = learned()
    with pytest.raises(
        ValueError, match=r"secret keys of this game are rows of 3 bits, got the shape \[5, 4\]"
    ):
        game.transmit(random_bits(5, 4), random_bits(5, 4))
    with pytest.raises(ValueError, match="a key of its own"):
        game.lock(random_bits(5, 4), torch.zeros(6, 5))
    with pytest.raises(ValueError, match="too many to try each: search wants at most 16 bits"):
        PublicKey(Pad(), Pad(), Pad(), Pad(), 17).search(torch.zeros(1, 17), torch.zeros(1, 17))


@pytest.mark.usefixtures("unchecked")
def test_a_search_takes_what_alice_sent_and_nothing_else():
    torch.manual_seed(0)
    game = PublicKey(mlp(4, 3), mlp(7, 5), mlp(9, 4), mlp(8, 4), 4)
    public = game.publish(random_bits(6, 4))
    sent = game.lock(random_bits(6, 4), public)
    for odd, told in (
        (sent[:, :1], r"of shape \[6, 5\], got \[6, 1\]"),
        (torch.cat([sent, public], dim=1), "without the public key"),
        (sent * math.nan, "30 of them NaN or infinite"),
        (sent[0], "for a single row"),
    ):
        with pytest.raises(ValueError, match=told):
            game.search(odd, public)
