"""The two players as a reader meets them: by mouse, by touch, by keyboard alone, and in every view."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, SETTLED, WIDE, Visit, axe, watched
from tests.browser.two_players import (
    DIRAC,
    STATIC,
    TOLD,
    at,
    focused,
    open_players,
    press,
    state,
    tab_to,
    write_players,
)

NARROW = {"width": 360, "height": 780}
#: Waits until the page, which glides on after a finger has left it, stands still.
STILL = """() => new Promise(done => {
    let last = -1;
    const look = () => { if (scrollY === last) return done(); last = scrollY; setTimeout(look, 100); };
    look();
})"""


@pytest.fixture
def players(page: Page, tmp_path: Path) -> Page:
    """The game on a b; both move at once."""
    return open_players(page, write_players(tmp_path))


def test_the_start_is_dragged_by_mouse(players: Page) -> None:
    press(players, "step", 5)
    players.mouse.move(*at(players, 1, 0))
    players.mouse.down()
    players.mouse.move(*at(players, -0.5, 1.5), steps=4)
    players.evaluate("new Promise(requestAnimationFrame)")
    assert state(players)["start"] == pytest.approx([-0.5, 1.5])  # before it is let go, too
    players.mouse.move(*at(players, -1.5, 2), steps=4)
    players.mouse.up()
    found = state(players)
    assert found["start"] == pytest.approx([-1.5, 2])
    assert found["rounds"] == 5
    assert math.hypot(*found["points"][-1]) == pytest.approx(2.5 * found["modulus"] ** 5)
    expect(players.locator(TOLD)).to_contain_text("Round 5: ")
    players.mouse.move(*at(players, 0, 0))  # a mouse that is only moved takes nothing along
    assert state(players)["start"] == found["start"]


def test_a_finger_drags_the_start_and_scrolls_the_page_elsewhere(browser: Browser, tmp_path: Path) -> None:
    visit = Visit()
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)  # type: ignore[arg-type]
    players = open_players(watched(context, visit), write_players(tmp_path))
    touch = context.new_cdp_session(players)

    def drag(start: tuple[float, float], end: tuple[float, float]) -> None:
        for n in range(11):
            x, y = (a + (b - a) * n / 10 for a, b in zip(start, end, strict=True))
            kind = "touchMove" if n else "touchStart"
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    players.locator(".players-plane").scroll_into_view_if_needed()
    before = players.evaluate("scrollY")
    drag(at(players, 1, 0), at(players, 1, 2))
    assert state(players)["start"] == pytest.approx([1, 2])
    assert players.evaluate("scrollY") == before
    drag(at(players, -2, -2), at(players, -2, 2))
    players.wait_for_function("before => scrollY > before", arg=before)
    players.evaluate(STILL)
    assert state(players)["start"] == pytest.approx([1, 2])
    players.touchscreen.tap(*at(players, -1, 1))
    expect(players.locator(TOLD)).to_contain_text("a = −1, b = 1")
    context.close()
    assert visit.errors == []


def test_everything_can_be_done_by_keyboard_and_the_focus_is_seen(players: Page) -> None:
    seen: dict[str, Any] = {}
    players.keyboard.press("Tab")
    while focused(players) not in seen:
        seen[focused(players)] = players.evaluate(
            """() => {
                const e = document.activeElement;
                const marked = [e, e.closest("label")].filter(Boolean).map(getComputedStyle);
                return marked.some(style => `${style.outlineStyle} ${style.outlineWidth}` === "solid 3px");
            }"""
        )
        players.keyboard.press("Tab")
    parts = ["game", "order", "lr", "momentum", "gamma", "play", "step", "reset", "speed", "players-plane"]
    assert list(seen)[: len(parts)] == parts
    assert all(seen[part] for part in parts), seen
    tab_to(players, "order")
    players.keyboard.press("ArrowRight")
    players.keyboard.press("ArrowRight")
    tab_to(players, "lr")
    players.keyboard.press("ArrowRight")
    tab_to(players, "step")
    players.keyboard.press("Enter")
    players.keyboard.press("Space")
    found = state(players)
    assert found["rounds"] == 2
    assert (found["settings"]["order"], found["settings"]["lr"]) == ("ahead", 0.21)
    tab_to(players, "players-plane")
    told = players.locator(TOLD)
    before = players.evaluate("scrollY")
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowUp"):
        players.keyboard.press(key)
    assert state(players)["start"] == pytest.approx([0.9, 0.6])
    expect(told).to_have_text(re.compile(r"^Spirals in: modulus \S+, below 1\. Round 2: a = "))
    expect(players.locator(".players-plane")).to_have_attribute(
        "aria-label", re.compile(r"Start: a = 0\.9, b = 0\.6")
    )
    for _ in range(9):
        players.keyboard.press("Shift+ArrowDown")
    assert state(players)["start"] == pytest.approx([0.9, -2.8])  # and no farther
    players.keyboard.press("Home")
    assert state(players)["start"] == [1, 0]
    assert players.evaluate("scrollY") == before


# In every view


@pytest.mark.parametrize("attributes", ["", 'data-order="turn"', f'{DIRAC} data-order="ahead"'])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(
    browser: Browser, tmp_path: Path, attributes: str, theme: str
) -> None:
    visit, path = Visit(), write_players(tmp_path, attributes, theme)
    for view in (DESKTOP, NARROW):
        context = browser.new_context(viewport=view)  # type: ignore[arg-type]
        players = open_players(watched(context, visit), path)
        press(players, "step", 6)
        for details in players.locator("summary").all():
            details.click()
        players.evaluate(SETTLED)
        visit.violations[str(view)] = axe(players)
        visit.sideways += players.evaluate(WIDE)
        context.close()
    assert visit.violations == {str(DESKTOP): [], str(NARROW): []}
    assert visit.sideways == []
    assert visit.errors == []
    assert visit.requests == []


def test_on_paper_there_is_a_path_and_nothing_to_press(players: Page) -> None:
    players.evaluate(
        "addEventListener('beforeprint', () => { window.printed = AdvnotesPlayers.all[0].rounds; })"
    )
    players.pdf()
    assert players.evaluate("printed") > 50
    assert state(players)["rounds"] == 0  # and the page is as before
    players.emulate_media(media="print")
    for gone in (".players-choose", ".players-bar", "details"):
        expect(players.locator(gone).locator("visible=true")).to_have_count(0)
    expect(players.locator(".players-plane")).to_be_visible()
    expect(players.locator("[data-played]")).to_have_text("a · b, at once, η = 0.2, μ = 0, γ = 0")


def test_without_scripts_the_hint_stays(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(write_players(tmp_path).as_uri())
    expect(page.locator(".advnotes-two-players")).to_have_text("Needs JavaScript.")
    context.close()


def test_its_files_are_small_and_loaded_only_where_it_stands(page: Page, tmp_path: Path) -> None:
    files = list((STATIC / "two-players").iterdir())
    assert len(files) == 9
    assert sum(path.stat().st_size for path in files) < 60_000
    path = write_players(tmp_path)
    path.write_text(path.read_text("utf-8").replace("advnotes-two-players", "advnotes-other"), "utf-8")
    page.goto(path.as_uri())
    page.wait_for_load_state()
    loaded = "[...document.querySelectorAll('script, link')].map(e => `${e.src ?? e.href}`)"
    assert not [url for url in page.evaluate(loaded) if "two-players" in url]


@pytest.mark.parametrize(("name", "game"), [("games/one-idea", "ab"), ("gan/mode-collapse", "dirac")])
def test_they_stand_in_their_chapters(page: Page, site: Path, name: str, game: str) -> None:
    page.goto((site / "book" / f"{name}.html").as_uri())
    expect(page.locator(".advnotes-two-players .players-verdict")).to_have_text("Spirals out")
    assert state(page)["settings"]["game"] == game
    press(page, "step")
    expect(page.locator(TOLD)).to_have_text(re.compile(r"^Round 1: "))
