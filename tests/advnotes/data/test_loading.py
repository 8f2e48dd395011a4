import itertools
from functools import partial

import pytest
import torch
from accelerate import Accelerator, skip_first_batches
from accelerate.data_loader import prepare_data_loader
from accelerate.state import AcceleratorState
from accelerate.utils import DataLoaderConfiguration
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from advnotes.data import Stream, batches, moons, ring
from advnotes.gan import GAN
from advnotes.loop import play
from advnotes.nets import mlp


@pytest.fixture
def accelerator(request):
    yield Accelerator(
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=getattr(request, "param", False))
    )
    AcceleratorState._reset_state(True)


def rows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(2 * n).float().reshape(n, 2), torch.arange(n)


def firsts(loader) -> list[list[int]]:
    return [batch[-1].tolist() for batch in loader]


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 40), size=st.integers(1, 12), shuffle=st.booleans())
def test_a_pass_holds_every_row_once_and_keeps_the_tensors_together(n, size, shuffle):
    x, y = rows(n)
    loader = batches(x, y, batch_size=size, shuffle=shuffle, drop_last=False)
    seen = list(loader)
    assert len(seen) == len(loader) == -(-n // size)
    assert all(len(batch[0]) == size for batch in seen[:-1])
    assert torch.equal(torch.cat([batch[1] for batch in seen]).sort().values, y)
    assert all(torch.equal(batch[0], x[batch[1]]) for batch in seen)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
def test_the_order_is_that_of_a_plain_dataloader(shuffle, drop_last):
    x, y = rows(23)
    plain = DataLoader(TensorDataset(x, y), batch_size=5, shuffle=shuffle, drop_last=drop_last)
    fast = batches(x, y, batch_size=5, shuffle=shuffle, drop_last=drop_last)
    for _ in range(2):
        torch.manual_seed(7)
        expected = list(plain)
        torch.manual_seed(7)
        for batch, other in zip(fast, expected, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(batch, other, strict=True))


def test_one_tensor_gives_one_tuples_and_single_rows_work_too():
    x, _ = rows(4)
    (batch,) = next(iter(batches(x, batch_size=4, shuffle=False)))
    assert torch.equal(batch, x)
    (row,) = batches(x, batch_size=2).dataset[1]
    assert torch.equal(row, x[1])


def test_batches_are_copies():
    x, _ = rows(4)
    (batch,) = next(iter(batches(x, batch_size=4, shuffle=False)))
    batch.zero_()
    assert torch.equal(x, rows(4)[0])


def test_a_generator_shuffles_and_the_global_rng_is_left_alone():
    _, y = rows(30)
    before = torch.get_rng_state()
    passes = [firsts(batches(y, batch_size=5, generator=torch.Generator().manual_seed(s))) for s in (0, 0, 1)]
    assert passes[0] == passes[1] != passes[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_every_pass_has_a_new_order():
    loader = batches(rows(30)[1], batch_size=5)
    assert firsts(loader) != firsts(loader)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: batches(), "one or more tensors"),
        (lambda: batches(torch.tensor(1.0)), "first dimension"),
        (lambda: batches(torch.zeros(3), torch.zeros(4)), r"equal lengths .* \[3, 4\]"),
        (lambda: batches(torch.zeros(3), batch_size=0), "batch_size must be"),
        (lambda: batches(torch.zeros(3), batch_size=4), "3 rows do not fill one batch of 4"),
        (lambda: batches(torch.zeros(0), drop_last=False), "0 rows"),
        (lambda: Stream(ring, batch_size=0, steps=1), "batch_size must be"),
        (lambda: Stream(ring, batch_size=1, steps=0), "steps must be"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("accelerator", [False, True], indirect=True, ids=["plain", "seedable"])
def test_accelerate_prepares_it_reshuffles_it_and_skips_into_it(accelerator):
    x, y = rows(30)
    loader = accelerator.prepare(batches(x, y, batch_size=4))
    torch.manual_seed(0)
    first, second = firsts(loader), firsts(loader)
    assert len(first) == len(loader) == 7
    assert all(len(batch) == 4 for batch in first)
    assert len({row for batch in first for row in batch}) == 28
    assert first != second
    in_order = accelerator.prepare(batches(x, y, batch_size=4, shuffle=False))
    assert firsts(skip_first_batches(in_order, 5)) == firsts(in_order)[5:]


def test_two_processes_share_out_one_order():
    _, y = rows(32)
    shards = [
        prepare_data_loader(
            batches(y, batch_size=4),
            num_processes=2,
            process_index=rank,
            use_seedable_sampler=True,
            data_seed=5,
        )
        for rank in (0, 1)
    ]
    for _ in range(2):
        mine, theirs = (firsts(shard) for shard in shards)
        assert len(mine) == len(theirs) == 4
        assert sorted(itertools.chain(*mine, *theirs)) == list(range(32))


def test_a_stream_draws_anew_and_follows_the_rng():
    stream = Stream(ring, batch_size=16, steps=3)
    assert len(stream) == 3
    torch.manual_seed(0)
    first, second = list(stream), list(stream)
    assert [batch[0].shape for batch in first] == [(16, 2)] * 3
    assert all(isinstance(batch, tuple) and len(batch) == 1 for batch in first)
    assert not torch.equal(first[0][0], first[1][0])
    assert not torch.equal(first[0][0], second[0][0])
    torch.manual_seed(0)
    assert torch.equal(next(iter(stream))[0], first[0][0])


def test_a_stream_passes_tuples_on():
    x, y = next(iter(Stream(partial(moons, noise=0.0), batch_size=5, steps=1)))
    assert x.shape == (5, 2)
    assert y.shape == (5,)


def fixed_stream(generator: torch.Generator | None) -> Stream:
    return Stream(ring, batch_size=8, steps=4, generator=generator)


def test_a_generator_drives_a_stream_and_the_global_rng_is_left_alone():
    before = torch.get_rng_state()
    passes = [torch.cat([x for (x,) in fixed_stream(torch.Generator().manual_seed(s))]) for s in (0, 0, 1)]
    assert torch.equal(passes[0], passes[1])
    assert not torch.equal(passes[0], passes[2])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("own", [False, True], ids=["global", "own generator"])
def test_play_goes_on_in_the_middle_of_a_stream(own, tmp_path):
    def train(steps: int, folder: str) -> torch.Tensor:
        torch.manual_seed(0)
        game = GAN(mlp(2, 8, 2), mlp(2, 8, 1), latent_size=2)
        optimizers = {name: torch.optim.SGD(net.parameters(), 0.1) for name, net in game.players.items()}
        data = fixed_stream(torch.Generator().manual_seed(1) if own else None)
        play(game, data, optimizers, steps=steps, checkpoint=tmp_path / folder, progress=False)
        return torch.cat([parameter.detach().flatten() for parameter in game.parameters()])

    at_once = train(11, "at once")
    halfway = train(6, "in two")
    in_two = train(11, "in two")
    assert not torch.equal(halfway, in_two)
    assert torch.equal(in_two, at_once)
