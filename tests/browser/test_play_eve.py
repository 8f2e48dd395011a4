"""The reader plays Eve: what is shown and hidden, how it is counted, by mouse, keyboard and on a phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.conftest import DESKTOP, PHONE, SETTLED, WIDE, Visit, axe, watched
from tests.browser.play_eve import (
    KEY,
    MESSAGE,
    STATIC,
    TOLD,
    choose,
    guess,
    open_eve,
    press,
    scores,
    write_eve,
)

# An Alice who sends small numbers.
SMALLER = """() => {
    const [eve] = window.AdvnotesEve.all;
    for (const one of eve.messages) one.sent = one.sent.map(value => 0.4 * value);
    eve.again();
}"""


@pytest.fixture
def eve(page: Page, tmp_path: Path) -> Page:
    """The first message of the first pair; the reader is Eve."""
    return open_eve(page, write_eve(tmp_path))


def test_eve_sees_the_wire_and_neither_key_nor_message(eve: Page) -> None:
    expect(eve.locator(".eve-bar")).to_have_count(16)
    heights = [float(bar.get_attribute("height") or 0) for bar in eve.locator(".eve-bar").all()]
    assert heights == pytest.approx([max(60 * abs(n - 8) / 8, 1) for n in range(16)], abs=0.4)
    tops = [float(bar.get_attribute("y") or 0) for bar in eve.locator(".eve-bar").all()]
    assert tops[0] == pytest.approx(68)  # what is below 0 hangs down from the middle
    assert tops[-1] == pytest.approx(68 - heights[-1], abs=0.1)
    for name in ("key", "message"):
        expect(eve.locator(f'[data-row="{name}"]')).to_be_hidden()
    expect(eve.locator('[data-do="read"]')).to_be_hidden()
    assert set(scores(eve).values()) == {("–", "–")}


def test_a_guess_is_counted_beside_the_others(eve: Page) -> None:
    guess(eve, "1" + MESSAGE[1:])
    press(eve, "reveal")
    told = eve.locator(TOLD)
    expect(told).to_have_attribute("role", "status")  # which is a polite live region
    expect(told).to_have_text(
        "You have 1 of 16 bits wrong; the Eve of the game 8, a larger fresh Eve 2, "
        "an Eve who reads the key first 1, Bob 0. A coin has 8 on average."
    )
    assert scores(eve) == {
        "you": ("1", "1.0"),
        "the Eve of the game": ("8", "8.0"),
        "a larger fresh Eve": ("2", "2.0"),
        "an Eve who reads the key first": ("1", "1.0"),
        "Bob": ("0", "0.0"),
        "a coin": ("–", "8.0"),
    }
    wrong = eve.locator('[data-bits="message"] .eve-wrong')
    expect(wrong).to_have_count(1)
    expect(wrong).to_contain_text("(place 1 wrong)")
    expect(eve.locator(".eve-bit").first).to_be_disabled()
    expect(eve.locator('[data-do="reveal"]')).to_be_disabled()


def test_the_means_are_of_the_messages_that_were_shown(eve: Page) -> None:
    guess(eve, MESSAGE)
    press(eve, "reveal")
    press(eve, "next")
    expect(eve.locator(TOLD)).to_have_text("Message 2.")
    expect(eve.locator('[data-row="message"]')).to_be_hidden()
    assert scores(eve)["you"] == ("–", "0.0")
    press(eve, "reveal")  # all zeros, of which half are wrong
    assert scores(eve)["you"] == ("8", "4.0")
    press(eve, "again")
    assert scores(eve)["you"] == ("–", "–")


def test_the_key_is_bob_s(eve: Page) -> None:
    choose(eve, "view", "bob")
    expect(eve.locator('[data-row="key"]')).to_be_visible()
    assert eve.locator('[data-bits="key"]').inner_text().split() == list(KEY)
    expect(eve.locator(TOLD)).to_contain_text("You are Bob")
    press(eve, "read")
    assert [bit.inner_text() for bit in eve.locator(".eve-bit").all()] == list(MESSAGE)
    press(eve, "reveal")
    expect(eve.locator(TOLD)).to_have_text(re.compile("^You have 0 of 16"))
    choose(eve, "view", "eve")
    expect(eve.locator('[data-row="key"]')).to_be_hidden()


def test_another_pair_begins_anew_and_may_have_no_eve(eve: Page) -> None:
    press(eve, "reveal")
    choose(eve, "pair", "plain")
    assert set(scores(eve)) == {"you", "a larger fresh Eve", "Bob", "a coin"}
    assert set(scores(eve).values()) == {("–", "–")}
    press(eve, "reveal")
    expect(eve.locator(TOLD)).to_have_text(re.compile(r"bits wrong; a larger fresh Eve 2, Bob 0\."))


def test_all_of_it_goes_by_keyboard(eve: Page) -> None:
    eve.locator('[data-setting="pair"]').first.focus()
    eve.keyboard.press("Tab")  # to who one is
    eve.keyboard.press("ArrowRight")
    expect(eve.locator('[data-row="key"]')).to_be_visible()
    eve.keyboard.press("Tab")
    eve.keyboard.press("Space")
    first = eve.locator(".eve-bit").first
    expect(first).to_have_text("1")
    expect(first).to_be_focused()
    expect(first).to_have_attribute("aria-label", "Place 1: 1")
    for _ in range(16):
        eve.keyboard.press("Tab")
    eve.keyboard.press("Enter")
    expect(eve.locator('[data-row="message"]')).to_be_visible()
    expect(eve.locator('[data-do="next"]')).to_be_focused()  # and not the top of the page
    eve.keyboard.press("Enter")
    expect(eve.locator(TOLD)).to_have_text("Message 2.")


@pytest.mark.parametrize("view", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_numbers_of_the_axis_lie_in_the_drawing(
    browser: Browser, tmp_path: Path, view: ViewportSize
) -> None:
    context = browser.new_context(viewport=view)
    page = open_eve(context.new_page(), write_eve(tmp_path))
    page.evaluate(SMALLER)
    expect(page.locator(".eve-bars text").last).to_have_text("−0.4")  # wider than −1
    box = page.locator(".eve-bars").bounding_box()
    assert box
    for number in page.locator(".eve-bars text").all():
        lies = number.bounding_box()
        assert lies
        assert box["x"] <= lies["x"]
        assert box["y"] <= lies["y"]
        assert lies["y"] + lies["height"] <= box["y"] + box["height"]
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_and_can_be_read_in_every_view(browser: Browser, tmp_path: Path, theme: str) -> None:
    visit = Visit()
    for view in (DESKTOP, PHONE):
        context = browser.new_context(viewport=view, color_scheme=theme)
        page = open_eve(watched(context, visit), write_eve(tmp_path, theme))
        for step in ("begin", "reveal"):
            if step == "reveal":
                choose(page, "view", "bob")
                press(page, "reveal")
            page.evaluate(SETTLED)
            visit.sideways += page.evaluate(WIDE)
            visit.violations[f"{view} {step}"] = axe(page)
        smallest = min((bit.bounding_box() or {})["width"] for bit in page.locator(".eve-bit").all())
        assert smallest >= 24  # what a finger can hit
        context.close()
    assert [rule for rules in visit.violations.values() for rule in rules] == []
    assert visit.sideways == []
    assert visit.errors == []
    assert visit.requests == []


def test_without_scripts_the_hint_stays(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(write_eve(tmp_path).as_uri())
    expect(page.locator(".advnotes-play-eve p")).to_have_text("Needs JavaScript.")
    context.close()


def test_its_files_are_small() -> None:
    files = list((STATIC / "play-eve").iterdir())
    assert len(files) == 3
    assert sum(path.stat().st_size for path in files) < 25_000


def test_it_stands_in_its_chapter(page: Page, site: Path) -> None:
    page.goto((site / "book" / "messages" / "cryptography.html").as_uri())
    expect(page.locator(".eve-bar")).to_have_count(16)
    press(page, "reveal")
    expect(page.locator(TOLD)).to_have_text(
        re.compile(r"^You have \d+ of 16 bits wrong; the Eve of the game \d+, ")
    )
