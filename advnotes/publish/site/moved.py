"""Pages that have moved or were split: at each old address a small page leads on to the new one."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path

import yaml

from advnotes.publish.chapters import pages

#: Old addresses and new ones, as names under ``book/`` without a suffix; a new one may end in ``#`` and an anchor.
LIST = "book/moved.yml"


def moved(root: Path) -> dict[str, str]:
    """The old addresses of pages, and where each leads now.

    Raises:
        ValueError: where ``book/moved.yml`` is no list of names, an old address is that of a page, or a new one is not.
    """
    path = root / LIST
    given = (yaml.safe_load(path.read_text(encoding="utf8")) or {}) if path.is_file() else {}
    if not isinstance(given, dict) or not all(
        isinstance(name, str) for pair in given.items() for name in pair
    ):
        raise ValueError(f"expected lines such as `attacks/old: attacks/new` in {path}, got {given!r}")
    there = {page.removeprefix("book/") for page in pages(root)}
    for old, new in given.items():
        if old in there:
            raise ValueError(
                f"{path}: {old} is a page of _toc.yml, so nothing can stand at its address; take it out"
            )
        if new.partition("#")[0] not in there:
            raise ValueError(f"{path}: {old} leads to {new}, which is no page of _toc.yml; name one that is")
    return given


def lead_on(site: Path, addresses: dict[str, str]) -> None:
    """Write the page of each old address. An anchor that was asked for there is asked for at the new address, too."""
    for old, new in addresses.items():
        path = site / f"book/{old}.html"
        name, mark, anchor = new.partition("#")
        target = os.path.relpath(site / f"book/{name}.html", path.parent).replace(os.sep, "/") + mark + anchor
        script = "" if mark else f"<script>location.replace({json.dumps(target)} + location.hash)</script>\n"
        link = html.escape(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>This page has moved</title>
{script}<meta http-equiv="refresh" content="0; url={link}">
<link rel="canonical" href="{link}">
</head>
<body><main><h1>This page has moved</h1><p><a href="{link}">Its new place</a></p></main></body>
</html>
""",
            encoding="utf8",
        )
