"""The page of a report in a real browser, from disk: no network, no violation, nothing wider than a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.advnotes.evaluation.reports import report
from tests.browser.conftest import DESKTOP, PHONE, WIDE, Visit, axe, watched


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_report_is_sound(browser: Browser, tmp_path: Path, scheme: str) -> None:
    path = report().save(tmp_path / "report.html")
    visit = Visit()
    for view in (DESKTOP, PHONE):
        # Past the page's own policy, which would bar axe along with everything else.
        context = browser.new_context(viewport=view, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
        page = watched(context, visit)
        page.goto(path.as_uri())
        visit.sideways += page.evaluate(WIDE)
        visit.violations[str(view)] = axe(page)
        context.close()
    assert visit.errors == []
    assert visit.requests == []
    assert visit.sideways == []
    assert visit.violations == {str(DESKTOP): [], str(PHONE): []}


def test_its_policy_lets_it_be_as_it_is(browser: Browser, tmp_path: Path) -> None:
    path = report().save(tmp_path / "report.html")
    context, visit = browser.new_context(viewport=PHONE), Visit()
    page = watched(context, visit)
    page.goto(path.as_uri())
    sizes = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    padding = page.evaluate("getComputedStyle(document.body).paddingTop")
    context.close()
    assert visit.errors == []  # what the policy bars is logged
    assert sizes == [8] * 9
    assert padding == "24px"
