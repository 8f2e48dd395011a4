"""A page with nothing but the place where the reader plays Eve, made of the book's own style sheet and scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

STATIC = Path(__file__).parents[2] / "book" / "_static"
TOLD = ".eve-told"

MESSAGE, KEY = "0110010111000101", "1111000011110000"
OTHER = "1010101010101010"


def row(message: str = MESSAGE, **others: Any) -> dict[str, Any]:
    """One message: Bob reads all of it, the Eve of the game half, a larger one all but the first two bits,
    and one who has the key all but the last."""
    flipped = "".join("10"[int(bit)] for bit in message)
    known = {
        "sent": [round((n - 8) / 8, 2) for n in range(16)],
        "key": KEY,
        "message": message,
        "bob": message,
    }
    return (
        known
        | {
            "trained": message[:8] + flipped[8:],
            "fresh": flipped[:2] + message[2:],
            "thief": message[:15] + flipped[15],
        }
        | others
    )


PAIRS = {
    "secret": {"title": "with an Eve", "messages": [row(), row(OTHER)]},
    "plain": {"title": "without", "messages": [row(trained="", thief="")]},
}


def write_eve(folder: Path, theme: str = "light") -> Path:
    """Write the page, and return its path."""
    path = folder / "eve.html"
    path.write_text(
        f"""<!DOCTYPE html>
<html lang="en" data-theme="{theme}">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Play Eve</title>
<link rel="stylesheet" href="{(STATIC / "advnotes.css").as_uri()}">
<style>body {{ background: var(--pst-color-background, #fff); color: var(--pst-color-text-base); }}</style>
<script>const DOCUMENTATION_OPTIONS = {{}};</script>
<script src="{(STATIC / "advnotes.js").as_uri()}"></script>
</head>
<body><main><article><h1>Play Eve</h1><div class="advnotes-play-eve"><script type="application/json">{
            json.dumps({"pairs": PAIRS})
        }</script><p>Needs JavaScript.</p></div></article></main></body>
</html>
""",
        encoding="utf-8",
    )
    return path


def open_eve(page: Page, path: Path) -> Page:
    """Open a page with the game, and wait until it stands."""
    page.goto(path.as_uri())
    page.wait_for_function("() => window.AdvnotesEve?.all?.length === 1")
    return page


def press(page: Page, what: str, times: int = 1) -> None:
    for _ in range(times):
        page.locator(f'.advnotes-play-eve [data-do="{what}"]').click()


def choose(page: Page, setting: str, value: str) -> None:
    page.locator(f'[data-setting="{setting}"][value="{value}"]').check(force=True)  # its label lies upon it


def guess(page: Page, bits: str) -> None:
    """Press the bits that are to be 1."""
    for place, bit in enumerate(bits):
        if bit == "1":
            page.locator(".eve-bit").nth(place).click()


def scores(page: Page) -> dict[str, tuple[str, str]]:
    """Of each reader, this message's number and the mean."""
    rows = page.locator(".eve-scores tbody tr").all()
    return {
        each.locator("th").inner_text(): (
            each.locator("td").first.inner_text(),
            each.locator("td").last.inner_text(),
        )
        for each in rows
    }
