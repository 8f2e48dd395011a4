"""BibTeX of the papers behind the methods, and of the package itself."""

from __future__ import annotations

import difflib
import inspect
import re
from importlib.resources import files

from advnotes.citations.papers import PAPERS

__all__ = ["bibtex", "cite"]

#: The package's own entry in references.bib.
OWN = "advnotes"


def cite(*things: object) -> None:
    """Print the BibTeX entries of the papers that methods stand for; without arguments, the package's own entry.

    Args:
        things: names such as ``"PGD"`` or ``"advnotes.gan.UnrolledGAN"``, or the classes, functions, attacks and games
            themselves. A class of your own stands for what it is derived from.

    Raises:
        ValueError: where the package has nothing of a name, or what it has stands for no paper.
    """
    print(bibtex(*things))


def bibtex(*things: object) -> str:
    """What :func:`cite` prints: each entry once, in the order of the arguments."""
    keys = [key for thing in things for key in _keys(thing)] or [OWN]
    entries = _entries()
    return "\n\n".join(entries[key] for key in dict.fromkeys(keys))


def _keys(thing: object) -> tuple[str, ...]:
    """The keys of a method's papers."""
    if isinstance(thing, str):
        return _keys_of_name(thing)
    kind = thing if inspect.isclass(thing) or inspect.isroutine(thing) else type(thing)
    for base in inspect.getmro(kind) if inspect.isclass(kind) else (kind,):
        if base.__module__.partition(".")[0] == OWN and base.__name__ in PAPERS:
            return PAPERS[base.__name__]
    raise ValueError(_unknown(kind.__name__))


def _keys_of_name(name: str) -> tuple[str, ...]:
    if name == OWN:
        return (OWN,)
    plain = name.rpartition(".")[2]
    for known in (plain, *(other for other in PAPERS if other.lower() == plain.lower())):
        if known in PAPERS:
            return PAPERS[known]
    raise ValueError(_unknown(plain))


def _unknown(name: str) -> str:
    by_case = {known.lower(): known for known in PAPERS}
    close = [by_case[found] for found in difflib.get_close_matches(name.lower(), by_case, cutoff=0.5)]
    hint = f"did you mean {' or '.join(close)}?" if close else "such as PGD, TRADES or DRAGAN"
    return f"expected something in advnotes that stands for a paper, got {name!r}: {hint}"


def _entries() -> dict[str, str]:
    """Key -> entry, of the file that lies beside this module."""
    text = (files(__package__) / "references.bib").read_text(encoding="utf-8")
    return {found[2]: found[1] for found in re.finditer(r"^(@\w+\{([\w-]+),\n.*?^\})", text, re.M | re.S)}
