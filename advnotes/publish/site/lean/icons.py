"""The theme's script of 2000 icons, with those that the site shows: it is loaded by every page."""

from __future__ import annotations

import re
from collections.abc import Iterable

SCRIPT = "_static/scripts/fontawesome.js"
#: `name:[width,height,[other names],"code point",path or paths]`, one after the other in an object for each style.
ICON = re.compile(
    r"""(?P<name>"[\w-]+"|[\w$]+):
    \[\d+,\d+,\[(?P<others>[^\]]*)\],"[0-9a-f]+",(?:"[^"]*"|\["[^"]*","[^"]*"\])\](?P<comma>,?)""",
    re.VERBOSE,
)
SHOWN = re.compile(r"\bfa-([a-z0-9-]+)")
NOTE = "/* Only the icons that this site shows. */"


def shown(texts: Iterable[str]) -> set[str]:
    """The names of icons that pages and scripts ask for, and some words that are no icon's."""
    return {name for text in texts for name in SHOWN.findall(text)}


def keep_icons(script: str, names: set[str]) -> str:
    """The script with only the icons that have one of the names.

    Raises:
        ValueError: where no icon is found in the script.
    """
    if not ICON.search(script):
        raise ValueError(f"expected icons as in Font Awesome 6 in {SCRIPT}, got none: has the theme changed?")

    def keep(icon: re.Match[str]) -> str:
        known = {icon["name"].strip('"'), *re.findall(r'"([^"]*)"', icon["others"])}
        return icon[0] if known & names else ""

    lean = ICON.sub(keep, script)
    # Where the last icon of an object is left out, a comma stays, which JavaScript allows.
    first, line, rest = lean.partition("\n")
    return f"{first}{line}{NOTE}{line}{rest}"
