"""Counters: the buffer's number, read from the device only where it may have changed."""

import copy

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from advnotes.counter import add_one, number_of
from advnotes.gan import GAN, R1
from advnotes.nets import mlp


class Reads(TorchDispatchMode):
    """Counts how often a tensor's number is brought to the host."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


def counting() -> nn.Module:
    module = nn.Module()
    module.register_buffer("moves", torch.zeros((), dtype=torch.int64))
    return module


def test_it_counts_in_the_buffer_and_reads_once():
    module = counting()
    with Reads() as reads:
        for expected in range(5):
            assert number_of(module.moves) == expected
            add_one(module.moves)
    assert int(module.moves) == 5
    assert reads.count == 1


def test_what_others_write_is_noticed():
    module = counting()
    add_one(module.moves)
    module.moves.fill_(7)
    assert number_of(module.moves) == 7
    module.load_state_dict({"moves": torch.tensor(3)})
    assert number_of(module.moves) == 3
    add_one(module.moves)
    other = copy.deepcopy(module)
    add_one(other.moves)
    assert (number_of(module.moves), number_of(other.moves)) == (4, 5)
    module.moves = torch.tensor(9)
    assert number_of(module.moves) == 9


def test_the_turns_of_a_game_do_not_wait_for_the_device():
    penalty, real = R1(every=3), torch.rand(8, 2)
    game = GAN(mlp(2, 4, 2), mlp(2, 4, 1), 2, penalties=[penalty])
    game.discriminator_loss(real)
    with Reads() as reads:
        for _ in range(4):
            game.discriminator_loss(real)
    assert reads.count == 0
    assert int(penalty.moves) == 5
