"""Free adversarial training: the paper's algorithm step by step, one backward pass, and a resumed game."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from advnotes import play
from advnotes.data import batches
from advnotes.robust import FreeAdversarialTraining, Replay
from advnotes.threats import L1, L2, Linf
from tests.advnotes.robust.small import batch, net

SHAPE = (8, 1, 4, 4)


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def played(game: FreeAdversarialTraining, steps: int, times: int = 3, **options) -> torch.Tensor:
    torch.manual_seed(2)
    optimizer = torch.optim.SGD(game.model.parameters(), lr=0.1)
    data = Replay(batches(*batch(32), batch_size=8), times)
    play(game, data, optimizer, steps=steps, progress=False, **options)
    return flat(game.model)


def test_it_is_the_papers_algorithm_bit_for_bit():
    eps, game, model = 0.2, FreeAdversarialTraining(net(), Linf(0.2), SHAPE), net()
    weights = played(game, 18)

    torch.manual_seed(2)
    optimizer, delta, done = torch.optim.SGD(model.parameters(), lr=0.1), torch.zeros(SHAPE), 0
    while done < 18:
        for x, y in batches(*batch(32), batch_size=8):
            for _ in range(3 if done < 18 else 0):
                point = (x + delta).clamp(0, 1).requires_grad_()
                optimizer.zero_grad()
                F.cross_entropy(model(point), y).backward()
                optimizer.step()
                delta = (delta + eps * point.grad.sign()).clamp(-eps, eps)
                done += 1
    assert torch.equal(weights, flat(model))
    assert torch.equal(game.delta, delta)
    assert float(delta.abs().max()) == pytest.approx(eps)


def test_one_forward_and_one_backward_pass_a_step():
    game = FreeAdversarialTraining(net(), Linf(0.2), SHAPE)
    forward, backward = [], []
    game.model.register_forward_hook(lambda module, inputs, output: forward.append(1))
    game.model[3].register_full_backward_hook(lambda module, before, after: backward.append(1))
    played(game, 6)
    assert len(forward) == len(backward) == 6


@pytest.mark.parametrize("threat", [Linf(0.2), L2(0.5), L1(1.0)])
def test_the_perturbation_climbs_and_stays_in_its_ball(threat):
    game, (x, y) = FreeAdversarialTraining(net(), threat, SHAPE, step=0.5), batch(8)
    losses = []
    for _ in range(6):
        loss = game.model_loss(x, y)
        loss.backward()
        losses.append(loss.item())
        assert (threat.norm(game.delta) <= threat.eps + 1e-5).all()
    assert losses[-1] > losses[0] + 0.01


def test_pixels_at_the_ends_of_the_range_can_come_back():
    game = FreeAdversarialTraining(net(), Linf(0.2), SHAPE)
    x, y = batch(8)[0].round(), torch.zeros(8, dtype=torch.int64)
    game.model_loss(x, y).backward()
    first = game.delta.clone()
    game.model_loss(x, y + 1).backward()  # for another class other pixels turn
    outside = (x + first < 0) | (x + first > 1)
    assert bool((game.delta != first)[outside].any())


def test_a_smaller_batch_uses_the_first_rows():
    game, (x, y) = FreeAdversarialTraining(net(), Linf(0.2), SHAPE), batch(5)
    game.model_loss(x, y).backward()
    assert bool(game.delta[:5].any())
    assert not bool(game.delta[5:].any())


def test_in_eval_mode_and_without_gradients_the_perturbation_stands_still():
    game, (x, y) = FreeAdversarialTraining(net(), Linf(0.2), SHAPE), batch(8)
    game.eval().model_loss(x, y).backward()
    with torch.no_grad():
        game.train().model_loss(x, y)
    assert not bool(game.delta.any())


def test_a_resumed_game_ends_as_if_it_had_never_stopped(tmp_path):
    whole, half, resumed = (FreeAdversarialTraining(net(), Linf(0.2), SHAPE) for _ in range(3))
    uninterrupted = played(whole, 19)
    played(half, 8, checkpoint=tmp_path)  # in the middle of a batch's replays
    assert torch.equal(played(resumed, 19, checkpoint=tmp_path), uninterrupted)
    assert torch.equal(resumed.delta, whole.delta)


def test_float64_and_the_callers_tensors():
    game = FreeAdversarialTraining(net().double(), Linf(0.2), SHAPE).double()
    x, y = batch(8)
    x = x.double()
    before = x.clone()
    loss = game.model_loss(x, y)
    loss.backward()
    assert loss.dtype == game.delta.dtype == torch.float64
    assert torch.equal(x, before)
    assert x.grad is None


def test_a_replay_repeats_batches_in_order_and_counts_them():
    x, y = batch(16)
    data = Replay(batches(x, y, batch_size=4, shuffle=False), 3)
    seen = [labels for _, labels in data]
    assert len(seen) == len(data) == 12
    assert all(torch.equal(labels, y[4 * (i // 3) : 4 * (i // 3) + 4]) for i, labels in enumerate(seen))
    assert len(list(data)) == 12  # again and again


def test_several_processes_want_a_divided_loader(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    loader = batches(*batch(16), batch_size=4)
    with pytest.raises(ValueError, match="DistributedSampler"):
        next(iter(Replay(loader, 2)))
    dataset = TensorDataset(*batch(16))
    divided = DataLoader(dataset, batch_size=4, sampler=DistributedSampler(dataset, num_replicas=2, rank=0))
    assert len(list(Replay(divided, 2))) == 4


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FreeAdversarialTraining(net(), Linf(torch.full((8,), 0.1)), SHAPE), "one eps for all"),
        (
            lambda: FreeAdversarialTraining(net(), Linf(0.1), SHAPE, step=0.0),
            "step must be a finite number above 0",
        ),
        (lambda: FreeAdversarialTraining(net(), Linf(0.1), (8,)), "shape is that of a batch"),
        (lambda: FreeAdversarialTraining(net(), Linf(0.1), SHAPE).model_loss(*batch(9)), "does not fit"),
        (lambda: Replay([], 0), "times must be a whole number"),
    ],
)
def test_bad_arguments_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
