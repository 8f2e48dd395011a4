"""f-GAN: its losses against those of other games, and the ratio that its discriminator learns from samples."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import play
from advnotes.gan import (
    FGAN,
    GAN,
    LSGAN,
    R1,
    Alpha,
    ConditionalGAN,
    Conditioned,
    Divergence,
    HingeGAN,
    JensenShannon,
    MinimaxGAN,
    NonSaturating,
)
from advnotes.nets import mlp

REAL = torch.randn(16, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def players() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return mlp(3, 8, 2).double(), mlp(2, 8, 1).double()


def gradients(game: GAN, player: str) -> list[torch.Tensor]:
    torch.manual_seed(2)
    return list(torch.autograd.grad(game(player, REAL), list(getattr(game, player).parameters())))


@pytest.mark.parametrize(
    ("divergence", "kind", "share"), [(JensenShannon(), MinimaxGAN, 0.5), (NonSaturating(), GAN, 1.0)]
)
def test_two_divergences_are_the_two_old_generators(
    divergence: Divergence, kind: type[GAN], share: float
) -> None:
    ours, theirs = (
        gradients(game, "generator") for game in (FGAN(*players(), 3, divergence), kind(*players(), 3))
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, share * other)


def test_jensen_shannon_s_bound_is_half_of_cross_entropy_and_cross_entropy_is_the_default() -> None:
    plain = gradients(GAN(*players(), 3), "discriminator")
    for ratio, share in ((None, 1.0), (JensenShannon(), 0.5)):
        ours = gradients(FGAN(*players(), 3, Alpha(1.0), ratio=ratio), "discriminator")
        for one, other in zip(ours, plain, strict=True):
            torch.testing.assert_close(one, share * other)


def test_kl_s_bound_is_the_one_of_f_gan_s_table() -> None:
    """With T = 1 + v the conjugate exp(T - 1), after Nowozin et al. 2016, table 2; f differs by r - 1 from theirs."""
    game = FGAN(*players(), 3, Alpha(1.0), ratio=Alpha(1.0))
    fake = REAL.flip(0) / 2
    on_real, on_fake = (game.discriminator(x).flatten() for x in (REAL, fake))
    bound = (1 + on_real).mean() - (1 + on_fake - 1).exp().mean()
    torch.testing.assert_close(game.discriminator_objective(REAL, fake), -bound)


@pytest.mark.parametrize("ratio", [None, Alpha(0.5), Alpha(1.0), NonSaturating()], ids=repr)
def test_the_discriminator_learns_the_ratio_from_samples(ratio: Divergence | None) -> None:
    """A linear discriminator, which is all that two normal distributions of equal width need."""

    class Frozen(FGAN):
        turns = ("discriminator",)

    torch.manual_seed(0)
    G, D = nn.Linear(1, 1), nn.Linear(1, 1)
    with torch.no_grad():
        G.weight.fill_(1.0)
        G.bias.fill_(0.5)
        D.weight.zero_()
    rounds = 400
    stream = [torch.randn(4096, 1) for _ in range(20)] * (rounds // 20)
    optimizer = torch.optim.Adam(D.parameters(), lr=0.02)
    fade = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, rounds)
    play(
        Frozen(G, D, 1, Alpha(0.0), ratio=ratio),
        stream,
        optimizer,
        steps=rounds,
        schedules=fade,
        progress=False,
    )
    # log p/q = -x**2 / 2 + (x - 1/2)**2 / 2 = -x / 2 + 1/8
    assert abs(float(D.weight) + 0.5) < 0.1
    assert abs(float(D.bias) - 0.125) < 0.1


def test_beyond_the_limit_a_sample_keeps_the_direction_and_the_limit_s_weight() -> None:
    D = nn.Linear(1, 1)
    with torch.no_grad():
        D.weight.fill_(1.0)
        D.bias.zero_()
    game = FGAN(nn.Identity(), D, 1, Alpha(1.0), limit=2.0)
    x = torch.tensor([[-5.0], [1.0], [30.0]], requires_grad=True)
    log_ratio = game.log_ratio(x)
    torch.testing.assert_close(log_ratio, torch.tensor([-2.0, 1.0, 2.0]))
    (push,) = torch.autograd.grad(game.divergence.objective(log_ratio).sum(), x)
    torch.testing.assert_close(push.flatten(), -torch.tensor([-2.0, 1.0, 2.0]).exp())


def test_a_conditional_f_gan_with_a_penalty() -> None:
    class ConditionalFGAN(ConditionalGAN, FGAN):
        pass

    torch.manual_seed(0)
    G, D = (Conditioned(mlp(2 + 3, 8, out), classes=3) for out in (2, 1))
    game = ConditionalFGAN(
        G, D, 2, classes=3, divergence=NonSaturating(), ratio=JensenShannon(), penalties=[R1(0.5)]
    )
    plain = ConditionalGAN(copy.deepcopy(G), copy.deepcopy(D), 2, classes=3)
    x, y = REAL.float(), torch.arange(16) % 3
    losses = []
    for each in (game, plain):
        torch.manual_seed(3)
        losses.append(each("generator", x, y))
    torch.testing.assert_close(losses[0] - losses[1], torch.tensor(1 - 2 * 0.6931472))
    assert torch.isfinite(game("discriminator", x, y))


def test_least_squares_learns_p_over_p_plus_q_itself() -> None:
    """Six of eight real points at 1 and two of eight fakes: D must say 3/4 there, and 1/4 at the rest."""
    real, fake = (torch.tensor([1.0] * n + [0.0] * (8 - n))[:, None] for n in (6, 2))
    D = nn.Linear(1, 1)
    game = LSGAN(nn.Linear(1, 1), D, 1)
    optimizer = torch.optim.SGD(D.parameters(), lr=0.5)
    for _ in range(300):
        optimizer.zero_grad()
        game.discriminator_objective(real, fake).backward()
        optimizer.step()
    said = D(torch.tensor([[1.0], [0.0]])).flatten()
    torch.testing.assert_close(said, torch.tensor([0.75, 0.25]), atol=1e-4, rtol=0)
    torch.manual_seed(0)
    loss = game.generator_loss(real)
    torch.manual_seed(0)
    torch.testing.assert_close(loss, (D(game.sample(8)) - 1).square().mean() / 2)


def test_the_hinge_is_torch_s_and_deaf_beyond_the_margin() -> None:
    game = HingeGAN(*players(), 3)
    fake = REAL.flip(0) / 2
    on_real, on_fake = game.logit(REAL), game.logit(fake)
    ones = torch.ones(16, dtype=torch.float64)
    expected = F.hinge_embedding_loss(on_real, -ones) + F.hinge_embedding_loss(-on_fake, -ones)
    torch.testing.assert_close(game.discriminator_objective(REAL, fake), expected)
    D = nn.Linear(2, 1)
    with torch.no_grad():
        D.weight.fill_(5.0)
        D.bias.zero_()
    x = torch.ones(4, 2)
    loss = HingeGAN(nn.Linear(3, 2), D, 3).discriminator_objective(x, -x)
    for gradient in torch.autograd.grad(loss, list(D.parameters())):
        assert float(gradient.abs().max()) == 0.0


def test_what_cannot_be_meant_is_refused() -> None:
    init: Any = getattr(FGAN.__init__, "__wrapped__", FGAN.__init__)  # types are checked first
    for divergences in (("kl", None), (Alpha(1.0), 1.0), (None, None), (JensenShannon, None)):
        with pytest.raises(ValueError, match=r"must be a divergence, such as Alpha\(1.0\)"):
            init(FGAN.__new__(FGAN), *players(), 3, divergences[0], ratio=divergences[1])
    with pytest.raises(ValueError, match="limit"):
        FGAN(*players(), 3, Alpha(1.0), limit=0.0)
    with pytest.raises(ValueError, match="ends with Sigmoid"):
        FGAN(mlp(3, 8, 2), nn.Sequential(mlp(2, 8, 1), nn.Sigmoid()), 3, Alpha(1.0))
