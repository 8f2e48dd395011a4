"""What the theme and its extensions copy into the site and no page asks for."""

from __future__ import annotations

import re
from pathlib import Path

# Of the 24 MB that sphinx-mathjax-offline copies, what tex-chtml.js can ask for; formulas are spoken in English only.
MATHJAX = (
    *("tex-chtml.js", "a11y", "input/tex/extensions", "output/chtml/fonts/woff-v2"),
    *(f"sre/mathmaps/{name}.json" for name in ("base", "en", "nemeth")),
)
# All extensions at once, for pages that ask for it; what ours need is loaded one by one.
ALL_AT_ONCE = "input/tex/extensions/all-packages.js"
#: For those who debug the theme; for Sphinx, which has translated already.
WORKSHOP = ("*.map", "*.po", "*.mo")
#: Behind each WOFF2: the same font for browsers from before 2016, which cannot show the theme at all.
OLD_FONT = re.compile(r',\s*url\([^)]*\.ttf\)\s*format\("truetype"\)')


def drop_unused(site: Path) -> None:
    """Remove files that no page asks for, and the mention of fonts that are removed."""
    mathjax = site / "_static" / "mathjax"
    kept = [mathjax / name for name in MATHJAX]
    for path in sorted(mathjax.rglob("*")):
        if path.is_file() and not any(path == keep or keep in path.parents for keep in kept):
            path.unlink()
    (mathjax / ALL_AT_ONCE).unlink(missing_ok=True)
    for pattern in WORKSHOP:
        for path in sorted(site.rglob(pattern)):
            path.unlink()
    sheets = sorted((site / "_static").rglob("*.css"))
    for sheet in sheets:
        style = sheet.read_text(encoding="utf8")
        if (lean := OLD_FONT.sub("", style)) != style:
            sheet.write_text(lean, encoding="utf8", newline="")
    named = "".join(sheet.read_text(encoding="utf8") for sheet in sheets)
    for font in sorted((site / "_static").rglob("*.ttf")):
        if font.name not in named:
            font.unlink()
