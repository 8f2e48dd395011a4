"""A page with nothing but a GAN in the plane, made of the book's own style sheet and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

STATIC = Path(__file__).parents[2] / "book" / "_static"
TOLD = ".gan-told"


def write_gan(folder: Path, attributes: str = "", theme: str = "light") -> Path:
    """Write the page, and return its path: the ``<div>`` of the GAN has the attributes."""
    path = folder / "gan.html"
    path.write_text(
        f"""<!DOCTYPE html>
<html lang="en" data-theme="{theme}">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>GAN</title>
<link rel="stylesheet" href="{(STATIC / "advnotes.css").as_uri()}">
<style>body {{ background: var(--pst-color-background, #fff); color: var(--pst-color-text-base); }}</style>
<script>const DOCUMENTATION_OPTIONS = {{}};</script>
<script src="{(STATIC / "advnotes.js").as_uri()}"></script>
</head>
<body><main><article><h1>A GAN</h1><div class="advnotes-plane-gan" {attributes}><p>Needs JavaScript.</p></div>
</article></main></body>
</html>
""",
        encoding="utf-8",
    )
    return path


def open_gan(page: Page, path: Path) -> Page:
    """Open a page with a GAN, and wait until it stands."""
    page.goto(path.as_uri())
    page.wait_for_function("() => window.AdvnotesPlane?.all?.length === 1")
    return page


def state(gan: Page) -> dict[str, Any]:
    """Where the game stands: its rounds, weights, points and settings, and its history."""
    found: dict[str, Any] = gan.evaluate(
        """() => {
            const { game, generated, settings, seed, history, end } = AdvnotesPlane.all[0];
            const weights = ["generator", "discriminator"].map(name => [...game[name].theta]);
            const { centres } = game.data;
            return { rounds: game.rounds, weights, generated: [...generated], centres, settings, seed, playing: !!end,
                entries: history.entries, changes: history.changes };
        }"""
    )
    return found


def press(gan: Page, what: str, times: int = 1) -> None:
    for _ in range(times):
        gan.locator(f'.advnotes-plane-gan [data-do="{what}"]').click()  # a chapter may have other widgets


def choose(gan: Page, setting: str, value: str) -> None:
    gan.locator(f'[data-setting="{setting}"][value="{value}"]').check(force=True)  # its label lies upon it


def slide(gan: Page, name: str, value: float) -> None:
    places: list[float] = gan.evaluate("name => AdvnotesPlane.SLIDERS[name][0]", name)
    gan.locator(f'[data-slider="{name}"]').fill(str(places.index(value)))


def play(gan: Page, rounds: int) -> None:
    """Play so many rounds at once, as the button does: between two pictures, and without the limit on time."""
    gan.evaluate(
        """rounds => {
            const gan = AdvnotesPlane.all[0];
            while (rounds-- > 0) gan.advance();
            gan.show();
            gan.tellAll();
        }""",
        rounds,
    )


def at(gan: Page, x: float, y: float) -> tuple[float, float]:
    """Where a point of the plane lies on the screen."""
    box = gan.locator(".gan-plane").bounding_box()
    assert box is not None
    return box["x"] + box["width"] * (x / 3 + 1) / 2, box["y"] + box["height"] * (1 - y / 3) / 2


def focused(gan: Page) -> str:
    """What has the focus, in a word."""
    word: str = gan.evaluate(
        """() => {
            const { dataset, classList, tagName } = document.activeElement;
            const name = dataset.setting ?? dataset.slider ?? dataset.do;
            return name ?? (dataset.sheet === "" ? "sheet" : classList[0] ?? tagName);
        }"""
    )
    return word


def tab_to(gan: Page, wanted: str) -> None:
    for _ in range(30):
        if focused(gan) == wanted:
            return
        gan.keyboard.press("Tab")
    raise AssertionError(f"the tabulator does not reach {wanted}")
