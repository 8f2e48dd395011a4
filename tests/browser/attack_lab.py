"""A page with nothing but an attack lab, made of the book's own style sheet and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

STATIC = Path(__file__).parents[2] / "book" / "_static"
SMALL = 'data-form="small"'
NETWORKS = ["natural", "robust"]
TOLD = ".lab-told"


def write_lab(folder: Path, attributes: str = "", theme: str = "light") -> Path:
    """Write the page, and return its path: the lab's ``<div>`` has the attributes."""
    path = folder / "lab.html"
    path.write_text(
        f"""<!DOCTYPE html>
<html lang="en" data-theme="{theme}">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Attack lab</title>
<link rel="stylesheet" href="{(STATIC / "advnotes.css").as_uri()}">
<style>body {{ background: var(--pst-color-background, #fff); color: var(--pst-color-text-base); }}</style>
<script>const DOCUMENTATION_OPTIONS = {{}};</script>
<script src="{(STATIC / "advnotes.js").as_uri()}"></script>
</head>
<body><main><article><h1>Attack lab</h1><div class="advnotes-attack-lab" {attributes}><p>Needs JavaScript.</p></div>
</article></main></body>
</html>
""",
        encoding="utf-8",
    )
    return path


def open_lab(page: Page, path: Path) -> Page:
    """Open a page with a lab, and wait until both networks, or the only one of a small lab, have been attacked."""
    page.goto(path.as_uri())
    page.wait_for_function(
        """() => {
            const [lab] = window.AdvnotesLab?.labs ?? [];
            const wanted = document.querySelector('[data-form=small]') ? 1 : 2;
            return lab && Object.keys(lab.attacks).length >= wanted;
        }"""
    )
    return page


def state(page: Page) -> dict[str, Any]:
    """Where the first lab's attack stands: the number of steps, the point, the loss, the norm, and what is read."""
    found: dict[str, Any] = page.evaluate(
        """() => {
            const { attack, x } = AdvnotesLab.labs[0];
            const { point, loss, norm, said } = attack.now;
            return { steps: attack.steps, point: [...point], x: [...x], y: attack.y, loss, norm, said };
        }"""
    )
    return found
