"""A page with nothing but the threats in the plane, made of the book's own style sheet and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

from advnotes import L1, L2, Linf
from advnotes.threats import Threat
from tests.browser.attack_lab import write_lab

FIGURE, TOLD = ".advnotes-threats", ".threats-told"
THREATS: dict[str, type[Threat]] = {"linf": Linf, "l2": L2, "l1": L1}
VIEWS = {"step": ["x", "tip"], "projection": ["x", "point"], "pgd": ["x", "start"]}
FIRST = {"x": [0.55, 0.45], "tip": [0.91, 0.6], "point": [0.95, 0.63], "start": [0.45, 0.5]}


def write_figure(folder: Path, theme: str = "light") -> Path:
    """Write the page, and return its path."""
    path = write_lab(folder, theme=theme)
    text = path.read_text(encoding="utf-8").replace("advnotes-attack-lab", "advnotes-threats")
    path.write_text(text.replace("Attack lab", "Threats"), encoding="utf-8")
    return path


def open_figure(page: Page, path: Path, view: str = "step", norm: str = "linf") -> Page:
    """Open a page with the figure, and choose what it shows."""
    page.goto(path.as_uri())
    page.wait_for_function("() => window.AdvnotesThreats?.figures?.length === 1")
    choose(page, "view", view)
    choose(page, "norm", norm)
    return page


def choose(page: Page, setting: str, value: str) -> None:
    choice = page.locator(f'{FIGURE} [data-setting="{setting}"][value="{value}"]')
    choice.check(force=True)  # its label lies upon it


def press(page: Page, what: str, times: int = 1) -> None:
    for _ in range(times):
        page.locator(f'{FIGURE} [data-do="{what}"]').click()


def state(page: Page) -> dict[str, Any]:
    """Where everything is: the handles' places, the settings, and the way of PGD."""
    found: dict[str, Any] = page.evaluate(
        """() => {
            const figure = AdvnotesThreats.figures[0];
            const { norm, view, eps, alpha, range, gradient, steps, ascent } = figure;
            const handles = Object.entries(figure.handles).map(([name, { point }]) => [name, point]);
            const way = ascent.points.map(({ point }) => point);
            return { ...Object.fromEntries(handles), norm, view, eps, alpha, range, gradient, steps, way };
        }"""
    )
    return found


def said(page: Page) -> str:
    """The sentence, with plain spaces and minus signs."""
    return page.locator(TOLD).inner_text().replace("\u00a0", " ").replace("\u2212", "-")


def handle(figure: Page, name: str) -> Locator:
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
