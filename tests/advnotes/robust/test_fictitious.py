"""Fictitious play: what is remembered, when the adversary moves, what the list does, and a resumed game."""

import pytest
import torch
import torch.nn.functional as F

from advnotes import play
from advnotes.attacks import FGSM, Universal
from advnotes.data import batches
from advnotes.robust import FictitiousPlay
from advnotes.threats import Linf
from tests.advnotes.robust.small import net

ATTACK = Universal(Linf(0.2), steps=10, starts=1, batch_size=20)


def batch(n: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes, told apart by which of three rows is brightest."""
    x = torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    return x, x.view(n, 4, 4)[:, :3].mean(dim=2).argmax(dim=1)


def game(**options) -> FictitiousPlay:
    return FictitiousPlay(net(), ATTACK, *batch(), **{"rounds": 3, "every": 4} | options)


def played(game: FictitiousPlay, steps: int, **options) -> torch.Tensor:
    """The weights after some steps from fixed seeds."""
    torch.manual_seed(2)
    optimizer = torch.optim.Adam(game.model.parameters(), lr=0.02)
    play(game, batches(*batch(), batch_size=20), optimizer, steps=steps, progress=False, **options)
    return torch.cat([p.detach().flatten() for p in game.model.parameters()])


def test_the_adversary_moves_every_so_often_until_its_rounds_are_over():
    found = []
    for steps in (4, 5, 8, 9, 13, 30):
        g = game()
        played(g, steps)
        found.append(len(g.met))
        assert torch.equal(g.history[0], torch.zeros(1, 4, 4))
        assert (g.met.abs().amax(dim=(1, 2, 3)) <= 0.2 + 1e-6).all()
        assert all(delta.abs().sum() > 0 for delta in g.met)
    assert found == [0, 1, 1, 2, 3, 3]


def test_each_perturbation_answers_the_classifier_of_its_round():
    g = game(seed=5)
    played(g, 8)
    expected = g.answer(5 + 1)  # nothing is added: the ninth step makes the same answer
    assert len(g.met) == 1
    g.model_loss(*batch())
    assert torch.equal(g.met[1], expected)
    assert not torch.equal(g.met[0], expected)


@pytest.mark.parametrize(("memory", "entries"), [(None, [0, 1, 2, 3]), (2, [0, 2, 3]), (1, [0, 3]), (0, [0])])
def test_inputs_meet_what_is_remembered_and_nothing_else(memory, entries):
    g = game(memory=memory)
    g.history[1:] = torch.tensor([0.05, 0.1, 0.15]).view(3, 1, 1, 1)
    g.found.fill_(3)
    x = torch.full((4000, 1, 4, 4), 0.5)
    torch.manual_seed(0)
    shift = (g.perturbed(x) - x)[:, 0, 0, 0]
    counts = torch.stack([((shift - 0.05 * k).abs() < 1e-5).sum() for k in range(4)])
    assert counts.sum() == 4000
    for k in range(4):
        expected = 1 / len(entries) if k in entries else 0
        assert float(counts[k]) / 4000 == pytest.approx(expected, abs=0.03)


def test_perturbed_inputs_stay_in_the_range():
    g = game()
    g.history[1:] = 0.2
    g.found.fill_(3)
    assert g.perturbed(torch.ones(50, 1, 4, 4)).max() == 1


def test_without_a_memory_it_is_ordinary_training_bit_for_bit():
    weights, other = played(game(memory=0), 10), net()
    torch.manual_seed(2)
    optimizer, done = torch.optim.Adam(other.parameters(), lr=0.02), 0
    while done < 10:
        for x, y in batches(*batch(), batch_size=20):
            if done < 10:
                optimizer.zero_grad()
                F.cross_entropy(other(x), y).backward()
                optimizer.step()
                done += 1
    assert torch.equal(weights, torch.cat([p.detach().flatten() for p in other.parameters()]))


def test_a_resumed_game_remembers_and_ends_as_if_it_had_never_stopped(tmp_path):
    whole, half, resumed = game(rounds=5), game(rounds=5), game(rounds=5)
    uninterrupted = played(whole, 22)
    played(half, 10, checkpoint=tmp_path)
    assert len(half.met) == 2
    assert torch.equal(played(resumed, 22, checkpoint=tmp_path), uninterrupted)
    assert torch.equal(resumed.history, whole.history)
    assert torch.equal(resumed.met[:2], half.met)
    assert int(resumed.moves) == int(whole.moves) == 22


def test_a_loss_in_eval_mode_is_no_move():
    g = game()
    g.moves.fill_(4)
    g.eval().model_loss(*batch())
    assert (int(g.moves), len(g.met)) == (4, 0)
    g.train().model_loss(*batch())
    assert (int(g.moves), len(g.met)) == (5, 1)


def test_memory_lowers_the_worst_of_what_was_met():
    def worst(memory: int | None) -> float:
        g = game(memory=memory, rounds=6, every=30)
        played(g, 240)
        x, y = batch()
        wrong = [(g.model((x + delta).clamp(0, 1)).argmax(dim=1) != y).float().mean() for delta in g.met]
        return float(max(wrong))

    assert worst(None) < worst(0) - 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attack": FGSM(Linf(0.1))}, "a perturbation for all inputs"),
        ({"rounds": 0}, "rounds must be a whole number"),
        ({"every": 0}, "every must be a whole number"),
        ({"memory": -1}, "memory must be a whole number"),
        ({"x": torch.full((60, 1, 4, 4), 2.0)}, "within"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    x, y = batch()
    given = {"model": net(), "attack": ATTACK, "x": x, "y": y, "rounds": 3, "every": 4}
    init = getattr(FictitiousPlay.__init__, "__wrapped__", FictitiousPlay.__init__)  # types are checked first
    with pytest.raises(ValueError, match=message):
        init(FictitiousPlay.__new__(FictitiousPlay), **given | options)
