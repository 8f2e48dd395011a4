"""A jury against its limits: the mean, the largest verdict, one critic, and each critic alone."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from advnotes import play
from advnotes.gan import (
    GMAN,
    R1,
    ConditionalGAN,
    Conditioned,
    GMANStar,
    Jury,
    MinimaxGAN,
    Regulated,
    critic_weights,
    r1_penalty,
)
from advnotes.nets import mlp

REAL = torch.randn(12, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
verdicts = st.lists(st.floats(-5, 0), min_size=2, max_size=6, unique_by=lambda value: round(value, 1))


def critics(n: int = 3) -> list[nn.Module]:
    torch.manual_seed(0)
    return [mlp(3, 4 + i, 1, activation=nn.Tanh).double() for i in range(n)]


def generator() -> nn.Module:
    torch.manual_seed(1)
    return mlp(2, 4, 3, activation=nn.Tanh).double()


def loss(game: MinimaxGAN, real: torch.Tensor = REAL) -> torch.Tensor:
    torch.manual_seed(2)
    return game.generator_loss(real)


@given(verdicts)
def test_strictness_0_is_the_mean_and_a_large_one_the_largest_verdict(values: list[float]) -> None:
    v = torch.tensor(values, dtype=torch.float64)
    for strictness, expected in ((0.0, v.mean()), (1e4, v.max())):
        game = GMAN(generator(), Jury(critics()), 2, strictness=strictness)
        assert abs(float(game.pooled(v) - expected)) < 1e-6
    assert float(critic_weights(v, 2.0).sum()) == pytest.approx(1.0, abs=1e-12)


@given(verdicts, st.floats(0.01, 5), st.floats(0, 1))
def test_the_learnt_strictness_is_pushed_by_the_variance_of_the_verdicts(values, start, reward) -> None:
    v = torch.tensor(values, dtype=torch.float64)
    game = GMANStar(Regulated(generator(), start=start).double(), Jury(critics()), 2, reward=reward)
    (slope,) = torch.autograd.grad(game.pooled(v), game.generator.log_strictness)
    w = critic_weights(v, float(game.generator.log_strictness.detach().exp()))
    variance = (w * v.square()).sum() - (w * v).sum().square()
    expected = (
        variance - reward
    ) * game.generator.log_strictness.exp()  # by the chain rule through the logarithm
    torch.testing.assert_close(slope, expected.detach(), rtol=1e-6, atol=1e-9)


def test_a_jury_of_one_is_the_minimax_game() -> None:
    (one,) = critics(1)
    for strictness in (0.0, 3.0):
        jury, plain = (
            GMAN(generator(), Jury([one]), 2, strictness=strictness),
            MinimaxGAN(generator(), one, 2),
        )
        torch.testing.assert_close(loss(jury), loss(plain), rtol=1e-12, atol=0)
        torch.manual_seed(3)
        mine = jury.discriminator_loss(REAL)
        torch.manual_seed(3)
        torch.testing.assert_close(mine, plain.discriminator_loss(REAL), rtol=1e-12, atol=0)


def test_each_critic_gets_its_own_rows_in_their_order() -> None:
    jury = Jury(critics())
    all_rows = jury.each(REAL)
    assert all_rows.shape == (3, 12)
    for i, logit in enumerate(jury(REAL[:11])):  # not a multiple of three
        torch.testing.assert_close(logit, all_rows[i % 3, i])
    torch.testing.assert_close(
        jury.verdicts(jury(REAL)), torch.stack([all_rows[i, i::3].mean() for i in range(3)])
    )


def test_the_generators_loss_weighs_what_each_critic_says_of_its_rows() -> None:
    game = GMAN(generator(), Jury(critics()), 2, strictness=3.0)
    torch.manual_seed(2)
    fake = game.generated(REAL)
    v = torch.stack([-F.softplus(c(fake[i::3])).mean() for i, c in enumerate(game.discriminator.critics)])
    expected = (v * (3 * v).exp()).sum() / (3 * v).exp().sum()
    torch.testing.assert_close(loss(game), expected, rtol=1e-12, atol=0)


def test_a_critic_learns_what_it_would_alone_and_pays_its_own_penalty() -> None:
    together, alone = critics(), critics()
    game = GMAN(generator(), Jury(together), 2, penalties=[R1(gamma=2.0)])
    torch.manual_seed(3)
    game.discriminator_loss(REAL).backward()
    torch.manual_seed(3)
    fake = game.generated(REAL).detach()
    for i, critic in enumerate(alone):
        own, other = REAL[i::3], fake[i::3]
        loss = (
            F.softplus(-critic(own)).mean() + F.softplus(critic(other)).mean() + 2 * r1_penalty(critic, own)
        )
        loss.backward()
        for mine, theirs in zip(together[i].parameters(), critic.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, theirs.grad / 3, rtol=1e-9, atol=1e-12)


def test_equal_critics_on_equal_rows_are_one_critic() -> None:
    (one,) = critics(1)
    twice = REAL.repeat_interleave(2, dim=0)
    jury = Jury([one, one])
    v = jury.verdicts(-F.softplus(jury(twice)))
    torch.testing.assert_close(v, (-F.softplus(one(REAL)).mean()).expand(2))
    torch.testing.assert_close(critic_weights(v, 1e6), torch.full((2,), 0.5, dtype=torch.float64))


def test_the_generators_optimizer_moves_the_strictness() -> None:
    game = GMANStar(Regulated(generator(), start=0.5).double(), Jury(critics()), 2, reward=100.0)
    optimizers = {
        name: torch.optim.SGD(player.parameters(), lr=1e-3) for name, player in game.players.items()
    }
    play(game, [REAL], optimizers, steps=5, progress=False)
    assert float(game.generator.log_strictness.detach().exp()) > 0.5  # a reward that no variance outweighs


def test_a_jury_is_asked_for_a_class() -> None:
    class ConditionalGMAN(ConditionalGAN, GMAN):
        pass

    torch.manual_seed(0)
    jury = Jury([Conditioned(mlp(3 + 2, 4, 1), 2) for _ in range(2)])
    game = ConditionalGMAN(Conditioned(mlp(2 + 2, 4, 3), 2), jury, 2, classes=2)
    x, y = REAL.float(), torch.arange(12) // 2 % 2
    assert torch.isfinite(game.generator_loss(x, y))
    assert torch.isfinite(game.discriminator_loss(x, y))
    for i, logit in enumerate(game.logit(x, y)):
        torch.testing.assert_close(logit, jury.critics[i % 2](x[i : i + 1], y[i : i + 1]).squeeze())


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="one critic or more"):
        Jury([])
    with pytest.raises(ValueError, match="critic 1 ends with Sigmoid"):
        Jury([mlp(3, 1), nn.Sequential(nn.Linear(3, 1), nn.Sigmoid())])
    with pytest.raises(ValueError, match="a row for each of 3 critics, got 2"):
        Jury(critics())(REAL[:2])
    with pytest.raises(ValueError, match=r"expected a Jury\(\[D1, D2\]\), got Sequential"):
        GMAN(generator(), critics()[0], 2)
    with pytest.raises(ValueError, match=r"expected a generator in Regulated\(G\), got Sequential"):
        GMANStar(generator(), Jury(critics()), 2)
    for strictness in (-1.0, math.inf):
        with pytest.raises(ValueError, match="strictness must be a finite number of at least 0"):
            GMAN(generator(), Jury(critics()), 2, strictness=strictness)


def test_the_strictness_has_the_precision_of_its_generator() -> None:
    """Latent vectors have that of the generator's first parameter, which is the strictness."""
    assert Regulated(generator()).log_strictness.dtype == torch.float64
    game = GMANStar(Regulated(generator()), Jury(critics()), 2)
    assert loss(game).dtype == torch.float64


def test_a_penalty_on_too_few_samples_for_the_jury_says_so() -> None:
    game = GMAN(generator(), Jury(critics()), 2, penalties=[R1(samples=2)])
    with pytest.raises(ValueError, match=r"drop_last=True\); penalties on part of a batch want as many"):
        game.discriminator_loss(REAL)
