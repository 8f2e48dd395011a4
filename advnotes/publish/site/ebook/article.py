"""A page of the site as a page of a book: what only a screen can do is opened, replaced or left out.

Code that shows a method stays, and so do the parameters. What only draws, judges or sets up is left out: the site has
it. Solutions move to the end of their chapter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bs4 import BeautifulSoup, Tag
from bs4.element import AttributeValueList
from bs4.filter import SoupStrainer

from advnotes.publish.site.folds import CODE, TAGS

#: The folds whose code a reader on paper does without.
LEFT_OUT = {*CODE.values(), TAGS["tell"]}
#: What serves on the site only: buttons, ways to other pages, and what a script fills.
ON_A_SCREEN = (
    "a.headerlink, a.viewcode-link, script, style, noscript, button, form, input, .advnotes-filter, .advnotes-doors, "
    ".toctree-wrapper, .sd-summary-state-marker, .d-print-none, .advnotes-slider > .controls, "
    ".advnotes-slider img:not(.still), .advnotes-player audio"
)
EXERCISE = re.compile(r"^(\d+)\.")
#: A solution is a fold of words that may hold a cell, or a cell alone.
SOLUTIONS = ".answer, .tag_solution"
#: Two thirds of all elements: words of code that have the colour of the text anyway.
PLAIN = re.compile(r'<span class="(?:n|nn|p|w|pre)">([^<]*)</span>')


def read_article(html: str) -> Tag:
    """The text of a page of the site, without what stands around it.

    Raises:
        ValueError: where the page has none.
    """
    html = PLAIN.sub(r"\1", PLAIN.sub(r"\1", html))  # one may hold another
    article = BeautifulSoup(html, "html.parser", parse_only=SoupStrainer("article")).article
    if article is None:
        raise ValueError("expected an <article> in a page of the site, got none: has the theme changed?")
    return article


def make_fit_for_a_book(article: Tag, widgets: Iterable[str], address: str) -> None:
    """Change a page in place.

    Args:
        article: what `read_article` has read.
        widgets: the classes of the places that a program of the site fills.
        address: of the page on the site in the network.
    """
    for element in article.select(ON_A_SCREEN):
        element.decompose()
    for place in article.select(", ".join(f".{widget}" for widget in widgets)):
        if all(
            child.name == "p" for child in place.find_all(True, recursive=False)
        ):  # else it is read as it stands
            place.replace_with(_pointer(address))
    _open_folds(article)
    for link in article.select("a.image-reference"):
        link.unwrap()
    for lines in article.select("dt.sig dl, dt.sig dd"):  # of a signature: descriptions without a term
        lines.name, lines.attrs = "span", {"class": "sig-lines"}
    for image in article.find_all("img"):
        _keep_the_width_only(image)
    for cell in article.select("div.cell"):
        if not cell.get_text(strip=True) and not cell.find(["img", "svg"]):
            cell.decompose()
    _move_solutions(article)


def _new(name: str, *content: Tag | str, **attributes: str) -> Tag:
    made = Tag(name=name, attrs=attributes)
    made.extend(content)
    return made


def _pointer(address: str) -> Tag:
    link = _new("a", address, href=address)
    return _new("p", "On the site there is something to play with here: ", link, **{"class": "on-the-site"})


def _open_folds(article: Tag) -> None:
    for fold in article.select("details"):
        if fold.decomposed:  # inside one that was left out
            continue
        summary = fold.find("summary")
        shown = summary and (summary.find(class_="collapsed") or summary)
        words = shown.get_text(" ", strip=True).removeprefix("Show ") if shown else ""
        of_code = "hide" in (fold.get("class") or [])
        if of_code and words in LEFT_OUT:
            fold.decompose()
            continue
        if summary:
            summary.decompose()
        if of_code:
            fold.unwrap()
            continue
        kinds = ["fold", "answer"] if words == TAGS["solution"] else ["fold"]
        language = {"lang": fold["lang"]} if fold.has_attr("lang") else {}
        fold.name, fold.attrs = "div", {"class": AttributeValueList(kinds), **language}
        if words:
            fold.insert(0, _new("p", words[0].upper() + words[1:], **{"class": "fold-title"}))


def _keep_the_width_only(image: Tag) -> None:
    """The height follows from it where a narrower page makes the picture smaller."""
    width = re.search(r"(?<![\w-])width:\s*(\d+)px", str(image.get("style", "")))
    del image["style"]
    if width:
        image["width"] = width[1]


def _numbers_an_exercise(element: Tag) -> bool:
    return element.name == "strong" and EXERCISE.match(element.get_text()) is not None


def _move_solutions(article: Tag) -> None:
    """Put the solutions at the end of their chapter, each under the number of its exercise and linked with it."""
    chapter = article.find("section")
    cells = article.select(SOLUTIONS)
    if not cells or chapter is None:
        return
    end = _new("section", _new("h2", "Solutions"), id="all-solutions")
    placed: dict[str, Tag] = {}
    for cell in cells:
        if cell.find_parent(class_="answer"):
            continue
        exercise = cell.find_previous(_numbers_an_exercise)
        found = EXERCISE.match(exercise.get_text()) if exercise else None
        number = found[1] if found else str(len(placed) + 1)
        if number not in placed:
            if exercise:
                exercise["id"] = f"exercise-{number}"
            back = "#" + (f"exercise-{number}" if exercise else "all-solutions")
            title = _new("h3", _new("a", f"Exercise {number}", href=back))
            placed[number] = _new("div", title, id=f"solution-{number}", **{"class": "solution"})
            end.append(placed[number])
            forth = _new("a", "Solution", href=f"#solution-{number}")
            page = _new("span", **{"class": "on-page"})
            cell.insert_before(_new("p", forth, page, **{"class": "to-solution"}))
        if title_of_fold := cell.find(class_="fold-title", recursive=False):
            title_of_fold.decompose()
        placed[number].append(cell.extract())
    chapter.append(end)
