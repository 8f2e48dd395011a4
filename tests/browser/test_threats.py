"""The threats in the plane as a reader meets them: by mouse, by touch, by keyboard, aloud, on paper, without motion."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, SETTLED, WIDE, Visit, axe, watched
from tests.browser.threats import (
    FIRST,
    THREATS,
    TOLD,
    choose,
    open_figure,
    press,
    said,
    state,
    write_figure,
)

NARROW = {"width": 360, "height": 780}
VIEWS = {"step": ["x", "tip"], "projection": ["x", "point"], "pgd": ["x", "start"]}


@pytest.fixture
def figure(page: Page, tmp_path: Path) -> Page:
    """The figure as it begins: the step in Linf."""
    return open_figure(page, write_figure(tmp_path))


def handle(figure: Page, name: str) -> Any:
    return figure.locator(f'[data-handle="{name}"]')


def middle(figure: Page, name: str) -> tuple[float, float]:
    box = handle(figure, name).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def unit(figure: Page) -> float:
    """How many pixels of the screen are 1 in the plane."""
    box = figure.locator(".threats-plane").bounding_box()
    assert box is not None
    return float(box["width"]) / 1.3


def drag(figure: Page, name: str, across: float, up: float) -> None:
    """Drag a handle by so much in the plane, from a place beside its middle."""
    left, top = middle(figure, name)
    figure.mouse.move(left + 3, top - 2)
    figure.mouse.down()
    figure.mouse.move(
        left + 3 + across * unit(figure), top - 2 - up * unit(figure), steps=4
    )  # y counts downwards
    figure.mouse.up()


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


# By hand


def test_handles_are_dragged_and_the_rest_follows(figure: Page) -> None:
    drag(figure, "tip", -0.3, 0.2)
    assert state(figure)["gradient"] == pytest.approx([0.06, 0.35])
    drag(figure, "x", -0.2, -0.1)
    at = state(figure)
    assert (at["x"], at["tip"]) == (pytest.approx([0.35, 0.35]), pytest.approx([0.41, 0.7]))
    assert at["start"] == pytest.approx([0.25, 0.4])  # goes with x
    assert at["point"] == pytest.approx(FIRST["point"])  # stays
    drag(figure, "x", -1, 0)
    assert state(figure)["x"] == pytest.approx([0, 0.35])  # an input has its range
    expect(figure.locator(TOLD)).not_to_have_attribute("aria-busy", "true")


def test_while_a_handle_is_dragged_nothing_is_read_aloud(figure: Page) -> None:
    left, top = middle(figure, "tip")
    figure.mouse.move(left, top)
    figure.mouse.down()
    figure.mouse.move(left - 40, top, steps=2)
    expect(figure.locator(TOLD)).to_have_attribute("aria-busy", "true")
    figure.mouse.up()
    expect(figure.locator(TOLD)).not_to_have_attribute("aria-busy", "true")


@pytest.mark.parametrize(("view", "name"), [(view, names[1]) for view, names in VIEWS.items()])
def test_a_click_in_the_plane_does_without_dragging(figure: Page, view: str, name: str) -> None:
    choose(figure, "view", view)
    left, top = middle(figure, "x")
    figure.mouse.click(left + 0.2 * unit(figure), top + 0.1 * unit(figure))
    assert state(figure)[name] == pytest.approx([0.75, 0.35], abs=0.011)


def test_a_drag_by_finger_does_not_scroll_the_page(browser: Browser, tmp_path: Path) -> None:
    visit = Visit()
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)  # type: ignore[arg-type]
    figure = open_figure(watched(context, visit), write_figure(tmp_path))
    touch = context.new_cdp_session(figure)
    x, y = middle(figure, "tip")

    def send(kind: str, *points: tuple[float, float]) -> None:
        where = [{"x": left, "y": top} for left, top in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    send("touchStart", (x, y))
    for n in range(1, 11):
        send("touchMove", (x, y - 0.03 * n * unit(figure)))
    send("touchEnd")
    assert state(figure)["tip"] == pytest.approx([0.91, 0.9], abs=0.011)
    assert figure.evaluate("scrollY") == 0
    context.close()
    assert visit.errors == []


def focused(figure: Page) -> str:
    """What has the focus, in a word."""
    word: str = figure.evaluate(
        """() => {
            const { dataset, className, tagName } = document.activeElement;
            const { setting, slider, check, handle } = dataset;
            return setting ?? slider ?? check ?? handle ?? dataset.do ?? (className || tagName);
        }"""
    )
    return word


def tab_to(figure: Page, wanted: str) -> None:
    for _ in range(20):
        if focused(figure) == wanted:
            return
        figure.keyboard.press("Tab")
    raise AssertionError(f"the tabulator does not reach {wanted}")


@pytest.mark.parametrize("view", VIEWS)
def test_the_tabulator_reaches_everything_and_shows_where_it_is(figure: Page, view: str) -> None:
    choose(figure, "view", view)
    figure.reload()
    open_figure(figure, Path(figure.url.removeprefix("file://")))
    tab_to(figure, "view")
    figure.keyboard.press("ArrowRight")
    figure.keyboard.press("ArrowLeft")
    for _ in range(list(VIEWS).index(view)):
        figure.keyboard.press("ArrowRight")
    order, marked = [], []
    while focused(figure) not in order:
        order.append(focused(figure))
        marked.append(
            figure.evaluate(
                """[document.activeElement, document.activeElement.closest("label")].filter(Boolean)
                    .map(getComputedStyle)
                    .some(style => `${style.outlineStyle} ${style.outlineWidth}` === "solid 3px")"""
            )
        )
        figure.keyboard.press("Tab")
    sliders = ["eps"] if view == "projection" else ["eps", "alpha"]
    buttons = ["step", "run", "reset"] if view == "pgd" else []
    wanted = ["view", "norm", *sliders, "others", "range", *VIEWS[view], *buttons, "threats-scroll"]
    assert order[: len(wanted)] == wanted
    assert all(marked[: len(wanted)])


def test_everything_can_be_done_by_keyboard(figure: Page) -> None:
    tab_to(figure, "norm")
    figure.keyboard.press("ArrowRight")
    assert state(figure)["norm"] == "l2"
    tab_to(figure, "alpha")
    figure.keyboard.press("ArrowLeft")
    assert state(figure)["alpha"] == pytest.approx(0.19)
    tab_to(figure, "tip")
    for key in ("ArrowLeft", "ArrowDown", "Shift+ArrowUp", "Shift+ArrowRight"):
        figure.keyboard.press(key)
    assert state(figure)["tip"] == pytest.approx([0.95, 0.64])
    assert handle(figure, "tip").get_attribute("aria-valuetext").replace("\u00a0", " ") == "(0.95, 0.64)"
    assert "Gradient (0.40, 0.19)." in said(figure)
    assert figure.evaluate("scrollY") == 0
    for _ in range(10):
        figure.keyboard.press("Shift+ArrowRight")
    assert state(figure)["tip"] == pytest.approx([1.15, 0.64])  # the picture's side
    choose(figure, "view", "pgd")
    tab_to(figure, "start")
    figure.keyboard.press("ArrowUp")
    assert said(figure).startswith("Start (0.45, 0.51)")
    tab_to(figure, "step")
    figure.keyboard.press("Enter")
    figure.keyboard.press("Space")
    assert state(figure)["steps"] == 2
    tab_to(figure, "reset")
    figure.keyboard.press("Enter")
    assert state(figure)["steps"] == 0


# In every view


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
    steps, moving = figure.evaluate(
        """() => {
            document.querySelector('[data-do=run]').click();
            return [AdvnotesThreats.figures[0].steps, document.getAnimations().length];
        }"""
    )
    assert (steps, moving) == ((10, 0) if calm else (1, 1))
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
