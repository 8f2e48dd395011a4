"""One headless Chromium for all browser tests, and one look at every page of the site, with everything noted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Error, Page, Request, Route, sync_playwright

from advnotes.publish.site.ebook.browser import FLAGS, chromium

ROOT = Path(__file__).parents[2]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 780}
# Waits for formulas, for whatever the theme does in idle callbacks, and for colours that fade into each other.
SETTLED = """async () => {
    if (window.MathJax) await window.MathJax.startup.promise;
    await new Promise(done => requestIdleCallback(done, {timeout: 1000}));
    await Promise.all(document.getAnimations().map(animation => animation.finished));
}"""
# Without preload: axe would fetch the style sheets, which a page opened from disk may not.
AXE = """async () => (await axe.run({resultTypes: ['violations'], preload: false})).violations.map(
    v => `${v.id}: ${v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(', ')}`)"""
# What sticks out of the page, for the failure message.
WIDE = """() => {
    const wide = document.documentElement.clientWidth;  // innerWidth grows with what sticks out on a phone
    if (document.documentElement.scrollWidth <= wide) return [];
    const out = e => !e.closest('pre') && e.getBoundingClientRect().right > wide + 1;
    return [...document.querySelectorAll('article *')].filter(out).map(e => `${e.tagName} ${e.className}`).slice(-5);
}"""
# Code, outputs and tables that neither wrap nor scroll in their box, and tables with a column that is too narrow for
# words; folds are opened first. What a box cuts off counts too: nobody can read it.
CRAMPED = """() => {
    for (const fold of document.querySelectorAll('article details')) fold.open = true;
    const shown = e => e.getClientRects().length > 0;
    const told = e => `${e.tagName} ${e.textContent.trim().slice(0, 60)}`;
    const sticksOut = e => {
        const right = e.getBoundingClientRect().left + Math.max(e.scrollWidth, e.offsetWidth);
        for (let box = e; box && box.tagName !== 'ARTICLE'; box = box.parentElement) {
            if (['auto', 'scroll'].includes(getComputedStyle(box).overflowX)) return false;
            if (right > box.getBoundingClientRect().right + 1) return true;
        }
        return right > document.documentElement.clientWidth + 1;
    };
    const thin = e => e.textContent.trim().length > 8
        && e.clientWidth < 3 * parseFloat(getComputedStyle(e).fontSize);
    return [
        ...[...document.querySelectorAll('article :is(pre, table)')].filter(e => shown(e) && sticksOut(e)),
        ...[...document.querySelectorAll('article :is(td, th)')].filter(e => shown(e) && thin(e)),
    ].map(told);
}"""


@dataclass
class Visit:
    """What a page did when it was opened."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    violations: dict[str, list[str]] = field(default_factory=dict)
    sideways: list[str] = field(default_factory=list)
    cramped: list[str] = field(default_factory=list)
    formulas: tuple[int, int] = (0, 0)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        except Error as error:
            pytest.fail(
                "no Chromium could be started: install one, name it in ADVNOTES_CHROMIUM, or run "
                f"`playwright install chromium`\n{error}",
                pytrace=False,
            )
        yield launched
        launched.close()


def watched(context: BrowserContext, visit: Visit) -> Page:
    """A page whose errors and requests are noted, and whose way to the network is barred."""
    page = context.new_page()
    page.on("console", lambda said: visit.errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))

    def failed(request: Request) -> None:
        # Aborted is what a page has not finished loading when one goes on to the next; a missing file is not found.
        if request.failure != "net::ERR_ABORTED":
            visit.errors.append(f"failed: {request.url} ({request.failure})")

    page.on("requestfailed", failed)

    def bar(route: Route) -> None:
        visit.requests.append(route.request.url)
        route.abort()

    page.route(re.compile("^(?!file:|data:|blob:|about:)"), bar)
    return page


def axe(page: Page) -> list[str]:
    """The rules that a settled page violates, each with the first places."""
    page.evaluate(AXE_SCRIPT)
    violations: list[str] = page.evaluate(AXE)
    return violations


@pytest.fixture(scope="session")
def visits(site: Path, browser: Browser) -> dict[str, Visit]:
    """Every page opened from disk, on a desktop in dark and on a phone in light."""
    views = {
        "desktop, dark": browser.new_context(viewport=DESKTOP, color_scheme="dark"),
        "phone, light": browser.new_context(
            viewport=PHONE, color_scheme="light", is_mobile=True, has_touch=True
        ),
    }
    found = {}
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        # Left out: parts of the theme, and the redirect, which is gone before anything can be looked at.
        if name == "index.html" or name.startswith("_static/"):
            continue
        visit = found[name] = Visit()
        # The listings of the package's source are one template with other code in it: one of them is looked at
        # in every way, the others where they have the least room.
        listing = name.startswith("_modules/") and name != "_modules/advnotes/game.html"
        for view, context in views.items():
            if listing and view != "phone, light":
                continue
            page = watched(context, visit)
            page.goto(path.as_uri())
            page.evaluate(SETTLED)
            written = page.locator("span.math, div.math").count()
            visit.formulas = written, page.locator(":is(span, div).math > mjx-container").count()
            visit.sideways += page.evaluate(WIDE)
            if not listing:
                visit.violations[view] = axe(page)
            if view == "phone, light":  # the last look: it opens the folds
                visit.cramped = page.evaluate(CRAMPED)
            page.close()
    return found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh desktop page; the test fails where it logs an error or asks the network for something."""
    visit = Visit()
    context = browser.new_context(viewport=DESKTOP, color_scheme="light")
    yield watched(context, visit)
    context.close()
    assert visit.errors == []
    assert visit.requests == []
