"""What the two players compute, against the chapters' losses by automatic derivatives, and against the package."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Browser, Page
from torch import Tensor
from torch.func import grad, jacrev

from advnotes import GAN, MinimaxGAN, play
from advnotes.gan import R1, UnrolledGAN, dirac_eigenvalues, dirac_gan
from tests.browser.conftest import Visit, watched
from tests.browser.two_players import open_players, state, write_players

TOLERANCE = 1e-9
START = [0.875, 0.625]  # exact in float32, too, in which the package makes its numbers
PLAIN = {"game": "ab", "order": "once", "wish": "zero-sum", "lr": 0.2, "momentum": 0, "gamma": 0, "unroll": 0}
ORDERS = ["once", "turn", "ahead"]
Settings = dict[str, Any]
Loss = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(scope="module")
def players(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    visit, context = Visit(), browser.new_context()
    yield open_players(watched(context, visit), write_players(tmp_path_factory.mktemp("players")))
    context.close()
    assert visit.errors == []
    assert visit.requests == []


def path(players: Page, settings: Settings, rounds: int, start: list[float] = START) -> Tensor:
    """The page's points, after no round and after each."""
    points = players.evaluate(
        """([settings, rounds, start]) => {
            const path = new AdvnotesPlayers.Path(AdvnotesPlayers.GAMES[settings.game], settings, start);
            path.follow(rounds);
            return path.states.map(({ point }) => point);
        }""",
        [settings, rounds, start],
    )
    return torch.tensor(points, dtype=torch.float64)


def judged(players: Page, settings: Settings) -> dict[str, Any]:
    """The page's matrix of one round, its eigenvalues, and what they say."""
    found: dict[str, Any] = players.evaluate(
        """settings => {
            const game = AdvnotesPlayers.GAMES[settings.game];
            const matrix = AdvnotesPlayers.matrix(game, settings);
            const judged = AdvnotesPlayers.judge(matrix);
            return { matrix, ...judged, verdict: AdvnotesPlayers.verdict(judged) };
        }""",
        settings,
    )
    return found


def losses(settings: Settings) -> tuple[Loss, Loss]:
    """Each player's loss, as the chapters have them."""
    lr, gamma = settings["lr"], settings["gamma"]
    if settings["game"] == "ab":
        return lambda a, b: a * b, lambda a, b: -a * b + gamma / 2 * b**2

    def loss_d(theta: Tensor, psi: Tensor) -> Tensor:
        return F.softplus(-psi * 0) + F.softplus(psi * theta) + gamma / 2 * psi**2

    def loss_g(theta: Tensor, psi: Tensor) -> Tensor:
        line = psi
        for _ in range(settings["unroll"]):
            line = line - lr * grad(loss_d, argnums=1)(theta, line)
        return -F.softplus(line * theta) if settings["wish"] == "zero-sum" else F.softplus(-line * theta)

    return loss_g, loss_d


def one_round(settings: Settings, now: Tensor) -> Tensor:
    """One round of the pair and its two speeds, differentiable."""
    lr, momentum = settings["lr"], settings["momentum"]
    slope = [grad(loss, argnums=player) for player, loss in enumerate(losses(settings))]
    x, y, *speeds = now
    if settings["order"] == "turn":
        place, first = [x, y], 0 if settings["game"] == "ab" else 1
        for mover in (first, 1 - first):
            speeds[mover] = momentum * speeds[mover] - lr * slope[mover](*place)
            place[mover] = place[mover] + speeds[mover]
        return torch.stack([*place, *speeds])
    seen = (x, y)
    if settings["order"] == "ahead":
        seen = (x - lr * slope[0](x, y), y - lr * slope[1](x, y))
    speeds = [momentum * speed - lr * slope[player](*seen) for player, speed in enumerate(speeds)]
    return torch.stack([x + speeds[0], y + speeds[1], *speeds])


