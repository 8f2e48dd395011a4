"""The threats in the plane by mouse, by finger, and by keyboard alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PHONE, Visit, watched
from tests.browser.threats import (
    FIRST,
    TOLD,
    VIEWS,
    choose,
    drag,
    handle,
    middle,
    open_figure,
    said,
    state,
    unit,
    write_figure,
)


@pytest.fixture
def figure(page: Page, tmp_path: Path) -> Page:
    """The figure as it begins: the step in Linf."""
    return open_figure(page, write_figure(tmp_path))


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
    figure.set_viewport_size({"width": 1280, "height": 300})  # so that there is something to scroll
    tab_to(figure, "tip")
    scrolled = figure.evaluate("scrollY")
    for key in ("ArrowLeft", "ArrowDown", "Shift+ArrowUp", "Shift+ArrowRight"):
        figure.keyboard.press(key)
    assert state(figure)["tip"] == pytest.approx([0.95, 0.64])
    expect(handle(figure, "tip")).to_have_attribute("aria-valuetext", "(0.95,\u00a00.64)")
    assert "Gradient (0.40, 0.19)." in said(figure)
    assert figure.evaluate("new Promise(requestAnimationFrame).then(() => scrollY)") == scrolled
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
