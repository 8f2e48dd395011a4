"""Loaders of unequal length side by side: what an epoch holds, what decides its order, and that play resumes in it."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    SequentialSampler,
    TensorDataset,
)

from advnotes.data import Pairs, batches
from advnotes.loop import play
from advnotes.nets import mlp
from advnotes.robust import VAT


def loader(n: int, size: int, start: int = 0, **options):
    rows = torch.arange(start, start + n)
    return batches(rows.float()[:, None], rows, batch_size=size, drop_last=False, **options)


@given(
    n=st.integers(1, 30),
    m=st.integers(1, 30),
    size=st.integers(1, 7),
    other_size=st.integers(1, 7),
    seed=st.integers(0, 9),
)
def test_an_epoch_is_the_longer_loader_once_and_whole_passes_of_the_shorter(n, m, size, other_size, seed):
    torch.manual_seed(seed)
    pairs = Pairs(loader(n, size), loader(m, other_size))
    seen = list(pairs)
    lengths = -(-n // size), -(-m // other_size)
    assert len(seen) == len(pairs) == max(lengths)
    assert all(len(batch) == 3 and torch.equal(batch[0][:, 0], batch[1].float()) for batch in seen)
    sides = [batch[1].tolist() for batch in seen], [batch[2].long()[:, 0].tolist() for batch in seen]
    for side, length, rows in zip(sides, lengths, (n, m), strict=True):
        for begin in range(0, len(side) - length + 1, length):
            assert sorted(itertools.chain(*side[begin : begin + length])) == list(range(rows))


def test_the_shorter_one_is_shuffled_anew_each_time():
    pairs = Pairs(loader(120, 10), loader(40, 10))
    torch.manual_seed(0)
    first, second = ([batch[2][:, 0].tolist() for batch in pairs] for _ in range(2))
    orders = [*(first[i : i + 4] for i in (0, 4, 8)), *(second[i : i + 4] for i in (0, 4, 8))]
    assert len({str(order) for order in orders}) == 6


@pytest.mark.parametrize("own", [False, True])
def test_a_pass_is_decided_when_it_begins(own):
    generator = torch.Generator() if own else None
    pairs = Pairs(loader(50, 5), loader(12, 4), generator)

    def read(draws: int) -> list:
        (generator or torch.default_generator).manual_seed(3)
        found = []
        for batch in iter(pairs):
            found.append([part.tolist() for part in batch])
            torch.rand(draws)  # as a game does, while the epoch goes on
        return found

    plain = read(0)
    assert read(7) == plain
    skipped = iter(pairs)
    assert plain != [[part.tolist() for part in batch] for batch in skipped]


def test_reading_leaves_the_global_generator_where_the_first_draw_left_it():
    torch.manual_seed(0)
    torch.randint(2**62, ())
    expected = torch.get_rng_state()
    torch.manual_seed(0)
    list(Pairs(loader(20, 5), loader(4, 2)))
    assert torch.equal(torch.get_rng_state(), expected)
    list(Pairs(loader(20, 5), loader(4, 2), torch.Generator()))
    assert torch.equal(torch.get_rng_state(), expected)


class Endless(IterableDataset):
    def __init__(self, count):
        self.count = count

    def __iter__(self):
        return (torch.full((1,), float(i)) for i in range(self.count))


def test_loaders_without_a_length_and_plain_lists_are_read_too():
    x, y = torch.arange(6.0)[:, None], torch.arange(6)
    pairs = Pairs([(x[:2], y[:2]), [x[2:4], y[2:4]]], DataLoader(Endless(5), batch_size=1))
    assert [batch[1].tolist() for batch in pairs] == [[0, 1], [2, 3], [0, 1], [2, 3], [0, 1]]
    assert [batch[2].item() for batch in pairs] == [0, 1, 2, 3, 4]
    with pytest.raises(TypeError):
        len(pairs)


class Told(SequentialSampler):
    def __init__(self, rows):
        super().__init__(rows)
        self.told = []

    def set_epoch(self, epoch):
        self.told.append(epoch)


def test_samplers_are_told_the_epoch_and_each_pass_another_number():
    rows = TensorDataset(torch.arange(12.0))
    long, short = Told(range(12)), Told(range(4))
    pairs = Pairs(
        DataLoader(rows, batch_size=2, sampler=long),
        DataLoader(rows, batch_sampler=BatchSampler(short, 2, drop_last=False)),
    )
    list(pairs)
    assert long.told == short.told == []
    for epoch in (0, 1):
        pairs.set_epoch(epoch)
        list(pairs)
    assert long.told == [0, 1]
    assert len(short.told) == len(set(short.told)) == 6
    assert [short.told[0], short.told[3]] == [0, 1]


@pytest.mark.parametrize("own", [False, True])
def test_a_game_resumes_within_an_epoch_bit_for_bit(tmp_path, own):
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))

    def run(steps, folder=None):
        torch.manual_seed(1)
        generator = torch.Generator().manual_seed(5) if own else None
        model = torch.nn.Sequential(mlp(2, 8, 2), torch.nn.Dropout(0.3))
        pairs = Pairs(
            batches(x[:24], (x[:24, 0] > 0).long(), batch_size=8), batches(x, batch_size=8), generator
        )
        game = VAT(model, 0.5)
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        play(game, pairs, optimizer, steps=steps, checkpoint=folder, progress=False)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    whole = run(20)
    for steps in (5, 13, 20):
        parts = run(steps, tmp_path)
    assert torch.equal(parts, whole)


@pytest.mark.parametrize(
    ("labelled", "unlabelled", "message"),
    [
        (
            lambda: loader(4, 2),
            lambda: iter([torch.zeros(1)]),
            "unlabelled must be .* again and again, got list_iterator",
        ),
        (lambda: torch.zeros(3), lambda: loader(4, 2), "labelled must be .* got Tensor"),
        (
            lambda: loader(4, 2),
            lambda: loader(4, 2, generator=torch.Generator()),
            r"unlabelled has a generator .* Pairs",
        ),
        (
            lambda: DataLoader(range(4), sampler=DistributedSampler(range(4), 2, 0)),
            lambda: loader(4, 2),
            "labelled has a DistributedSampler",
        ),
    ],
)
def test_what_cannot_be_repeated_is_refused(labelled, unlabelled, message):
    with pytest.raises(ValueError, match=message):
        Pairs(labelled(), unlabelled())


def test_an_empty_loader_is_named():
    with pytest.raises(ValueError, match="unlabelled has no batch"):
        list(Pairs(loader(4, 2), []))
