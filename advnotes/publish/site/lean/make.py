"""Make a bound site lean: each step is a module beside this one."""

from __future__ import annotations

from pathlib import Path

from advnotes.publish.site.lean.icons import SCRIPT, keep_icons, shown
from advnotes.publish.site.lean.marks import lean_page, plain_classes
from advnotes.publish.site.lean.pictures import pack_pictures, renamed
from advnotes.publish.site.lean.unused import drop_unused


def make_lean(site: Path, kept: Path) -> None:
    """Drop what no page needs, in place.

    Args:
        site: the folder of the site.
        kept: a folder for pictures that were packed before.

    Raises:
        ValueError: where the theme's script holds no icons.
    """
    drop_unused(site)
    names = pack_pictures(site, kept)
    plain = plain_classes((site / "_static" / "pygments.css").read_text(encoding="utf8"))
    texts = []
    for path in sorted(site.rglob("*.html")):
        page = path.read_text(encoding="utf8")
        lean = lean_page(renamed(page, names), plain)
        if lean != page:
            path.write_text(lean, encoding="utf8", newline="")
        texts.append(lean)
    icons = site / SCRIPT
    texts += [path.read_text(encoding="utf8") for path in sorted(site.rglob("*.js")) if path != icons]
    icons.write_text(keep_icons(icons.read_text(encoding="utf8"), shown(texts)), encoding="utf8", newline="")
