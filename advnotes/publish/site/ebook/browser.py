"""A headless Chromium without a network, which sets the formulas, prints, and takes the cover's picture."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Opened from a file, a page loads nothing but files.
ELSEWHERE = re.compile("^(?!file:|data:|blob:|about:)")
#: Waits for the formulas. For who listens, each is one picture, whose description is what the author wrote; a PDF keeps
#: the description of what has text in it only, and glyphs that a style sheet puts there do not count.
SET = """async () => {
    if (!window.MathJax) return;
    await MathJax.startup.promise;
    for (const formula of MathJax.startup.document.math) {
        formula.typesetRoot.setAttribute("role", "img");
        formula.typesetRoot.setAttribute("aria-label", formula.math.trim());
        const text = Object.assign(document.createElement("span"), {textContent: "\u00a0"});
        text.style.cssText = "position: absolute; color: transparent; font-size: 1px";
        formula.typesetRoot.append(text);
    }
}"""


def chromium() -> str | None:
    """A browser from ADVNOTES_CHROMIUM, else from the path; None is playwright's own."""
    named = os.environ.get("ADVNOTES_CHROMIUM")
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    return named or next((path for path in found if path), None)


@contextmanager
def opened(document: Path) -> Iterator[Page]:
    """A document in a browser, with its pictures loaded and its formulas set.

    Raises:
        ValueError: where playwright is not installed.
        RuntimeError: where no Chromium can be started, or the document asks for a file that is not there.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        raise ValueError('Chromium is started by playwright: pip install "advnotes[ebook]"') from None
    missing: list[str] = []
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        except Error as error:
            raise RuntimeError(
                "no Chromium could be started: install one, name it in ADVNOTES_CHROMIUM, or run "
                f"`playwright install chromium`\n{error}"
            ) from None
        page = browser.new_page(color_scheme="light", viewport={"width": 800, "height": 1280})
        page.set_default_timeout(300_000)  # a whole book has thousands of formulas
        page.route(ELSEWHERE, lambda route: route.abort())
        page.on("requestfailed", lambda request: missing.append(request.url))
        page.goto(document.as_uri())
        page.evaluate(SET)
        if missing:
            raise RuntimeError(f"{document}: could not load {', '.join(missing[:5])}")
        yield page
        browser.close()
