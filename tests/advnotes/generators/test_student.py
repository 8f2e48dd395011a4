"""Students: their losses written out, and what a critic changes where the teacher's answer cannot be told from z."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advnotes import play
from advnotes.gan import GAN, R1
from advnotes.generators import AdversarialStudent, Student
from advnotes.nets import mlp


def batch() -> tuple[Tensor, Tensor, Tensor]:
    parts = torch.randn(3, 8, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return parts[0], parts[1], parts[2]


def test_a_student_pays_for_what_it_misses_of_the_teacher() -> None:
    torch.manual_seed(0)
    network = mlp(2, 4, 2).double()
    real, z, target = batch()
    loss = Student(network).generator_loss(real, z, target)
    torch.testing.assert_close(loss, F.mse_loss(network(z), target))
    torch.testing.assert_close(Student(network).generator_loss(real + 1, z, target), loss)


def test_with_a_critic_it_pays_for_looking_unreal_too() -> None:
    torch.manual_seed(0)
    network, critic = mlp(2, 4, 2).double(), mlp(2, 4, 1).double()
    real, z, target = batch()
    game = AdversarialStudent(network, critic, 2, weight=0.3)
    missed = Student(network).generator_loss(real, z, target)
    torch.testing.assert_close(
        game.generator_loss(real, z, target), missed + 0.3 * F.softplus(-critic(network(z))).mean()
    )
    expected = F.softplus(-critic(real)).mean() + F.softplus(critic(network(z))).mean()
    torch.testing.assert_close(game.discriminator_loss(real, z, target), expected)
    free = AdversarialStudent(network, critic, 2, weight=0.0)
    torch.testing.assert_close(free.generator_loss(real, z, target), missed)


def test_penalties_are_the_gans() -> None:
    torch.manual_seed(0)
    network, critic = mlp(2, 4, 2).double(), mlp(2, 4, 1).double()
    real, z, target = batch()
    plain, priced = (AdversarialStudent(network, critic, 2, penalties=p) for p in ((), R1(2.0)))
    gap = priced.discriminator_loss(real, z, target) - plain.discriminator_loss(real, z, target)
    gan = GAN(network, critic, 2, penalties=[R1(2.0)])
    torch.testing.assert_close(gap, gan.penalties[0](gan.logit, real, network(z)))


def test_where_the_teacher_is_ambiguous_only_a_critic_keeps_samples_from_the_middle() -> None:
    def ends(game: Student | AdversarialStudent) -> float:
        torch.manual_seed(0)
        rounds = []
        for _ in range(400):
            side = torch.randint(0, 2, (64, 1)).float() * 2 - 1  # not to be told from z: the mean is 0
            rounds.append((torch.randint(0, 2, (64, 1)).float() * 2 - 1, torch.randn(64, 1), side))
        adam = {n: torch.optim.Adam(p.parameters(), 3e-3, betas=(0.0, 0.99)) for n, p in game.players.items()}
        play(game, rounds, adam, steps=400, progress=False)
        return game.generator(torch.linspace(-2, 2, 101)[:, None]).abs().mean().item()

    torch.manual_seed(1)
    alone = ends(Student(mlp(1, 32, 32, 1)))
    torch.manual_seed(1)
    judged = ends(AdversarialStudent(mlp(1, 32, 32, 1), mlp(1, 32, 32, 1), 1, weight=3.0, penalties=R1(0.1)))
    assert alone < 0.25 < 0.5 < judged


def test_what_does_not_fit_is_refused() -> None:
    real, z, target = batch()
    with pytest.raises(ValueError, match="generated samples have the shape"):
        Student(nn.Linear(2, 3).double()).generator_loss(real, z, target)
    with pytest.raises(ValueError, match="weight"):
        AdversarialStudent(nn.Linear(2, 2), nn.Linear(2, 1), 2, weight=-1.0)


@pytest.mark.usefixtures("unchecked")
def test_targets_are_not_broadcast() -> None:
    real, z, target = batch()
    judged = AdversarialStudent(nn.Linear(2, 2).double(), nn.Linear(2, 1).double(), 2)
    for game in (judged, Student(nn.Linear(2, 2).double())):
        with pytest.raises(ValueError, match="generated samples have the shape"):
            game.generator_loss(real, z, target[:, :1])
        with pytest.raises(ValueError, match="a target for each start, got 8 for 1"):
            game.generator_loss(real, z[:1], target)
    with pytest.raises(ValueError, match=r"\(real, z, target\), got 1 parts"):
        judged.discriminator_loss(real)
