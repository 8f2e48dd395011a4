"""What the figure of the threats computes, against the package: steps, projections, and the iterates of PGD."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Browser, Page
from torch import Tensor, nn

from advnotes.ascend import ascend
from advnotes.attacks.objective import Classification
from advnotes.losses import cross_entropy
from tests.browser.attack_lab import STATIC
from tests.browser.conftest import Visit, watched
from tests.browser.threats import THREATS, open_figure, write_figure

RANGES = [None, (0.0, 1.0)]
COUNT = 200
EXACT = {"rtol": 0, "atol": 1e-9}


@pytest.fixture(scope="module")
def figure(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    visit, context = Visit(), browser.new_context()
    yield open_figure(watched(context, visit), write_figure(tmp_path_factory.mktemp("threats")))
    context.close()
    assert visit.errors == []
    assert visit.requests == []


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, a third of them with a coordinate at an end of the range; points, in and out of a ball; gradients."""
    generator = torch.Generator().manual_seed(0)
    x, far, gradient = (torch.randn(COUNT, 2, generator=generator, dtype=torch.float64) for _ in range(3))
    x = (0.5 + 0.3 * x).clamp(0, 1)
    x[: COUNT // 3, 0] = x[: COUNT // 3, 0].round()
    gradient[::10, 1] = 0
    gradient[::70] = 0
    return x, x + 0.4 * far, gradient


def of_each(figure: Page, expression: str, *columns: Tensor, **constants: Any) -> Tensor:
    """What the page computes of each row: a function of the rows' vectors and of constants."""
    rows = [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    found = figure.evaluate(
        f"([rows, constants]) => {{ const of = {expression}; return rows.map(row => of(...row, constants)); }}",
        [rows, constants],
    )
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("norm", THREATS)
def test_norms_and_their_duals_are_the_packages(figure: Page, norm: str) -> None:
    _, _, gradient = drawn()
    threat = THREATS[norm](0.3)
    for ours, theirs in (("norm", threat.norm), ("dual", threat.dual_norm)):
        found = of_each(figure, f"g => AdvnotesThreats.NORMS.{norm}.{ours}(g)", gradient)
        torch.testing.assert_close(found, theirs(gradient), **EXACT)


@pytest.mark.parametrize("norm", THREATS)
@pytest.mark.parametrize("bounds", RANGES, ids=["free", "range"])
def test_steepest_steps_are_the_packages(figure: Page, norm: str, bounds: tuple[float, float] | None) -> None:
    x, _, gradient = drawn()
    call = f"(g, x, {{ range }}) => AdvnotesThreats.NORMS.{norm}.steepest(g, x, range)"
    found = of_each(figure, call, gradient, x, range=bounds)
    torch.testing.assert_close(found, THREATS[norm](0.3).steepest(gradient, x, bounds), **EXACT)
    blocked = ((x <= 0) & (gradient < 0)) | ((x >= 1) & (gradient > 0))
    assert blocked.any(dim=1).sum() > COUNT // 10  # so the range makes a difference
    if norm != "linf" and bounds:
        assert (found[blocked] == 0).all()


@pytest.mark.parametrize("norm", THREATS)
@pytest.mark.parametrize("bounds", RANGES, ids=["free", "range"])
def test_the_way_back_is_the_packages(figure: Page, norm: str, bounds: tuple[float, float] | None) -> None:
    x, point, _ = drawn()
    threat = THREATS[norm](0.3)
    call = f'(p, x, {{ range }}) => AdvnotesThreats.back("{norm}", p, x, 0.3, range)'
    found = of_each(figure, call, point, x, range=bounds)
    torch.testing.assert_close(found, threat.back_into(x, bounds)(point.clone()), **EXACT)
    assert COUNT // 10 < (threat.norm(point - x) <= 0.3).sum() < COUNT - COUNT // 10
    if bounds:
        assert ((x + threat.project(point - x) - found).abs() > 0.01).any()


def packaged(figure: Page) -> nn.Module:
    """The page's network, in PyTorch: its second logit is 0."""
    stored = figure.evaluate("AdvnotesThreats.NETWORK")
    hidden, out = nn.Linear(2, 4).double(), nn.Linear(4, 2).double()
    with torch.no_grad():
        for parameter, values in (
            (hidden.weight, stored["weight"]),
            (hidden.bias, stored["bias"]),
            (out.weight, [stored["out"], [0] * 4]),
            (out.bias, [stored["shift"], 0]),
        ):
            parameter.copy_(torch.tensor(values, dtype=torch.float64))
    return nn.Sequential(hidden, nn.Tanh(), out)


def test_loss_and_gradient_are_a_networks(figure: Page) -> None:
    point = drawn()[1].requires_grad_()
    losses = F.cross_entropy(packaged(figure)(point), torch.zeros(COUNT, dtype=torch.long), reduction="none")
    (gradient,) = torch.autograd.grad(losses.sum(), point)
    call = "p => { const { loss, gradient } = AdvnotesThreats.look(p); return [loss, ...gradient]; }"
    found = of_each(figure, call, point.detach())
    torch.testing.assert_close(found, torch.column_stack([losses.detach(), gradient]), **EXACT)


@pytest.mark.parametrize("norm", THREATS)
@pytest.mark.parametrize("bounds", RANGES, ids=["free", "range"])
def test_iterates_are_the_packages(figure: Page, norm: str, bounds: tuple[float, float] | None) -> None:
    x, start, _ = (values[:60] for values in drawn())
    threat, steps, alpha = THREATS[norm](0.3), 6, 0.13
    start = threat.back_into(x, bounds)(start.clone())
    call = f"""(x, start, {{ alpha, range, steps }}) => {{
        const settings = {{ norm: "{norm}", x, eps: 0.3, alpha, range, start }};
        const ascent = new AdvnotesThreats.Ascent(settings, AdvnotesThreats.look);
        for (let k = 0; k < steps; k++) ascent.step();
        return ascent.points.map(({{ point }}) => point);
    }}"""
    found = of_each(figure, call, x, start, alpha=alpha, range=bounds, steps=steps)
    objective = Classification(packaged(figure), torch.zeros(len(x), dtype=torch.long), cross_entropy, False)
    for taken in range(1, steps + 1):
        theirs = ascend(
            objective, x, threat, steps=taken, step_size=alpha, start=start, bounds=bounds, best=False
        ).point
        torch.testing.assert_close(found[:, taken], theirs, **EXACT)
    assert (found[:, -1] - start).norm(dim=1).max() > 0.2


def test_a_level_line_lies_at_its_level(figure: Page) -> None:
    worst, pieces, loose = figure.evaluate(
        """() => {
            const { grid, levelLine, look } = AdvnotesThreats;
            const pieces = levelLine(grid(-0.15, 1.15, 53), 1.2);
            const ends = pieces.flat();
            const key = point => point.map(value => value.toFixed(9)).join();
            const count = {};
            for (const end of ends) count[key(end)] = (count[key(end)] ?? 0) + 1;
            const inner = ends.filter(end => end.every(value => value > -0.149 && value < 1.149));
            return [Math.max(...ends.map(end => Math.abs(look(end).loss - 1.2))), pieces.length,
                inner.filter(end => count[key(end)] !== 2).length];
        }"""
    )
    assert worst < 0.02
    assert pieces > 50
    assert loose == 0  # every piece goes on in another one, or leaves the picture


def test_the_figure_is_small() -> None:
    assert sum(path.stat().st_size for path in (STATIC / "threats").iterdir()) < 50_000
