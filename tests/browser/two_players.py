"""A page with nothing but the two players, made of the book's own style sheet and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

STATIC = Path(__file__).parents[2] / "book" / "_static"
DIRAC = 'data-game="dirac"'
TOLD = ".players-told"
UNIT, LEFT, TOP, WIDTH = 376 / 6, 30, 8, 414  # of the drawing: a unit of the plane, its corner, its width


def write_players(folder: Path, attributes: str = "", theme: str = "light") -> Path:
    """Write the page, and return its path: the ``<div>`` of the players has the attributes."""
    path = folder / "players.html"
    path.write_text(
        f"""<!DOCTYPE html>
<html lang="en" data-theme="{theme}">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Two players</title>
<link rel="stylesheet" href="{(STATIC / "advnotes.css").as_uri()}">
<style>body {{ background: var(--pst-color-background, #fff); color: var(--pst-color-text-base); }}</style>
<script>const DOCUMENTATION_OPTIONS = {{}};</script>
<script src="{(STATIC / "advnotes.js").as_uri()}"></script>
</head>
<body><main><article><h1>Two players</h1><div class="advnotes-two-players" {attributes}><p>Needs JavaScript.</p></div>
</article></main></body>
</html>
""",
        encoding="utf-8",
    )
    return path


def open_players(page: Page, path: Path) -> Page:
    """Open a page with two players, and wait until they stand."""
    page.goto(path.as_uri())
    page.wait_for_function("() => window.AdvnotesPlayers?.all?.length === 1")
    return page


def state(page: Page) -> dict[str, Any]:
    """Where the players are: the rounds played, the points of the path, and what is said of one round."""
    found: dict[str, Any] = page.evaluate(
        """() => {
            const { path, judged, start, settings } = AdvnotesPlayers.all[0];
            const points = path.states.map(({ point }) => point);
            return { rounds: path.rounds, points, start, settings, ...judged };
        }"""
    )
    return found


def press(players: Page, what: str, times: int = 1) -> None:
    for _ in range(times):
        players.locator(f'.advnotes-two-players [data-do="{what}"]').click()


def choose(players: Page, setting: str, value: str) -> None:
    players.locator(f'[data-setting="{setting}"][value="{value}"]').check(
        force=True
    )  # its label lies upon it


def slide(players: Page, setting: str, value: float) -> None:
    players.locator(f'[data-slider="{setting}"]').fill(str(value))
    players.evaluate("new Promise(requestAnimationFrame)")


def at(players: Page, x: float, y: float) -> tuple[float, float]:
    """Where a point of the plane lies on the screen."""
    box = players.locator(".players-plane").bounding_box()
    assert box is not None
    scale = box["width"] / WIDTH
    return box["x"] + scale * (LEFT + (x + 3) * UNIT), box["y"] + scale * (TOP + (3 - y) * UNIT)


def focused(players: Page) -> str:
    """What has the focus, in a word."""
    word: str = players.evaluate(
        """() => {
            const { dataset, classList, tagName } = document.activeElement;
            return dataset.setting ?? dataset.slider ?? dataset.do ?? classList[0] ?? tagName;
        }"""
    )
    return word


def tab_to(players: Page, wanted: str) -> None:
    for _ in range(30):
        if focused(players) == wanted:
            return
        players.keyboard.press("Tab")
    raise AssertionError(f"the tabulator does not reach {wanted}")
