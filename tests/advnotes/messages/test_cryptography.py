"""Alice, Bob and Eve against ciphers that are known, numbers by hand, and games that are played one by one."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import data, play
from advnotes.invariance import fresh_adversary
from advnotes.messages import Cryptography, MixTransform, bits_wrong, random_bits
from advnotes.nets import mlp


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Pad(nn.Module):
    """The one-time pad: each bit times that of the key, which is XOR; it is its own inverse."""

    def forward(self, both: torch.Tensor) -> torch.Tensor:
        text, key = both.chunk(2, dim=-1)
        return text * key


class Plain(nn.Module):
    """No cipher: the message as it is."""

    def forward(self, both: torch.Tensor) -> torch.Tensor:
        return both.chunk(2, dim=-1)[0]


class Says(nn.Module):
    """The same answer whatever it is shown."""

    def __init__(self, *answer: float) -> None:
        super().__init__()
        self.answer = nn.Parameter(torch.tensor(answer))

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        return self.answer.expand(*shown.shape[:-1], -1)


def all_pairs(bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every message with every key."""
    texts = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=bits)))
    return texts.repeat_interleave(len(texts), dim=0), texts.repeat(len(texts), 1)


def learned(bits: int = 4, copies: int | None = None) -> Cryptography:
    nets = MixTransform(2 * bits, bits, copies), MixTransform(2 * bits, bits, copies)
    return Cryptography(*nets, MixTransform(bits, bits, copies), bits)


def test_with_the_one_time_pad_bob_is_right_and_every_eve_is_a_coin():
    message, key = all_pairs(4)
    for seed in range(3):
        torch.manual_seed(seed)
        game = Cryptography(Pad(), Pad(), nn.Sequential(mlp(4, 16, 4), nn.Tanh()), 4)
        assert game.bob_loss(message, key).item() == 0
        assert game.eve_loss(message, key).item() == pytest.approx(
            2, abs=1e-5
        )  # N/2, exactly, over all pairs


def test_a_fresh_eve_reads_all_of_a_plain_message_and_nothing_of_a_pad():
    message, key = random_bits(4000, 4, generator=drawn(1)), random_bits(4000, 4, generator=drawn(2))
    for alice, right in ((Plain(), 1.0), (Pad(), 0.5)):
        sent = Cryptography(alice, Pad(), Pad(), 4).encrypt(message, key)
        found = fresh_adversary(sent, (message > 0).long(), steps=150, generator=drawn(3))
        assert found.right is not None
        assert found.right.value == pytest.approx(right, abs=0.04)
        assert found.information == pytest.approx(4 * math.log(2) if right == 1 else 0, abs=0.05)


def test_losses_by_hand():
    message, key = torch.tensor([[1.0, 1, 1, 1], [1.0, -1, -1, -1]]), torch.ones(2, 4)
    game = Cryptography(Pad(), Says(1.0, 1, 1, 0), Says(1.0, 1, -1, -1), 4)
    # Bob has 1/2 and 2 + 1/2 bits wrong, Eve 2 and 1
    assert game.bob_loss(message, key).item() == pytest.approx((0.5 + 2.5) / 2 / 4)
    assert game.eve_loss(message, key).item() == pytest.approx(1.5)
    assert game.alice_loss(message, key).item() == pytest.approx(0.375 + (0 + 1 / 4) / 2)


def test_the_square_is_of_each_message_so_that_a_coin_still_costs():
    message, key = all_pairs(4)
    coin, silent = (
        Cryptography(Pad(), Pad(), Says(1.0, 1, 1, 1), 4),
        Cryptography(Pad(), Pad(), Says(0.0, 0, 0, 0), 4),
    )
    assert coin.eve_loss(message, key).item() == silent.eve_loss(message, key).item() == 2
    assert coin.alice_loss(message, key).item() == pytest.approx(1 / 4)  # 1/N
    assert silent.alice_loss(message, key).item() == 0


def test_an_eve_who_is_always_wrong_has_read_the_message():
    game = Cryptography(Plain(), Plain(), nn.Identity(), 4)
    mirror = Cryptography(Plain(), Plain(), Negative(), 4)
    message, key = all_pairs(4)
    assert game.alice_loss(message, key).item() == mirror.alice_loss(message, key).item() == 1


