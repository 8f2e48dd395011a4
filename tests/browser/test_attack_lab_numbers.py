"""What the attack lab computes, against the package: logits, gradients, and the iterates of FGSM and PGD."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Browser, Page
from torch import Tensor, nn

from advnotes import FGSM, L1, L2, PGD, Linf, data, zoo
from tests.browser.attack_lab import NETWORKS, STATIC, open_lab, state, write_lab
from tests.browser.conftest import Visit, watched

TOLERANCE = 1e-3  # of a logit, by the weights' rounding: what the page promises
THREATS = {"linf": Linf(0.3), "l2": L2(2.5), "l1": L1(3.0)}


@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    visit, context = Visit(), browser.new_context()
    yield open_lab(watched(context, visit), write_lab(tmp_path_factory.mktemp("lab")))
    context.close()
    assert visit.errors == []
    assert visit.requests == []


@pytest.fixture(scope="module")
def digits(lab: Page) -> tuple[Tensor, Tensor]:
    """The stored digits, as the package has them."""
    indices = lab.evaluate("AdvnotesLab.digits.map(({ index }) => index)")
    assert len(indices) == 12
    x, y = data.mnist("test", size=max(indices) + 1)
    return (255 * x[indices].double()).round() / 255, y[indices]  # not rounded to float32


def packaged(name: str) -> nn.Module:
    network: nn.Module = getattr(zoo, f"mnist_{name}")().network
    return network.double()


def stored(lab: Page, name: str) -> nn.Module:
    """The package's network with the rounded weights of the page."""
    weights = lab.evaluate("name => [...AdvnotesLab.labs[0].networks[name].layers[2].weight]", name)
    network = copy.deepcopy(packaged(name))
    hidden = network.get_submodule("6")
    assert isinstance(hidden, nn.Linear)
    with torch.no_grad():
        rounded = torch.tensor(weights, dtype=torch.float64).view_as(hidden.weight)
        assert (rounded - hidden.weight).abs().max() < 2e-5 * hidden.weight.abs().max()
        hidden.weight.copy_(rounded)
    return network


def looks(lab: Page, name: str) -> dict[str, Tensor]:
    """The page's logits, losses and gradients at its digits."""
    found = lab.evaluate(
        """name => {
            const network = AdvnotesLab.labs[0].networks[name];
            return AdvnotesLab.digits.map(({ pixels, label }) => {
                const x = Float64Array.from(AdvnotesLab.bytes(pixels), byte => byte / 255);
                const seen = network.look(x, label);
                return { logits: [...seen.logits], loss: seen.loss, gradient: [...network.gradient(seen)] };
            });
        }""",
        name,
    )
    return {key: torch.tensor([row[key] for row in found], dtype=torch.float64) for key in found[0]}


