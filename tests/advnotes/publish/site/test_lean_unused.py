"""Files that no page asks for are dropped, and nothing else."""

from __future__ import annotations

from pathlib import Path

from advnotes.publish.site.lean.unused import drop_unused

FONTS = (
    '@font-face{font-family:F;src:url(../vendor/f.woff2) format("woff2"),url(../vendor/f.ttf) format("truetype")}'
    '@font-face{font-family:G;src:url(../vendor/g.ttf) format("truetype")}'
)


def test_what_formulas_fonts_and_pages_need_stays(tmp_path: Path) -> None:
    kept = [
        "_static/mathjax/tex-chtml.js",
        "_static/mathjax/a11y/sre.js",
        "_static/mathjax/input/tex/extensions/mhchem.js",
        "_static/mathjax/output/chtml/fonts/woff-v2/MathJax_Zero.woff",
        "_static/mathjax/sre/mathmaps/en.json",
        "_static/mathjax/sre/mathmaps/nemeth.json",
        "_static/vendor/f.woff2",
        "_static/vendor/g.ttf",  # without another form of it
        "book/intro.html",
        "_sources/book/one.ipynb",
    ]
    dropped = [
        "_static/mathjax/tex-svg.js",
        "_static/mathjax/sre/mathmaps/fr.json",
        "_static/mathjax/input/tex/extensions/all-packages.js",
        "_static/scripts/bootstrap.js.map",
        "_static/locales/de/LC_MESSAGES/booktheme.po",
        "_static/locales/de/LC_MESSAGES/booktheme.mo",
        "_static/vendor/f.ttf",
    ]
    for name in kept + dropped:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "_static/styles").mkdir()
    sheet = tmp_path / "_static/styles/theme.css"
    sheet.write_text(FONTS)
    drop_unused(tmp_path)
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {*kept, "_static/styles/theme.css"}
    assert sheet.read_text() == FONTS.replace(',url(../vendor/f.ttf) format("truetype")', "")
