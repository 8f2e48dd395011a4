"""A figure to slide through, as a reader meets it: by mouse, by keyboard, aloud, played, without motion, in print."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from advnotes import sliders
from tests.browser.conftest import DESKTOP, SETTLED, WIDE, Visit, axe, watched

STYLE = Path(__file__).parents[2] / "book" / "_static" / "advnotes.css"
NARROW = {"width": 360, "height": 780}
COLOURS = ["red", "lime", "blue", "yellow"]
SEEN = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0)}


def frames() -> Iterator[Figure]:
    """One colour each."""
    for colour in COLOURS:
        yield plt.figure(figsize=(3.0, 2.0), facecolor=colour)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page with two such figures, in the frame that the site gives them."""
    shown: list[Any] = []
    monkeypatch.setattr(sliders, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data["text/html"]))
    with plt.rc_context({"savefig.facecolor": "auto", "savefig.transparent": False}):
        for name in ("colour", "shade"):
            sliders.show(frames(), COLOURS, name=name, alt="One colour after the other.", still=(1, 3))
    figures = "".join(
        f'<div class="cell_output"><figure><div class="output text_html">{html}</div></figure></div>'
        for html in shown
    )
    page = tmp_path / "slider.html"
    page.write_text(
        f"""<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Slider</title>
<link rel="stylesheet" href="{STYLE.as_uri()}">
<style>body {{ background: var(--pst-color-background, #fff); color: var(--pst-color-text-base); }}</style>
</head>
<body class="bd-content"><main><article class="bd-article"><h1>Slider</h1>{figures}</article></main></body>
</html>
""",
        encoding="utf-8",
    )
    return page


@pytest.fixture
def slider(page: Page, path: Path) -> Locator:
    """The first figure of the page, in a browser that fails the test where it errs or asks the network."""
    page.clock.install(time=datetime(2026, 1, 1))  # so that a film takes no time
    page.goto(path.as_uri())
    page.clock.pause_at(datetime(2026, 1, 2))  # and time passes where a test says so
    return page.locator(".advnotes-slider").first


def said(slider: Locator) -> str:
    """The frame that a screen reader hears of: the value of the slider, which must be that of the picture."""
    (alt,) = [
        image.get_attribute("alt") or ""
        for image in slider.locator("img").all()
        if image.evaluate("image => getComputedStyle(image).visibility") == "visible"
    ]
    value = slider.get_by_role("slider").get_attribute("aria-valuetext")
    assert alt.split(":")[0].split()[1] == value == slider.locator("output").inner_text()
    return value or ""


def colour(image: bytes, x: float, y: float) -> tuple[int, ...]:
    """The colour of a screenshot at a share of its width and height."""
    picture = Image.open(io.BytesIO(image)).convert("RGB")
    found: Any = picture.getpixel((int(x * picture.width), int(y * picture.height)))
    return tuple(found)


def test_it_is_moved_by_the_keyboard_alone(page: Page, slider: Locator) -> None:
    assert said(slider) == "yellow"
    page.keyboard.press("Tab")
    expect(slider.get_by_role("button", name="Play")).to_be_focused()
    page.keyboard.press("Tab")
    expect(slider.get_by_role("slider", name="colour")).to_be_focused()
    heard = []
    for key in ("ArrowLeft", "Home", "ArrowRight", "End"):
        page.keyboard.press(key)
        heard.append(said(slider))
        assert colour(slider.locator(".frames").screenshot(), 0.5, 0.5) == SEEN[heard[-1]]
    assert heard == ["blue", "red", "lime", "yellow"]


def test_a_second_figure_has_a_slider_of_its_own(page: Page, slider: Locator) -> None:
    slider.get_by_role("slider").fill("0")
    assert said(slider) == "red"
    assert said(page.locator(".advnotes-slider").nth(1)) == "yellow"


def test_it_plays_from_the_first_frame_to_the_last_and_stops(page: Page, slider: Locator) -> None:
    page.clock.run_for(20_000)
    assert said(slider) == "yellow"  # nothing moves by itself
    slider.get_by_role("button", name="Play").click()
    expect(slider.get_by_role("button")).to_have_text("Pause")
    heard = [said(slider)]
    for _ in range(3):
        page.clock.run_for(800)
        heard.append(said(slider))
    assert heard == COLOURS
    page.clock.run_for(5000)
    assert said(slider) == "yellow"
    expect(slider.get_by_role("button")).to_have_text("Play")


@pytest.mark.parametrize("how", ["button", "slider"])
def test_it_pauses_where_the_reader_says_so(page: Page, slider: Locator, how: str) -> None:
    button = slider.get_by_role("button")
    button.click()
    page.clock.run_for(800)
    assert said(slider) == "lime"
    if how == "button":
        button.click()
    else:
        slider.get_by_role("slider").fill("1")
    expect(button).to_have_text("Play")
    page.clock.run_for(10_000)
    assert said(slider) == "lime"
    button.click()  # and goes on from there
    page.clock.run_for(800)
    assert said(slider) == "blue"


def test_without_motion_there_is_nothing_to_play(page: Page, slider: Locator) -> None:
    slider.get_by_role("button").click()
    page.clock.run_for(800)
    page.emulate_media(reduced_motion="reduce")
    expect(slider.locator("button")).to_be_hidden()
    page.clock.run_for(10_000)  # what was playing stops
    assert said(slider) == "lime"
    slider.get_by_role("slider").press("ArrowRight")
    assert said(slider) == "blue"


@pytest.mark.parametrize("scripts", [True, False])
def test_in_print_and_without_scripts_the_still_frames_are_shown(
    browser: Browser, path: Path, scripts: bool
) -> None:
    visit = Visit()
    context = browser.new_context(viewport=DESKTOP, java_script_enabled=scripts)
    page = watched(context, visit)
    page.goto(path.as_uri())
    if scripts:
        page.get_by_role("slider").first.fill("0")  # another frame than those for print
        page.emulate_media(media="print")
    slider = page.locator(".advnotes-slider").first
    shown = [image.get_attribute("data-label") for image in slider.locator("img").all() if image.is_visible()]
    assert shown == ["lime", "yellow"]
    expect(slider.locator(".controls")).to_be_hidden()
    picture = slider.locator(".frames").screenshot()
    boxes = [image.bounding_box() for image in slider.locator("img.still").all()]
    whole = slider.locator(".frames").bounding_box()
    assert whole is not None
    for box, label in zip(boxes, shown, strict=True):
        assert box is not None
        assert box["width"] == 330
        x, y = box["x"] + box["width"] / 2 - whole["x"], box["y"] + box["height"] / 2 - whole["y"]
        assert colour(picture, x / whole["width"], y / whole["height"]) == SEEN[label]
    context.close()
    assert (visit.errors, visit.requests) == ([], [])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, NARROW])
def test_axe_finds_no_violation_and_nothing_is_wider_than_the_page(
    browser: Browser, path: Path, theme: str, viewport: Any
) -> None:
    visit = Visit()
    context = browser.new_context(viewport=viewport)
    page = watched(context, visit)
    page.goto(path.as_uri())
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    page.evaluate(SETTLED)
    assert axe(page) == []
    assert page.evaluate(WIDE) == []
    for control in page.locator(".advnotes-slider :is(button, input)").all():
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= 44  # a finger's width
        assert box["width"] >= 44
    context.close()
    assert (visit.errors, visit.requests) == ([], [])
