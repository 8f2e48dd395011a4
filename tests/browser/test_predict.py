"""Questions with buttons, and the claim beside its figure, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from advnotes.publish.chapters import Chapter, chapters
from advnotes.publish.site.predict import asks, read_prediction
from tests.browser.conftest import DESKTOP, PHONE, SETTLED, axe

CHAPTERS = chapters(Path(__file__).resolve().parents[2])
PGD = "attacks/pgd"  # its question has formulas and a citation, its right option is the second


def opened(page: Page, site: Path, name: str) -> Locator:
    """The question of a chapter, on a settled page."""
    page.goto((site / "book" / f"{name}.html").as_uri())
    page.evaluate(SETTLED)
    return page.locator(".advnotes-predict")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_the_option_that_the_solution_opens_with_is_right_and_each_has_its_sentence(
    page: Page, site: Path, chapter: Chapter
) -> None:
    (source,) = (cell["source"] for cell in chapter.cells if asks(cell))
    question = opened(page, site, chapter.name)
    told = question.get_by_role("status")
    expect(told).to_be_empty()
    for letter in "ABC":
        question.get_by_role("button", name=re.compile(f"^{letter} ")).click()
        verdict = f"Yes, {letter}." if letter == read_prediction(source).answers[0] else f"Not {letter}."
        expect(told).to_have_text(re.compile(f"^{re.escape(verdict)} .+"))
        assert question.locator("[aria-pressed=true]").all_inner_texts() == [letter]


def test_the_solution_holds_the_answers_and_the_code(page: Page, site: Path) -> None:
    question = opened(page, site, PGD)
    code = question.locator("details .cell.tag_solution pre").first
    expect(code).not_to_be_visible()
    question.get_by_role("button", name=re.compile("^A ")).click()
    question.get_by_role("button", name="Open the solution").click()
    expect(code).to_be_visible()
    expect(question.locator("details > summary")).to_be_focused()
    expect(question.get_by_role("button", name="Open the solution")).to_be_hidden()


def test_a_question_is_answered_with_the_keyboard_alone(page: Page, site: Path) -> None:
    question = opened(page, site, "games/one-idea")
    told = question.get_by_role("status")
    question.get_by_role("button", name=re.compile("^A ")).focus()
    page.keyboard.press("Space")
    expect(told).to_contain_text("Not A.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(told).to_contain_text("Yes, B.")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(question.locator("details")).to_have_attribute("open", "")


def test_a_whole_row_can_be_pressed_and_is_named_by_its_words(page: Page, site: Path) -> None:
    question = opened(page, site, PGD)
    row = question.locator(".options > li").nth(1)
    expect(row.get_by_role("button")).to_have_accessible_name("B Digits: more of them withstand it.")
    size = row.bounding_box()
    assert size is not None
    row.click(position={"x": size["width"] - 5, "y": size["height"] / 2})
    expect(question.get_by_role("status")).to_contain_text("Yes, B.")


@pytest.mark.parametrize(("view", "scheme"), [(DESKTOP, "dark"), (PHONE, "light")])
def test_an_answered_question_and_the_box_fit_and_can_be_read_by_all(
    browser: Browser, site: Path, view: dict[str, int], scheme: str
) -> None:
    context = browser.new_context(viewport=view, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    question = opened(page, site, PGD)
    for letter in "AB":
        question.get_by_role("button", name=re.compile(f"^{letter} ")).click()
        assert axe(page) == []
    for part in (question, page.locator(".advnotes-the-claim")):
        box = part.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= view["width"]
    context.close()


def test_without_scripts_the_list_and_the_solution_suffice(browser: Browser, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "book" / f"{PGD}.html").as_uri())
    question = page.locator(".advnotes-predict")
    assert [text[:2] for text in question.locator("> ul > li").all_inner_texts()] == ["A.", "B.", "C."]
    answer = question.locator("details p", has_text="80 steps reach the edge")
    expect(answer).not_to_be_visible()
    question.locator("summary").click()
    expect(answer).to_be_visible()
    context.close()


def test_on_paper_there_is_no_button_to_open_anything(page: Page, site: Path) -> None:
    question = opened(page, site, PGD)
    question.get_by_role("button", name=re.compile("^A ")).click()
    page.emulate_media(media="print")
    expect(question.locator(".open")).to_be_hidden()
    expect(question.locator(".options > li").first).to_be_visible()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_the_claim_of_a_chapter_stands_under_its_figure(page: Page, site: Path, chapter: Chapter) -> None:
    opened(page, site, chapter.name)
    box = page.locator(".advnotes-the-claim")
    expect(box).to_have_count(1)
    figure = page.locator("div.cell:has(figure):has(+ .advnotes-the-claim)")
    expect(figure).to_have_count(1)
    link = box.get_by_role("link")
    anchor = link.get_attribute("href") or ""
    expect(page.locator(f"[id='{anchor[1:]}']")).to_have_count(1)
    if anchor != "#claims":  # the box has not taken the place of the claim's row
        row = page.locator(f"[id='{anchor[1:]}']")
        colour = "verdict => getComputedStyle(verdict).color"
        verdicts = [part.locator(".verdict") for part in (row, box)]
        assert verdicts[0].inner_text() == verdicts[1].inner_text()
        assert verdicts[0].evaluate(colour) == verdicts[1].evaluate(colour)
        row.get_by_role("link", name="beside its figure").click()
        expect(box).to_be_in_viewport()