def gradients(network: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The package's logits, losses and gradients there."""
    x = x.clone().requires_grad_()
    logits = network(x)
    losses = F.cross_entropy(logits, y, reduction="none")
    (gradient,) = torch.autograd.grad(losses.sum(), x)
    return logits.detach(), losses.detach(), gradient.flatten(1)


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_and_gradients_are_the_packages(lab: Page, digits: tuple[Tensor, Tensor], name: str) -> None:
    ours = looks(lab, name)
    logits, _, gradient = gradients(packaged(name), *digits)
    assert (ours["logits"] - logits).abs().max() < TOLERANCE
    unit = gradient.abs().amax(dim=1, keepdim=True)
    assert ((ours["gradient"] - gradient) / unit).abs().max() < 2 * TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
def test_with_the_same_weights_they_are_equal_to_rounding(
    lab: Page, digits: tuple[Tensor, Tensor], name: str
) -> None:
    ours = looks(lab, name)
    logits, losses, gradient = gradients(stored(lab, name), *digits)
    torch.testing.assert_close(ours["logits"], logits, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ours["loss"], losses, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(ours["gradient"], gradient, rtol=1e-6, atol=1e-12)


def iterates(lab: Page, name: str, digit: int, threat: str, eps: float, step_size: float, steps: int) -> Any:
    """The points and losses of the page's attack on one of its digits, after each step."""
    return lab.evaluate(
        """([name, digit, threat, eps, stepSize, steps]) => {
            const { pixels, label } = AdvnotesLab.digits[digit];
            const x = Float64Array.from(AdvnotesLab.bytes(pixels), byte => byte / 255);
            const network = AdvnotesLab.labs[0].networks[name];
            const attack = new AdvnotesLab.Attack(network, x, label, { threat, eps, stepSize, start: null });
            for (let n = 0; n < steps; n++) attack.step();
            return attack.points.map(({ point, loss, norm }) => ({ point: [...point], loss, norm }));
        }""",
        [name, digit, threat, eps, step_size, steps],
    )


# A digit of which neither network is so sure that the loss's gradient is rounding in the package.
UNSURE = [3, 5, 10, 11]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("norm", THREATS)
@pytest.mark.parametrize("steps", [1, 5])
def test_iterates_are_the_packages(
    lab: Page, digits: tuple[Tensor, Tensor], name: str, norm: str, steps: int
) -> None:
    threat = THREATS[norm]
    eps = float(threat.eps)
    network = stored(lab, name)
    for digit in UNSURE:
        x, y = (values[digit : digit + 1] for values in digits)
        if steps == 1:  # FGSM: one step to the edge
            step_size, attacks = eps, [FGSM(threat, fast=False)]
        else:
            step_size = eps / 4
            attacks = [
                PGD(threat, steps=t, step_size=step_size, random_start=False, best=False, fast=False)
                for t in range(1, steps + 1)
            ]
        ours = iterates(lab, name, digit, norm, eps, step_size, steps)[1:]
        assert len(ours) == len(attacks)
        for attack, reached in zip(attacks, ours, strict=True):
            theirs = attack(network, x, y)
            point = torch.tensor(reached["point"], dtype=torch.float64).view_as(x)
            assert (point - x).abs().max() > 0.01  # it went somewhere
            torch.testing.assert_close(point, theirs, rtol=0, atol=1e-7)
            assert reached["norm"] == pytest.approx(float(threat.norm(theirs - x)), abs=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rounding_of_the_weights_does_not_lead_an_attack_astray(
    lab: Page, digits: tuple[Tensor, Tensor], name: str
) -> None:
    network = packaged(name)
    for digit in UNSURE:
        x, y = (values[digit : digit + 1] for values in digits)
        ours = iterates(lab, name, digit, "linf", 0.3, 0.075, 4)
        attack = PGD(Linf(0.3), steps=4, step_size=0.075, random_start=False, best=False, fast=False)
        theirs = attack(network, x, y)
        loss = float(F.cross_entropy(network(theirs), y).detach())
        assert abs(ours[-1]["loss"] - loss) < 0.01 + 0.01 * loss
        point = torch.tensor(ours[-1]["point"], dtype=torch.float64).view_as(x)
        assert ((point - theirs).abs() < 1e-6).double().mean() > 0.98


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_the_call_that_the_page_shows_gives_what_the_page_shows(
    page: Page, tmp_path: Path, method: str
) -> None:
    open_lab(page, write_lab(tmp_path, f'data-digit="18" data-method="{method}" data-eps="0.2"'))
    for _ in range(1 if method == "fgsm" else 3):
        page.locator('[data-do="step"]').click()
    names: dict[str, Any] = {}
    exec(page.locator(".lab-more pre").text_content() or "", names)
    shown = state(page)
    assert (names["x"].flatten() - torch.tensor(shown["x"])).abs().max() < 1e-6
    assert names["y"].item() == shown["y"]
    assert shown["loss"] > 1
    same = (names["x_adv"].flatten() - torch.tensor(shown["point"])).abs() < 1e-5
    assert same.double().mean() > 0.98  # in float32, and with weights that are not rounded


@pytest.mark.parametrize("norm", THREATS)
def test_a_random_start_lies_in_the_ball_and_the_range(lab: Page, norm: str) -> None:
    eps = float(THREATS[norm].eps)
    norms, lowest, highest = lab.evaluate(
        """([threat, eps]) => {
            const { networks, x, y } = AdvnotesLab.labs[0];
            const { sample, norm } = AdvnotesLab.THREATS[threat];
            const points = Array.from({ length: 20 }, () => sample(x.length));
            const attacks = points.map(start =>
                new AdvnotesLab.Attack(networks.natural, x, y, { threat, eps, stepSize: eps, start }).now);
            return [points.map(norm), Math.min(...attacks.flatMap(({ point }) => [...point])),
                Math.max(...attacks.flatMap(({ point }) => [...point]))];
        }""",
        [norm, eps],
    )
    assert max(norms) <= 1 + 1e-9
    assert min(norms) > 0.9  # in 784 dimensions nearly all of a ball lies near its edge
    assert len(set(norms)) == 20
    assert lowest >= 0
    assert highest <= 1


def test_the_lab_fits_a_page() -> None:
    folder = STATIC / "attack-lab"
    assert (
        sum(path.stat().st_size for path in folder.iterdir()) < 1_100_000
    )  # of 1.5 MB, with the book's own page
