"""What the threats in the plane show and say: in each view, norm, theme and width, on paper, without motion."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, SETTLED, WIDE, Visit, axe, watched
from tests.browser.threats import (
    FIRST,
    THREATS,
    TOLD,
    VIEWS,
    choose,
    drag,
    open_figure,
    press,
    said,
    state,
    write_figure,
)

NARROW = {"width": 360, "height": 780}


@pytest.fixture
def figure(page: Page, tmp_path: Path) -> Page:
    """The figure as it begins: the step in Linf."""
    return open_figure(page, write_figure(tmp_path))


def tip_of(figure: Page, kind: str) -> tuple[float, float]:
    """Where an arrow ends in the plane, as it is drawn."""
    path = figure.locator(f"svg > .threats-{kind}.threats-head").get_attribute("d") or ""
    left, top = (float(value) for value in path[1:].split("L")[0].split())
    return left / 400 - 0.15, 1.15 - top / 400


@pytest.mark.parametrize("norm", THREATS)
def test_the_step_is_drawn_told_and_tabulated(figure: Page, norm: str) -> None:
    choose(figure, "norm", norm)
    at = state(figure)
    assert [at[name] for name in FIRST] == [pytest.approx(place) for place in FIRST.values()]
    gradient = torch.tensor([at["gradient"]], dtype=torch.float64)
    threat = THREATS[norm](at["eps"])
    step = at["alpha"] * threat.steepest(gradient)[0]
    assert tip_of(figure, "step") == pytest.approx((torch.tensor(at["x"]) + step).tolist(), abs=1e-3)
    assert tip_of(figure, "gradient") == pytest.approx(at["tip"], abs=1e-3)
    gain = at["alpha"] * threat.dual_norm(gradient).item()
    assert f"({step[0]:.2f}, {step[1]:.2f})" in said(figure)
    assert f"rises by {gain:.3f}" in said(figure)
    assert "Gradient (0.36, 0.15)." in said(figure)
    chosen = figure.locator(".threats-chosen").inner_text().replace("\u00a0", " ")
    assert chosen.split("\t") == [
        {"linf": "L∞", "l2": "L2", "l1": "L1"}[norm],
        f"({step[0]:.2f}, {step[1]:.2f})",
        f"{gain:.3f}",
    ]
    expect(figure.locator(TOLD)).to_have_attribute("role", "status")  # which is a polite live region


@pytest.mark.parametrize(
    ("norm", "end", "words"),
    [
        ("linf", (0.85, 0.63), "clips the first coordinate of the change to ε"),
        ("l2", (0.82, 0.57), "shortens the change to 68%"),
        ("l1", (0.81, 0.49), "takes 0.14 off each coordinate: "),
    ],
)
def test_the_projection_is_told(figure: Page, norm: str, end: tuple[float, float], words: str) -> None:
    choose(figure, "view", "projection")
    choose(figure, "norm", norm)
    assert words in said(figure)
    assert f"({end[0]}, {end[1]})" in said(figure)
    drag(figure, "point", -0.35, -0.15)
    assert "inside the ball, so the projection leaves it there" in said(figure)
    expect(figure.locator(".threats-nearest")).to_have_count(0)


def test_the_range_is_kept_to_where_it_is_asked_for(figure: Page) -> None:
    choose(figure, "view", "projection")
    drag(figure, "x", 0.45, 0)
    drag(figure, "point", 0.15, 0)
    assert state(figure)["x"] == pytest.approx([1, 0.45])
    assert "not in the range, which clips it to (1.00, 0.63)" in said(figure)
    figure.locator('[data-check="range"]').uncheck()
    assert "inside the ball, so the projection leaves it there" in said(figure)
    figure.locator('[data-check="range"]').check()
    choose(figure, "view", "step")
    choose(figure, "norm", "l2")
    drag(figure, "tip", 0.1, 0.3)
    assert "the first coordinate is at the end of its range, so the second one takes all of α" in said(figure)


def test_pgd_leaves_the_ball_and_comes_back(figure: Page) -> None:
    choose(figure, "view", "pgd")
    assert said(figure).startswith("Start (0.45, 0.50), loss 0.57.")
    press(figure, "step", 2)
    assert state(figure)["way"] == [pytest.approx(point) for point in ([0.45, 0.5], [0.65, 0.7], [0.85, 0.5])]
    assert "Step 2: by (0.20, -0.20) to (0.85, 0.50)." in said(figure)
    press(figure, "step")
    assert said(figure).startswith("Step 3: by (0.20, 0.20) to (1.05, 0.70). It is outside the ball")
    assert "leaves the other one alone: (0.85, 0.70). The loss rises to 2.01." in said(figure)
    assert figure.locator(".threats-last .threats-back").count() == 1
    assert figure.locator(".threats-old").count() == 2
    assert figure.locator("tbody tr").count() == 4
    figure.locator('[data-slider="alpha"]').fill("0.1")  # the same number of steps again
    assert [len(state(figure)["way"]), state(figure)["way"][1]] == [4, pytest.approx([0.55, 0.6])]
    drag(figure, "start", -0.1, -0.05)
    assert len(state(figure)["way"]) == 1
    press(figure, "step", 12)
    assert state(figure)["way"][-1] == pytest.approx([0.25, 0.75])  # the other hill
    press(figure, "reset")
    assert state(figure)["steps"] == 0


def test_a_start_outside_is_brought_into_the_ball(figure: Page) -> None:
    choose(figure, "view", "pgd")
    choose(figure, "norm", "l1")
    drag(figure, "start", -0.3, 0.1)
    start = state(figure)["start"]
    assert abs(start[0] - 0.55) + abs(start[1] - 0.45) == pytest.approx(0.3)


def test_a_run_can_be_paused_and_is_announced_at_its_end(page: Page, tmp_path: Path) -> None:
    page.clock.install(time=0)  # so that no test waits, and none is too late
    figure = open_figure(page, write_figure(tmp_path), "pgd")
    figure.clock.pause_at(3_600_000)
    run, told = figure.locator('[data-do="run"]'), figure.locator(TOLD)
    run.click()
    figure.clock.run_for(2 * 700)
    expect(told).to_have_text(re.compile("^Step 3:"))
    expect(told).to_have_attribute("aria-busy", "true")
    expect(run).to_have_text("Pause")
    run.click()
    figure.clock.run_for(2000)
    assert state(figure)["steps"] == 3
    run.click()
    figure.clock.run_for(20 * 700)
    expect(told).to_have_text(re.compile("^Step 13:"))
    expect(told).not_to_have_attribute("aria-busy", "true")
    expect(run).to_have_text("Run 10 steps")


@pytest.mark.parametrize("calm", [True, False])
def test_only_where_motion_is_wanted_something_moves(browser: Browser, tmp_path: Path, calm: bool) -> None:
    visit, context = Visit(), browser.new_context(reduced_motion="reduce" if calm else "no-preference")
    figure = open_figure(watched(context, visit), write_figure(tmp_path), "pgd")
    for what, calm_steps, steps in (("step", 1, 1), ("run", 11, 2)):
        taken, moving = figure.evaluate(
            """what => {
                document.querySelector(`[data-do=${what}]`).click();
                const moving = document.getAnimations().length;
                document.getAnimations().forEach(animation => animation.cancel());
                return [AdvnotesThreats.figures[0].steps, moving];
            }""",
            what,
        )
        assert (taken, moving) == ((calm_steps, 0) if calm else (steps, 1))
    context.close()
    assert visit.errors == []


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(
    browser: Browser, tmp_path: Path, view: str, theme: str
) -> None:
    visit, path = Visit(), write_figure(tmp_path, theme)
    for size in (DESKTOP, NARROW):
        context = browser.new_context(viewport=size, reduced_motion="reduce")  # type: ignore[arg-type]
        figure = open_figure(watched(context, visit), path, view)
        if view == "pgd":
            press(figure, "run", 2)  # so many rows that the table scrolls
        figure.evaluate(SETTLED)
        visit.violations[str(size)] = axe(figure)
        visit.sideways += figure.evaluate(WIDE)
        for name in VIEWS[view]:  # a word at the picture's side does not stick out either
            figure.evaluate(
                "name => AdvnotesThreats.figures[0].move(name, [name === 'x' ? 0 : 1.15, 0.5], false)", name
            )
        visit.sideways += figure.evaluate(WIDE)
        context.close()
    assert visit.violations == {str(DESKTOP): [], str(NARROW): []}
    assert visit.sideways == []
    assert visit.errors == []
    assert visit.requests == []


def test_on_paper_the_picture_stays_and_the_controls_go(figure: Page) -> None:
    expect(figure.locator(".threats-print")).to_be_hidden()
    figure.emulate_media(media="print")
    expect(figure.locator(".threats-print")).to_be_visible()
    for part in (".threats-choose", ".threats-hint", ".threats-buttons"):
        expect(figure.locator(part)).to_be_hidden()
    for part in (".threats-plane", TOLD, "table"):
        expect(figure.locator(part)).to_be_visible()


def test_without_javascript_a_sentence_says_what_is_missing(
    browser: Browser, tmp_path: Path, site: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "book" / "attacks" / "pgd.html").as_uri())
    expect(page.locator(".advnotes-threats")).to_have_text(
        re.compile(r"^\s*In the built book, and with JavaScript, ")
    )
    context.close()


def test_the_figure_runs_in_its_chapter(page: Page, site: Path) -> None:
    page.goto((site / "book" / "attacks" / "pgd.html").as_uri())
    expect(page.locator(TOLD)).to_have_text(re.compile("^Gradient "))
    choose(page, "view", "pgd")
    press(page, "step")
    expect(page.locator(TOLD)).to_have_text(re.compile("^Step 1: by "))


def test_a_page_without_the_figure_does_not_load_it(page: Page, tmp_path: Path) -> None:
    path = write_figure(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("advnotes-threats", "advnotes-other"), "utf-8")
    page.goto(path.as_uri())
    page.wait_for_load_state()
    assert page.evaluate("[...document.scripts].filter(({ src }) => src.includes('/threats/')).length") == 0