CASES = [
    *(
        PLAIN | dict(order=order, momentum=momentum, gamma=gamma)
        for order, momentum, gamma in itertools.product(ORDERS, (0, 0.5, -0.5), (0, 0.7))
    ),
    *(
        PLAIN | dict(game="dirac", order=order, wish=wish, gamma=gamma, unroll=unroll, momentum=momentum)
        for order, wish in itertools.product(ORDERS, ("zero-sum", "non-saturating"))
        for gamma, unroll, momentum in ((0, 0, 0), (0.6, 0, 0), (0, 3, 0), (0.6, 3, -0.4))
    ),
]
NAMES = ["-".join(str(value) for value in case.values()) for case in CASES]


@pytest.mark.parametrize("settings", CASES, ids=NAMES)
def test_paths_are_those_of_automatic_derivatives(players: Page, settings: Settings) -> None:
    ours = path(players, settings, 20)
    now = torch.tensor([*START, 0, 0], dtype=torch.float64)
    theirs = [now[:2]]
    for _ in range(20):
        now = one_round(settings, now)
        theirs.append(now[:2])
    assert (ours[-1] - ours[0]).norm() > 0.1  # it went somewhere
    torch.testing.assert_close(ours, torch.stack(theirs), rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("settings", CASES, ids=NAMES)
def test_the_matrix_of_a_round_is_its_derivative_at_rest(players: Page, settings: Settings) -> None:
    found = judged(players, settings)
    matrix = torch.tensor(found["matrix"], dtype=torch.float64)
    size = 2 if settings["momentum"] == 0 else 4
    assert matrix.shape == (size, size)
    jacobian = jacrev(lambda now: one_round(settings, now))(torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(matrix, jacobian[:size, :size], rtol=TOLERANCE, atol=TOLERANCE)
    theirs = np.linalg.eigvals(jacobian[:size, :size].numpy())
    ours = np.array([complex(*value) for value in found["values"]])
    assert max(abs(theirs - value).min() for value in ours) < 1e-6
    assert max(abs(ours - value).min() for value in theirs) < 1e-6
    assert found["modulus"] == pytest.approx(abs(theirs).max(), abs=1e-8)


GAMES: dict[str, tuple[type[GAN], Settings, Settings]] = {
    "zero-sum": (MinimaxGAN, {}, {}),
    "non-saturating": (GAN, {}, {"wish": "non-saturating"}),
    "R1": (GAN, {"penalties": [R1(0.8)]}, {"wish": "non-saturating", "gamma": 0.8}),
    "unrolled": (UnrolledGAN, {"unroll": 5}, {"unroll": 5}),
}


@pytest.mark.parametrize("order", ["once", "turn"])
@pytest.mark.parametrize("name", GAMES)
def test_dirac_gans_are_the_packages(players: Page, name: str, order: str) -> None:
    kind, options, settings = GAMES[name]
    pair = dirac_gan(MinimaxGAN, (START[0], START[1])).double()
    optimizers = {key: torch.optim.SGD(player.parameters(), lr=0.1) for key, player in pair.players.items()}
    if kind is UnrolledGAN:
        options = options | {"optimizer": optimizers["discriminator"]}
    game = kind(pair.generator, pair.discriminator, 1, **options)
    game.turns = (("discriminator", "generator"),) if order == "once" else ("discriminator", "generator")
    theirs = [START]

    def look(_: Any) -> None:
        theirs.append([parameter.item() for parameter in pair.parameters()])

    zero = torch.zeros(1, 1, dtype=torch.float64)
    play(game, [zero], optimizers, steps=60, callbacks=[look], callback_every=1, progress=False)
    ours = path(players, PLAIN | {"game": "dirac", "lr": 0.1, "order": order} | settings, 60)
    torch.testing.assert_close(
        ours, torch.tensor(theirs, dtype=torch.float64), rtol=TOLERANCE, atol=TOLERANCE
    )


@pytest.mark.parametrize("eta", [0.05, 0.2, 0.8])
def test_the_chapters_factors(players: Page, eta: float) -> None:
    once, turn, ahead = (judged(players, PLAIN | dict(order=order, lr=eta))["modulus"] for order in ORDERS)
    assert once == pytest.approx(math.sqrt(1 + eta**2), rel=TOLERANCE)
    assert turn == pytest.approx(1, rel=TOLERANCE)
    assert ahead == pytest.approx(math.sqrt((1 - eta**2) ** 2 + eta**2), rel=TOLERANCE)
    a, b = path(players, PLAIN | dict(order="turn", lr=eta), 500, [1.0, 0.0]).T
    assert (a**2 + b**2 - eta * a * b - 1).abs().max() < TOLERANCE  # the ellipse


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.9, 2.0, 4.0])
def test_one_round_at_once_has_the_packages_eigenvalues(players: Page, gamma: float) -> None:
    found = judged(players, PLAIN | dict(game="dirac", lr=0.05, gamma=gamma))
    theory = max(abs(1 + 0.05 * value) for value in dirac_eigenvalues(gamma))
    assert found["modulus"] == pytest.approx(theory, rel=1e-8)


