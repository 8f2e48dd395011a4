"""The replay buffer against a list that keeps its last entries, and against the uniform distribution."""

import pytest
import torch

from advnotes.decisions import ReplayBuffer


@pytest.mark.parametrize("sizes", [[3], [2, 2, 2], [5, 1, 4], [12], [0, 4, 9]])
def test_it_keeps_what_a_list_of_the_last_rows_keeps(sizes: list[int]) -> None:
    replay, seen = ReplayBuffer(5), []
    for size in sizes:
        rows = torch.arange(len(seen), len(seen) + size)
        replay.add(rows, rows[:, None].double() * torch.tensor([1.0, 10.0]))
        seen += rows.tolist()
        assert len(replay) == min(len(seen), 5)
    drawn, doubled = replay.sample(400, torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == set(seen[-5:])
    assert torch.equal(doubled, drawn[:, None].double() * torch.tensor([1.0, 10.0]))  # rows stay together


def test_each_row_is_drawn_equally_often() -> None:
    replay = ReplayBuffer(8)
    replay.add(torch.arange(11))
    (drawn,) = replay.sample(80_000, torch.Generator().manual_seed(1))
    counts = torch.bincount(drawn, minlength=11)
    assert counts[:3].sum() == 0
    assert ((counts[3:] - 10_000).abs() < 600).all()  # six standard deviations


def test_the_draw_is_the_generators_and_rows_are_copies_without_gradients() -> None:
    replay, x = ReplayBuffer(4), torch.ones(4, 2, requires_grad=True)
    replay.add(x * 2)
    before = torch.get_rng_state()
    one, two = (replay.sample(3, torch.Generator().manual_seed(2))[0] for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(before, torch.get_rng_state())
    assert not one.requires_grad
    one.zero_()
    assert (replay.sample(3)[0] == 2).all()


def test_rows_may_come_from_inference_mode() -> None:
    replay = ReplayBuffer(3)
    with torch.inference_mode():
        replay.add(torch.ones(2))
    replay.add(torch.zeros(2))
    assert sorted(replay.columns[0].tolist()) == [0.0, 0.0, 1.0]


@pytest.mark.usefixtures("unchecked")
def test_mistakes_say_how_to_mend_them() -> None:
    with pytest.raises(ValueError, match="capacity must be a whole number of at least 1, got 0"):
        ReplayBuffer(0)
    replay = ReplayBuffer(3)
    with pytest.raises(ValueError, match="empty replay buffer"):
        replay.sample(2)
    with pytest.raises(ValueError, match="got nothing"):
        replay.add()
    with pytest.raises(ValueError, match="got a number"):
        replay.add(torch.tensor(1.0))
    with pytest.raises(ValueError, match="got list"):
        replay.add([1.0])
    with pytest.raises(ValueError, match=r"equally many rows, got \[2, 3\]"):
        replay.add(torch.ones(2), torch.ones(3))
    replay.add(torch.ones(2, 4))
    with pytest.raises(ValueError, match="keeps rows of"):
        replay.add(torch.ones(2, 5))
    with pytest.raises(ValueError, match="keeps rows of"):
        replay.add(torch.ones(2, 4).double())
    with pytest.raises(ValueError, match="count must be a whole number"):
        replay.sample(-1)