class Negative(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x


def test_bob_s_loss_has_the_gradient_of_the_loss_that_he_shares():
    torch.manual_seed(0)
    game = learned().double()
    batch = random_bits(16, 4).double(), random_bits(16, 4).double()
    shared = torch.autograd.grad(game.alice_loss(*batch), list(game.bob.parameters()))
    own = torch.autograd.grad(game.bob_loss(*batch), list(game.bob.parameters()))
    for one, other in zip(shared, own, strict=True):
        torch.testing.assert_close(one, other)


def test_alice_and_bob_move_at_once_and_then_eve_twice():
    assert learned().turns == (("alice", "bob"), "eve", "eve")


def test_alice_learns_from_what_bob_and_from_what_eve_makes_of_her_numbers():
    torch.manual_seed(0)
    game = learned().double()
    message, key = random_bits(16, 4).double(), random_bits(16, 4).double()
    sent = game.alice(torch.cat([message, key], dim=1))
    bob = (message - game.bob(torch.cat([sent, key], dim=1))).abs().sum(dim=1) / 2
    eve = (message - game.eve(sent)).abs().sum(dim=1) / 2
    theirs = torch.autograd.grad(game.alice_loss(message, key), list(game.alice.parameters()))
    mine = torch.autograd.grad((bob / 4 + (2 - eve) ** 2 / 2**2).mean(), list(game.alice.parameters()))
    for one, other in zip(theirs, mine, strict=True):
        torch.testing.assert_close(one, other)


def alone(game: Cryptography, copy: int) -> Cryptography:
    """One of the games side by side, by itself."""
    other = learned().double()
    with torch.no_grad():
        for one, all_of_them in zip(other.parameters(), game.parameters(), strict=True):
            one.copy_(all_of_them[copy : copy + 1])
    return other


def test_games_side_by_side_are_played_as_if_alone():
    torch.manual_seed(0)
    game = learned(copies=3).double()
    others = [alone(game, copy) for copy in range(3)]
    pairs = [(random_bits(8, 4, 3).double(), random_bits(8, 4, 3).double()) for _ in range(6)]
    run(game, pairs)
    for copy, other in enumerate(others):
        run(other, [(message[copy], key[copy]) for message, key in pairs])
        for one, all_of_them in zip(other.parameters(), game.parameters(), strict=True):
            torch.testing.assert_close(one, all_of_them[copy : copy + 1], rtol=1e-6, atol=1e-8)


def run(game: Cryptography, pairs: list[tuple[torch.Tensor, ...]]) -> None:
    optimizers = {name: torch.optim.Adam(each.parameters(), 1e-2) for name, each in game.players.items()}
    batches = itertools.cycle(pairs)
    play(
        game,
        data.Stream(lambda n: next(batches), 8, len(pairs)),
        optimizers,
        steps=len(pairs),
        progress=False,
    )


@pytest.mark.parametrize(("inputs", "bits"), [(8, 4), (3, 3), (11, 5), (1, 1)])
def test_mix_transform_is_a_full_layer_and_four_convolutions(inputs, bits):
    torch.manual_seed(inputs)
    net = MixTransform(inputs, bits).double()
    x = torch.randn(7, inputs, dtype=torch.float64)
    full, *windows = [weight[0] for weight in net.weights]
    begin, *biases = [bias[0, :, 0] + 0 for bias in net.biases]
    h = F.pad(F.linear(x, full, begin)[:, None], (1, 2))
    for n, (weight, bias) in enumerate(zip(windows, biases, strict=True)):
        window, channels = ((4, 1), (2, 2), (1, 4), (1, 4))[n]
        h = F.conv1d(h, weight.view(-1, window, channels).mT, bias, stride=2 if n == 1 else 1)
        h = h.tanh() if n == 3 else h.sigmoid()
    torch.testing.assert_close(net(x), h[:, 0])


def test_an_odd_number_of_bits_is_as_good():
    torch.manual_seed(0)
    loss = learned(bits=5).alice_loss(random_bits(6, 5), random_bits(6, 5))
    assert bool(loss.isfinite())


def test_keys_may_have_another_length():
    game = Cryptography(MixTransform(7, 4), MixTransform(7, 4), MixTransform(4, 4), 4, key_bits=3)
    assert game.encrypt(random_bits(5, 4), random_bits(5, 3)).shape == (5, 4)
    with pytest.raises(ValueError, match=r"keys of this game are rows of 3 bits, got the shape \[5, 4\]"):
        game.encrypt(random_bits(5, 4), random_bits(5, 4))


def test_random_bits_are_fair_and_belong_to_their_generator():
    bits = random_bits(1000, 8, 3, generator=drawn())
    assert bits.shape == (3, 1000, 8)
    assert set(bits.unique().tolist()) == {-1.0, 1.0}
    assert abs(float(bits.mean())) < 5 / math.sqrt(bits.numel())
    assert torch.equal(bits, random_bits(1000, 8, 3, generator=drawn()))
    assert not torch.equal(bits[0], bits[1])


def test_half_a_bit_is_wrong_where_an_answer_says_nothing():
    assert bits_wrong(torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, 1.0]])).tolist() == [1.5]


