"""What the GAN in the plane computes, against the package: losses, gradients, and whole rounds, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Browser, Page
from torch import Tensor, nn
from torch.func import functional_call

from advnotes import GAN, MinimaxGAN
from advnotes.gan import R1, UnrolledGAN, r1_penalty
from advnotes.nets import mlp
from tests.browser.conftest import Visit, watched
from tests.browser.plane_gan import open_gan, write_gan

SIZES = {"generator": (2, 64, 64, 2), "discriminator": (2, 128, 1)}
RATES = {"generator": 2e-3, "discriminator": 5e-3}


@pytest.fixture(scope="module")
def gan(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    visit, context = Visit(), browser.new_context()
    yield open_gan(watched(context, visit), write_gan(tmp_path_factory.mktemp("gan")))
    context.close()
    assert visit.errors == []
    assert visit.requests == []


@pytest.fixture(autouse=True)
def _in_double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def row(tensors: Any) -> Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def slope(loss: Tensor, network: nn.Module) -> Tensor:
    """The loss's gradient in a network's weights, in a row; 0 where there is none."""
    parameters = list(network.parameters())
    return row(torch.autograd.grad(loss, parameters, materialize_grads=True))


def network(*sizes: int, weights: Any = None, seed: int = 0) -> nn.Module:
    """A network of the package, with the page's weights where they are given."""
    torch.manual_seed(seed)
    made: nn.Module = mlp(*sizes)
    if weights is not None:
        nn.utils.vector_to_parameters(torch.tensor(weights), made.parameters())
    return made


def adam(player: nn.Module, rate: float) -> torch.optim.Adam:
    return torch.optim.Adam(player.parameters(), lr=rate, betas=(0.5, 0.999))


def same(ours: Any, theirs: Tensor) -> None:
    """Equal to a millionth of the largest; and something is there to be compared."""
    unit = float(theirs.abs().max())
    assert unit > 0
    torch.testing.assert_close(torch.tensor(ours).view_as(theirs) / unit, theirs / unit, rtol=0, atol=1e-6)


def batch(n: int, seed: int) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sizes", [(2, 128, 1), (2, 16, 8, 1)])
@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_the_discriminators_loss_and_gradient_are_the_packages(
    gan: Page, sizes: tuple[int, ...], gamma: float
) -> None:
    D, real, fake = network(*sizes), batch(64, 1), 0.5 * batch(64, 2)
    ours = gan.evaluate(
        """([sizes, theta, real, fake, gamma]) => {
            const shape = new AdvnotesPlane.Shape(...sizes);
            const [w, x, y] = [theta, real, fake].map(values => Float64Array.from(values));
            const { loss, gradient } = AdvnotesPlane.discriminatorLoss(shape, w, x, y, gamma);
            const { penalty } = AdvnotesPlane.penalise(shape, w, x);
            return { loss, penalty, gradient: [...gradient] };
        }""",
        [sizes, row(D.parameters()).tolist(), real.flatten().tolist(), fake.flatten().tolist(), gamma],
    )
    plain, game = GAN(network(2, 2), D, 2), GAN(network(2, 2), D, 2, penalties=[R1(gamma)])
    for each in (plain, game):
        each.sample = lambda *_: fake  # type: ignore[method-assign]
    assert ours["loss"] == pytest.approx(
        plain.discriminator_loss(real).item(), rel=1e-9
    )  # without the penalty
    assert ours["penalty"] == pytest.approx(r1_penalty(D, real).item(), rel=1e-9)
    same(ours["gradient"], slope(game.discriminator_loss(real), D))


def trained(D: nn.Module) -> torch.optim.Adam:
    """An optimizer whose moments are not 0."""
    optimizer = adam(D, RATES["discriminator"])
    for seed in range(3):
        optimizer.zero_grad()
        (F.softplus(-D(batch(32, 10 + seed))) + F.softplus(D(0.3 * batch(32, 20 + seed)))).mean().backward()
        optimizer.step()
    return optimizer


def non_saturating(game: UnrolledGAN, real: Tensor, fake: Tensor) -> Tensor:
    """Unrolled as the package does it, and then the non-saturating loss, which the package has not."""
    named = dict(game.discriminator.named_parameters())
    pieces = game.ahead(real, fake).split([weight.numel() for weight in named.values()])
    weights = {name: piece.view_as(named[name]) for name, piece in zip(named, pieces, strict=True)}
    return F.softplus(-functional_call(game.discriminator, weights, (fake,))).mean()