VERDICTS = [
    # the game on a b, from the chapter: its pictures, its bound on eta, and its second exercise
    ({}, "spirals out"),
    ({"order": "turn"}, "circles"),
    ({"order": "ahead"}, "spirals in"),
    ({"order": "ahead", "lr": 0.99}, "spirals in"),
    ({"order": "ahead", "lr": 1}, "circles"),
    ({"order": "ahead", "lr": 1.01}, "spirals out"),
    ({"order": "turn", "momentum": 0.5}, "spirals out"),
    ({"order": "turn", "momentum": -0.5}, "spirals in"),
    ({"gamma": 0.5}, "spirals in"),
    # the Dirac-GAN: its pictures, its first exercise, and looking ahead by unrolling
    ({"game": "dirac", "gamma": 0.3}, "spirals in"),
    ({"game": "dirac", "gamma": 1}, "creeps in"),
    ({"game": "dirac", "gamma": 4}, "creeps in"),
    ({"game": "dirac", "lr": 0.5}, "spirals out"),
    ({"game": "dirac", "lr": 0.5, "order": "turn"}, "circles"),
    ({"game": "dirac", "unroll": 5}, "spirals in"),
    ({"game": "dirac", "lr": 1.5, "gamma": 4}, "jumps out, from side to side"),
    ({"game": "dirac", "lr": 0.5, "gamma": 3.5}, "creeps in"),
]


@pytest.mark.parametrize(("settings", "verdict"), VERDICTS, ids=[str(case) for case, _ in VERDICTS])
def test_verdicts(players: Page, settings: Settings, verdict: str) -> None:
    assert judged(players, PLAIN | settings)["verdict"] == verdict


def test_unrolling_damps_as_much_as_a_penalty_of_half_its_steps_times_the_rate(players: Page) -> None:
    unrolled = judged(players, PLAIN | dict(game="dirac", unroll=5))["modulus"]
    penalised = judged(players, PLAIN | dict(game="dirac", gamma=5 * 0.2 / 2))["modulus"]
    assert unrolled == pytest.approx(penalised, rel=TOLERANCE)


@pytest.mark.parametrize("settings", CASES[::5], ids=NAMES[::5])
def test_the_program_that_the_page_shows_ends_where_the_page_does(
    players: Page, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    players.evaluate(
        """([settings, start]) => {
            const it = AdvnotesPlayers.all[0];
            Object.assign(it, { settings, start, rounds: 12 });
            it.renew();
        }""",
        [settings, START],
    )
    exec(players.evaluate("AdvnotesPlayers.python(AdvnotesPlayers.all[0])"), {})
    ends = [float(number) for number in capsys.readouterr().out.split()]
    shown = state(players)
    assert shown["rounds"] == 12
    assert ends == pytest.approx(shown["points"][-1], rel=TOLERANCE)
