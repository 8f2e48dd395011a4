"""One's own dots in the plane of the GAN, its use by keyboard alone, and its look in every view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, SETTLED, WIDE, Visit, axe, watched
from tests.browser.plane_gan import (
    STATIC,
    TOLD,
    at,
    choose,
    focused,
    open_gan,
    play,
    press,
    state,
    tab_to,
    write_gan,
)

NARROW = {"width": 360, "height": 780}


@pytest.fixture
def gan(page: Page, tmp_path: Path) -> Page:
    return open_gan(page, write_gan(tmp_path))


def test_dots_are_put_by_mouse_and_the_game_goes_on_with_them(gan: Page) -> None:
    choose(gan, "data", "own")
    expect(gan.locator(TOLD)).to_have_text("The plane is empty. Put dots into it, then press Play.")
    for what in ("play", "step"):
        press(gan, what)
        assert (state(gan)["rounds"], state(gan)["playing"]) == (0, False)
    gan.mouse.click(*at(gan, -1.5, 1))
    assert state(gan)["centres"] == [[pytest.approx(-1.5, abs=0.02), pytest.approx(1, abs=0.02)]]
    expect(gan.locator(TOLD)).to_contain_text("of 1 dots covered")
    play(gan, 10)
    gan.mouse.move(*at(gan, 0, -1))
    gan.mouse.down()
    gan.mouse.move(*at(gan, 2, -1), steps=40)
    gan.mouse.up()
    drawn = state(gan)
    assert 7 <= len(drawn["centres"]) <= 10  # a quarter of a unit apart
    assert drawn["rounds"] == 10
    assert drawn["changes"] == [10]
    press(gan, "step")
    assert state(gan)["rounds"] == 11
    press(gan, "undo")
    assert state(gan)["centres"] == drawn["centres"][:-1]
    choose(gan, "data", "ring")
    gan.mouse.click(*at(gan, 0, 0))  # now it is a picture
    choose(gan, "data", "own")
    assert state(gan)["centres"] == drawn["centres"][:-1]
    press(gan, "clear")
    assert state(gan)["centres"] == []
    expect(gan.locator(TOLD)).to_contain_text("The plane is empty.")


def test_dots_are_put_by_finger_and_the_page_does_not_scroll(browser: Browser, tmp_path: Path) -> None:
    visit = Visit()
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)  # type: ignore[arg-type]
    gan = open_gan(watched(context, visit), write_gan(tmp_path, 'data-data="own"'))
    gan.locator(".gan-plane").scroll_into_view_if_needed()
    before = gan.evaluate("scrollY")
    touch = context.new_cdp_session(gan)

    def send(kind: str, *points: tuple[float, float]) -> None:
        where = [{"x": left, "y": top} for left, top in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    send("touchStart", at(gan, 0, -2))
    for n in range(1, 11):
        send("touchMove", at(gan, 0, -2 + 0.3 * n))
    send("touchEnd")
    assert gan.evaluate("scrollY") == before
    assert len(state(gan)["centres"]) >= 5
    context.close()
    assert visit.errors == []


def test_dots_are_put_by_keyboard(gan: Page) -> None:
    choose(gan, "data", "own")
    tab_to(gan, "gan-plane")
    told = gan.locator(TOLD)
    gan.keyboard.press("Shift+ArrowRight")
    gan.keyboard.press("ArrowUp")
    expect(told).to_have_text("The mark is 1 across and 0.25 up.")
    gan.keyboard.press("Space")
    assert state(gan)["centres"] == [[1, 0.25]]
    expect(told).to_contain_text("of 1 dots covered")
    assert gan.evaluate("scrollY") == 0
    gan.keyboard.press("Backspace")
    assert state(gan)["centres"] == []
    for _ in range(9):
        gan.keyboard.press("Shift+ArrowLeft")
    expect(told).to_have_text("The mark is -3 across and 0.25 up.")


# By keyboard, and in every view


def test_everything_can_be_done_by_keyboard(gan: Page) -> None:
    order = []
    gan.keyboard.press("Tab")
    while focused(gan) not in order:
        order.append(focused(gan))
        gan.keyboard.press("Tab")
    sliders = ["moves", "gamma", "unroll", "rateD", "rateG"]
    assert order[:13] == ["data", "loss", *sliders, "play", "step", "reset", "reseed", "sheet", "SUMMARY"]
    gan.reload()
    open_gan(gan, Path(gan.url.removeprefix("file://")))
    tab_to(gan, "data")
    gan.keyboard.press("ArrowRight")
    assert len(state(gan)["centres"]) == 25
    tab_to(gan, "loss")
    gan.keyboard.press("ArrowRight")
    tab_to(gan, "moves")
    gan.keyboard.press("ArrowRight")
    tab_to(gan, "gamma")
    gan.keyboard.press("ArrowRight")
    settings = state(gan)["settings"]
    assert [settings[name] for name in ("data", "loss", "moves", "gamma")] == ["grid", "minimax", 2, 0.1]
    tab_to(gan, "step")
    gan.keyboard.press("Enter")
    gan.keyboard.press("Space")
    assert (state(gan)["rounds"], focused(gan)) == (2, "step")
    tab_to(gan, "reseed")
    gan.keyboard.press("Enter")
    assert (state(gan)["rounds"], state(gan)["seed"]) == (0, 2)


def test_what_has_the_focus_is_seen_to_have_it(gan: Page) -> None:
    choose(gan, "data", "own")
    seen: dict[str, Any] = {}
    gan.keyboard.press("Tab")
    while focused(gan) not in seen:
        seen[focused(gan)] = gan.evaluate(
            """() => {
                const e = document.activeElement;
                const marked = [e, e.closest("label")].filter(Boolean).map(getComputedStyle);
                return marked.some(style => `${style.outlineStyle} ${style.outlineWidth}` === "solid 3px");
            }"""
        )
        gan.keyboard.press("Tab")
    seen.pop("BODY", None)
    assert {"gan-plane", "undo", "clear", "play", "gamma"} <= set(seen)
    assert all(seen.values()), seen


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(
    browser: Browser, tmp_path: Path, theme: str
) -> None:
    visit, path = Visit(), write_gan(tmp_path, 'data-data="own"', theme)
    for view in (DESKTOP, NARROW):
        context = browser.new_context(viewport=view)  # type: ignore[arg-type]
        gan = open_gan(watched(context, visit), path)
        gan.locator(".gan-plane").click()
        press(gan, "step", 2)
        gan.locator("summary").click()
        gan.evaluate(SETTLED)
        visit.violations[str(view)] = axe(gan)
        visit.sideways += gan.evaluate(WIDE)
        context.close()
    assert visit.violations == {str(DESKTOP): [], str(NARROW): []}
    assert visit.sideways == []
    assert visit.errors == []
    assert visit.requests == []


def test_on_paper_it_is_a_still(gan: Page) -> None:
    expect(gan.locator(".gan-print")).to_be_hidden()
    gan.emulate_media(media="print")
    for gone in (".gan-choose", ".gan-buttons >> nth=0", "summary"):
        expect(gan.locator(gone)).to_be_hidden()
    for there in (".gan-plane", ".gan-key", ".gan-told", ".gan-print"):
        expect(gan.locator(there)).to_be_visible()


def test_a_page_without_one_does_not_load_it_and_a_page_with_one_needs_little(
    page: Page, tmp_path: Path
) -> None:
    folder = STATIC / "plane-gan"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 80_000
    path = write_gan(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("advnotes-plane-gan", "advnotes-other"), "utf-8")
    page.goto(path.as_uri())
    page.wait_for_load_state()
    loaded = """[...document.scripts, ...document.styleSheets]
        .filter(({ src, href }) => (src || href)?.includes("plane-gan")).length"""
    assert page.evaluate(loaded) == 0
    open_gan(page, write_gan(tmp_path))
    assert page.evaluate(loaded) == len(list(folder.iterdir()))