@pytest.mark.parametrize("sizes", [(2, 128, 1), (2, 16, 8, 1)])
@pytest.mark.parametrize("unroll", [0, 1, 5])
@pytest.mark.parametrize("loss", ["minimax", "non-saturating"])
def test_the_generators_loss_and_gradient_are_the_packages(
    gan: Page, sizes: tuple[int, ...], unroll: int, loss: str
) -> None:
    G, D, z, real = network(2, 12, 12, 2, seed=1), network(*sizes), batch(32, 3), batch(32, 4)
    optimizer = trained(D)
    moments = [row(optimizer.state[p][name] for p in D.parameters()) for name in ("exp_avg", "exp_avg_sq")]
    given = (row(G.parameters()), row(D.parameters()), z, real, *moments)
    ours = gan.evaluate(
        """([sizes, rows, minimax, unroll, rate]) => {
            const [G, D, z, real, mean, square] = rows.map(values => Float64Array.from(values));
            const [maker, judge] = [new AdvnotesPlane.Shape(2, 12, 12, 2), new AdvnotesPlane.Shape(...sizes)];
            const values = maker.forward(G, z);
            const settings = { minimax, unroll, rate, adam: { count: 3, mean, square } };
            const { loss, points } = AdvnotesPlane.generatorLoss(judge, D, real, values.at(-1), settings);
            return { loss, gradient: [...maker.backward(G, values, points).theta] };
        }""",
        [sizes, [t.flatten().tolist() for t in given], loss == "minimax", unroll, RATES["discriminator"]],
    )
    game = UnrolledGAN(G, D, 2, optimizer=optimizer, unroll=unroll)
    fake = G(z)
    if loss == "minimax":
        game.sample = lambda *_: fake  # type: ignore[method-assign]
        value = game.generator_loss(real)
    else:
        value = non_saturating(game, real, fake)
    assert ours["loss"] == pytest.approx(float(value.detach()), rel=1e-9)
    same(ours["gradient"], slope(value, G))


def test_the_way_through_the_steps_is_part_of_the_gradient(gan: Page) -> None:
    """Without it the test above would compare little: it is most of what unrolling adds."""
    D, real, fake = network(2, 128, 1), batch(32, 4), batch(32, 3).requires_grad_()
    game = UnrolledGAN(network(2, 2), D, 2, optimizer=trained(D), unroll=5)
    (through,) = torch.autograd.grad(-game.loss_at(game.ahead(real, fake), real, fake), fake)
    (stopped,) = torch.autograd.grad(-game.loss_at(game.ahead(real, fake).detach(), real, fake), fake)
    assert (through - stopped).norm() > 0.01 * stopped.norm()


# What the page plays, with everything that it draws written down: two rounds.
PLAY = """([settings, rounds]) => {
    const game = new AdvnotesPlane.Game(AdvnotesPlane.DATA.ring, 3);
    const players = ["generator", "discriminator"];
    const weights = () => Object.fromEntries(players.map(name => [name, [...game[name].theta]]));
    const drawn = { real: [], z: [] };
    const [sample, noise] = [AdvnotesPlane.sample, game.noise];
    AdvnotesPlane.sample = (...args) => { const x = sample(...args); drawn.real.push([...x]); return x; };
    game.noise = () => { const z = noise.call(game); drawn.z.push([...z]); return z; };
    const before = weights();
    for (let n = 0; n < rounds; n++) game.round(settings);
    AdvnotesPlane.sample = sample;
    return { before, after: weights(), ...drawn };
}"""


@pytest.mark.parametrize(
    ("moves", "gamma", "unroll", "loss"),
    [
        (1, 0.0, 0, "non-saturating"),
        (3, 1.0, 0, "minimax"),
        (1, 0.0, 5, "minimax"),
        (2, 0.5, 2, "non-saturating"),
    ],
)
def test_rounds_are_torchs(gan: Page, moves: int, gamma: float, unroll: int, loss: str) -> None:
    rounds = 2
    settings = {"moves": moves, "gamma": gamma, "unroll": unroll, "minimax": loss == "minimax"}
    rates = {"rateG": RATES["generator"], "rateD": RATES["discriminator"]}
    ours = gan.evaluate(PLAY, [settings | rates, rounds])
    players = {name: network(*SIZES[name], weights=ours["before"][name]) for name in SIZES}
    optimizers = {name: adam(player, RATES[name]) for name, player in players.items()}
    G, D = players["generator"], players["discriminator"]
    kind = MinimaxGAN if loss == "minimax" else GAN
    plain, ahead = kind(G, D, 2), UnrolledGAN(G, D, 2, optimizer=optimizers["discriminator"], unroll=unroll)
    batches = [iter(torch.tensor(ours[name]).view(-1, 64, 2)) for name in ("real", "z")]

    def generators_slopes(real: Tensor) -> tuple[Tensor, ...]:
        fake = G(next(batches[1]))
        for game in (plain, ahead):
            game.sample = lambda *_: fake  # type: ignore[method-assign]
        if not unroll:
            value = plain.generator_loss(real)
        elif loss == "minimax":
            value = ahead.generator_loss(real)
        else:
            value = non_saturating(ahead, real, fake)
        return torch.autograd.grad(value, list(G.parameters()))

    def step(name: str, slopes: tuple[Tensor, ...]) -> None:
        for weight, each in zip(players[name].parameters(), slopes, strict=True):
            weight.grad = each
        optimizers[name].step()

    for _ in range(rounds):
        slopes = None
        for k in range(moves):
            real = next(batches[0])
            if unroll and k == moves - 1:
                slopes = generators_slopes(real)  # of where D is before its last move, which it foresees
            fake = G(next(batches[1])).detach()
            value = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean() + gamma * r1_penalty(D, real)
            step("discriminator", torch.autograd.grad(value, list(D.parameters()), materialize_grads=True))
        step("generator", slopes or generators_slopes(real))
    assert all(next(each, None) is None for each in batches)  # nothing else was drawn
    for name, player in players.items():
        moved = row(player.parameters()) - torch.tensor(ours["before"][name])
        assert moved.abs().max() > 1e-3
        same(ours["after"][name], row(player.parameters()))