@pytest.mark.parametrize(
    ("message", "key", "told"),
    [
        (
            random_bits(5, 3),
            random_bits(5, 4),
            r"messages of this game are rows of 4 bits, got the shape \[5, 3\]",
        ),
        (random_bits(5, 4), random_bits(5, 6), r"keys of this game are rows of 4 bits.*key_bits="),
        (random_bits(5, 4), random_bits(6, 4), "a key of its own"),
        ((random_bits(5, 4) + 1) / 2, random_bits(5, 4), r"-1 or 1, got numbers from 0 to 1: 2 \* x - 1"),
        (random_bits(5, 4), torch.full((5, 4), math.nan), "keys are bits"),
        (torch.ones(0, 4), torch.ones(0, 4), r"got the shape \[0, 4\]"),
        (random_bits(1, 4)[0], random_bits(1, 4)[0], r"got the shape \[4\]"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_messages_and_keys_that_are_none_are_told_how_to_be_mended(message, key, told):
    game = learned()
    for player in game.players:
        with pytest.raises(ValueError, match=told):
            game(player, message, key)


@pytest.mark.usefixtures("unchecked")
def test_whole_numbers_are_told_how_to_become_bits():
    with pytest.raises(ValueError, match=r"got torch.int64: 2.0 \* x - 1"):
        learned().encrypt(torch.randint(2, (5, 4)), random_bits(5, 4))


def test_networks_that_do_not_fit_are_told_so():
    message, key = random_bits(5, 4), random_bits(5, 4)
    with pytest.raises(ValueError, match=r"shape \[batch, 4\], got \[5, 8\]: make it with inputs"):
        Cryptography(MixTransform(4, 4), Pad(), Pad(), 4).encrypt(message, key)
    with pytest.raises(ValueError, match=r"shape \[3, batch, 8\], got \[5, 8\]"):
        learned(copies=3).encrypt(message, key)
    with pytest.raises(ValueError, match="Bob and Eve end with 4 numbers"):
        Cryptography(Pad(), mlp(8, 4, 3), Pad(), 4).bob_loss(message, key)
    with pytest.raises(ValueError, match="Alice's network makes the shape"):
        Cryptography(nn.Flatten(0), Pad(), Pad(), 4).encrypt(message, key)


@pytest.mark.usefixtures("unchecked")
def test_lists_are_told_how_to_become_messages():
    with pytest.raises(ValueError, match="messages must be a tensor of rows, got list"):
        learned().encrypt([[1.0, 1.0, 1.0, 1.0]], random_bits(1, 4))


@pytest.mark.usefixtures("unchecked")
def test_an_answer_is_compared_with_its_own_message_only():
    message = random_bits(5, 4)
    for answer, told in (
        (message[0], r"\[5, 4\] and \[4\]"),
        (message[:1], r"\[1, 4\]"),
        ([1.0], "and list"),
    ):
        with pytest.raises(ValueError, match=told):
            bits_wrong(message, answer)


@pytest.mark.parametrize("key", [torch.ones(3, 4), torch.ones(1, 4), torch.ones(5, 6)])
@pytest.mark.usefixtures("unchecked")
def test_bob_opens_each_ciphertext_with_its_own_key(key):
    with pytest.raises(ValueError, match="each ciphertext wants a key of 4 bits"):
        Cryptography(Pad(), mlp(8, 4), Pad(), 4).decrypt(torch.zeros(5, 8 - key.shape[-1]), key)
