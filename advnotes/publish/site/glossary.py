"""Links from the first use of a word in a chapter to its entry in the glossary, and from there to the chapters.

They are made when the site is bound, so that the sources keep plain sentences. Headings, formulas, code, links, HTML
and the lines of directives stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from advnotes.publish.site.predict import asks

ENTRIES = re.compile(r"^```\{glossary\}\n(.*?)^```", re.DOTALL | re.MULTILINE)
#: What is no sentence: it is passed over, and a word inside it is not linked.
PASSED_OVER = r"""
    ^(?P<fence>`{3,}|~{3,})[\s\S]*?^(?P=fence)[ ]*$       # blocks of code and directives
    | ^:{3,}.*$ | ^:[\w-]+:.*$                             # the lines of directives between colons
    | ^[ ]*\#.*$                                           # headings
    | \\begin\{(?P<name>\w+\*?)\}[\s\S]*?\\end\{(?P=name)\}
    | \$\$[\s\S]*?\$\$ | (?<!\\)\$[^$]*\$
    | (?:\{[\w:-]+\})?(?P<tick>`+)[\s\S]*?(?P=tick)        # code, and roles
    | !?\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])                 # links and pictures
    | <[^>\n]*> | https?://\S+
    | \b(?:can|cannot|could|may|must|should|will|would)\s+\w+   # a verb, such as in "cannot control"
"""
USED = re.compile(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`")


def glossary_terms(page: str) -> list[str]:
    """The words that a page's glossary explains, in its order.

    Raises:
        ValueError: where the page has no glossary, or one that explains a word twice.
    """
    blocks = ENTRIES.findall(page)
    if len(blocks) != 1:
        raise ValueError(f"expected one block {{glossary}} in the page of the glossary, got {len(blocks)}")
    found = _heads(blocks[0])
    if twice := [term for term in found if found.count(term) > 1]:
        raise ValueError(f"the glossary explains {twice[0]!r} twice; keep one of the two")
    return found


def list_places(page: str, places: Mapping[str, Sequence[str]]) -> str:
    """The page with a line under each word that says where it is used.

    Args:
        page: the Markdown of the glossary.
        places: word -> links to the chapters that use it, in the order of the book.
    """
    (block,) = ENTRIES.finditer(page)
    entries = [entry.rstrip() for entry in re.split(r"\n{2,}(?=\S)", block[1].rstrip())]
    for k, entry in enumerate(entries):
        found = [link for term in _heads(entry) for link in places.get(term, ())]
        if found:
            entries[k] = f"{entry}\n\n  In {' · '.join(dict.fromkeys(found))}."
    return page[: block.start(1)] + "\n\n".join(entries) + "\n" + page[block.end(1) :]


def _heads(entry: str) -> list[str]:
    """The words that an entry explains: its lines that are not indented."""
    return [line.strip() for line in entry.splitlines() if line.strip() and not line[0].isspace()]


def link_terms(notebook: Any, terms: list[str]) -> list[str]:
    """Link the first use of each word in a notebook's texts to the glossary.

    A word counts in the plural and with a capital letter, too. One that the source links itself is left to it.

    Returns:
        The words that were linked, or are linked by the source.
    """
    # An option that becomes a button holds no link.
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown" and not asks(cell)]
    seen = {term.lower() for cell in texts for term in USED.findall(cell.source)}
    pattern = _pattern(terms)

    def link(found: re.Match[str]) -> str:
        shown = found["word"]
        term = _term(shown, terms) if shown else None
        if term is None or term.lower() in seen:
            return found[0]
        seen.add(term.lower())
        words = " ".join(shown.split())
        return f"{{term}}`{words}`" if words == term else f"{{term}}`{words} <{term}>`"

    for cell in texts:
        cell.source = pattern.sub(link, cell.source)
    return [term for term in terms if term.lower() in seen]


def _pattern(terms: list[str]) -> re.Pattern[str]:
    """Finds what is passed over, else a word of the glossary: of two that begin alike the longer one."""
    words = "|".join(_spelt(term) for term in sorted(terms, key=len, reverse=True))
    return re.compile(
        rf"{PASSED_OVER} | (?<![\w-])(?P<word>{words})(?![\w-])", re.MULTILINE | re.VERBOSE | re.IGNORECASE
    )


def _spelt(term: str) -> str:
    """A word in the singular or the plural, over the end of a line, too."""
    return r"(?:\s+|-)".join(re.escape(part) for part in term.split()) + "(?:e?s)?"


def _term(shown: str, terms: list[str]) -> str | None:
    """The entry that a word in a text belongs to."""
    return next((term for term in terms if re.fullmatch(_spelt(term), shown, re.IGNORECASE)), None)
