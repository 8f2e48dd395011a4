"""Make the entries that `advnotes.cite` prints: advnotes/citations/references.bib.

    python tools/make_citations.py

The papers' entries come from book/references.bib, as they stand there, and the package's own from CITATION.cff. Run it
after one of these or advnotes/citations/papers.py has changed; a test compares.
"""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from advnotes.citations import OWN  # noqa: E402
from advnotes.citations.papers import PAPERS  # noqa: E402

HEADER = "% Made by tools/make_citations.py from book/references.bib and CITATION.cff.\n\n"


def own_entry(citation: dict[str, Any]) -> str:
    """The package's entry, from what CITATION.cff says."""
    authors = " and ".join(
        f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
        for author in citation["authors"]
    )
    fields = {
        "title": citation["title"],
        "author": authors,
        "version": str(citation["version"]),
        "year": str(citation["date-released"])[:4],
        "url": citation["repository-code"],
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@software{{{OWN},\n{lines}\n}}"


def references(root: Path = ROOT) -> str:
    """The text of the file.

    Raises:
        KeyError: where a key of papers.py is not in book/references.bib.
    """
    text = (root / "book" / "references.bib").read_text(encoding="utf-8")
    entries = {found[2]: found[1] for found in re.finditer(r"^(@\w+\{([\w-]+),\n.*?^\})", text, re.M | re.S)}
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    keys = sorted({key for keys in PAPERS.values() for key in keys})
    return HEADER + "\n\n".join([own_entry(citation), *(entries[key] for key in keys)]) + "\n"


if __name__ == "__main__":
    place = ROOT / "advnotes" / "citations" / "references.bib"
    place.write_text(references(), encoding="utf-8", newline="\n")
