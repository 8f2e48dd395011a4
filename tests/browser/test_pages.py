"""The site as a reader meets it: opened from disk in a real browser, with no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

# The first test waits for every page to be opened and examined in two views: minutes, more where the processor is busy.
pytestmark = pytest.mark.timeout(2400)

Visits = dict[str, Any]  # conftest.Visit by page


def test_no_page_logs_an_error(visits: Visits) -> None:
    assert {page: visit.errors for page, visit in visits.items() if visit.errors} == {}


def test_no_page_asks_the_network_for_anything(visits: Visits) -> None:
    assert {page: visit.requests for page, visit in visits.items() if visit.requests} == {}


@pytest.mark.parametrize("view", ["desktop, dark", "phone, light"])
def test_axe_finds_no_violation(visits: Visits, view: str) -> None:
    seen = {page: visit.violations[view] for page, visit in visits.items() if view in visit.violations}
    assert len(seen) >= 12
    assert {page: violations for page, violations in seen.items() if violations} == {}


def test_no_page_scrolls_sideways(visits: Visits) -> None:
    assert {page: visit.sideways for page, visit in visits.items() if visit.sideways} == {}


def test_code_outputs_and_tables_keep_to_their_boxes_on_a_phone(visits: Visits) -> None:
    assert {page: visit.cramped for page, visit in visits.items() if visit.cramped} == {}


def test_a_wide_figure_opens_at_its_full_width_on_a_phone(page: Page, site: Path) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    page.goto((site / "book" / "attacks" / "fgsm.html").as_uri())
    button = page.locator(".advnotes-enlarge").first
    expect(button).to_have_text("Enlarge the figure")
    figure = page.locator("figure", has=page.locator(".advnotes-enlarge")).first
    image = figure.locator("img")
    shrunk = image.evaluate("e => e.clientWidth")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_text("Fit the figure to the screen")
    full = image.evaluate("e => e.clientWidth")
    assert full > 1.2 * shrunk
    assert figure.locator("a").first.evaluate("e => e.scrollWidth > e.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    image.click()  # a tap leads back, not to the file of the picture
    assert image.evaluate("e => e.clientWidth") == shrunk
    assert page.url.endswith("fgsm.html")


def test_every_formula_is_typeset(visits: Visits) -> None:
    assert {page: visit.formulas for page, visit in visits.items() if len(set(visit.formulas)) > 1} == {}
    assert visits["book/notation.html"].formulas[0] > 20


def test_index_leads_to_the_landing_page(page: Page, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    page.wait_for_url("**/book/intro.html")
    expect(page.locator("h1").last).to_contain_text("Adversarial training")


def test_search_finds_a_word_of_the_notation(page: Page, site: Path) -> None:
    page.goto((site / "book" / "intro.html").as_uri())
    page.keyboard.press("Control+k")
    page.keyboard.type("Wilson")
    page.keyboard.press("Enter")
    expect(page.locator("#search-results a", has_text="Notation")).to_be_visible()


def test_the_button_changes_the_theme_and_the_choice_stays(page: Page, site: Path) -> None:
    page.goto((site / "book" / "intro.html").as_uri())
    html = page.locator("html")
    background = "getComputedStyle(document.body).backgroundColor"
    expect(html).to_have_attribute("data-theme", "light")
    bright = page.evaluate(background)
    while html.get_attribute("data-mode") != "dark":
        page.locator(".article-header-buttons .theme-switch-button").click()
    expect(html).to_have_attribute("data-theme", "dark")
    assert page.evaluate(background) != bright
    page.goto((site / "book" / "notation.html").as_uri())
    expect(html).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize("name", ["book/attacks/fgsm", "_modules/advnotes/game", "search"])
def test_every_icon_is_drawn(page: Page, site: Path, name: str) -> None:
    """The script of icons holds those alone that pages name, and draws a question mark for another."""
    path = site / f"{name}.html"
    asked = len(re.findall(r'<i class="fa', path.read_text(encoding="utf8")))
    assert asked > 5
    page.goto(path.as_uri())
    expect(page.locator("svg.svg-inline--fa .missing")).to_have_count(0)
    expect(page.locator("i[class*=fa-]")).to_have_count(0)
    assert page.locator("svg.svg-inline--fa path[d]").count() >= asked
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<i class=\"fa-solid fa-no-such-icon\"></i>')"
    )
    expect(page.locator("svg.svg-inline--fa .missing")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_of_code_has_the_colour_of_the_style_of_code(
    page: Page, site: Path, scheme: Literal["light", "dark"]
) -> None:
    """So marks of just that colour can be left out of the pages."""
    page.emulate_media(color_scheme=scheme)
    for name in ("book/attacks/fgsm", "_modules/advnotes/game"):
        page.goto((site / f"{name}.html").as_uri())
        code = page.locator(":is(.cell_input, article > .highlight) pre").first
        colours = code.evaluate("e => [e, e.closest('.highlight')].map(e => getComputedStyle(e).color)")
        assert len(set(colours)) == 1
        assert code.locator("span.p, span.w").count() == 0


def test_contents_open_on_a_phone(page: Page, site: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto((site / "book" / "intro.html").as_uri())
    link = page.locator(".bd-sidebar-primary").get_by_role("link", name="Notation")
    expect(link).not_to_be_in_viewport()
    page.locator(".primary-toggle:visible").click()
    link.click()
    expect(page).to_have_url(re.compile("notation"))


def test_what_to_remember_fits_on_two_sheets_of_paper_printed_on_both_sides(page: Page, site: Path) -> None:
    page.goto((site / "book" / "one-sheet.html").as_uri())
    page.evaluate("MathJax.startup.promise")
    printed = page.pdf(format="A4", prefer_css_page_size=True)
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 4


def test_a_folded_solution_opens(page: Page, site: Path) -> None:
    page.goto((site / "book" / "attacks" / "fgsm.html").as_uri())
    folded = page.locator("details.hide").first
    code = folded.locator("pre").first
    expect(code).not_to_be_visible()
    folded.locator("summary").click()
    expect(code).to_be_visible()


@pytest.mark.parametrize(
    ("name", "small", "method"),
    [("attack-lab", False, "pgd"), ("attacks/fgsm", True, "fgsm"), ("attacks/pgd", True, "pgd")],
)
def test_the_attack_lab_runs_in_its_pages(
    page: Page, site: Path, name: str, small: bool, method: str
) -> None:
    page.goto((site / "book" / f"{name}.html").as_uri())
    lab, told = page.locator(".advnotes-attack-lab"), page.locator(".lab-told")
    expect(told).to_contain_text("The network reads")
    expect(lab.locator(".lab-pad")).to_have_count(0 if small else 1)
    expect(lab.locator('[data-setting="method"]:checked')).to_have_value(method)
    lab.locator('[data-do="step"]').click()
    expect(told).to_have_text(re.compile("^Step 1: the loss "))


def test_the_attack_lab_is_linked_and_fits_its_page(page: Page, site: Path) -> None:
    size = {}
    page.on("request", lambda request: size.update({request.url: (site / request.url.split("/html/")[-1])}))
    page.goto((site / "book" / "intro.html").as_uri())
    assert not [url for url in size if "attack-lab" in url]
    page.locator(".advnotes-doors .sd-card", has_text="Play").click()
    page.wait_for_url("**/attack-lab.html")
    expect(page.locator(".lab-told")).to_contain_text("The network reads")
    expect(page.locator("[data-other]")).not_to_be_empty()  # the other network has come too
    own = [path for url, path in size.items() if "attack-lab" in url]
    assert len(own) == 13
    assert sum(path.stat().st_size for path in own) < 1_500_000
