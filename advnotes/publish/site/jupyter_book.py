"""Jupyter Book renders the staged pages as a web site; where only words have changed, only their pages again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from advnotes.publish.chapters import pages as contents

# What other pages may take from a text. Of the directives, only these hold words and nothing else.
STRUCTURE = re.compile(
    r"""
    ^[ ]*(?P<fence>`{3,}|~{3,}|:{3,})\{(?!(?:admonition|dropdown|hint|important|note|tip|warning)\})
        [\s\S]*?^[ ]*(?P=fence)[ ]*$
    | ^[ ]*(?:`{3,}|~{3,}|:{3,}).* | ^[ ]*:[\w-]+:.*          # other directives, their ends and options
    | ^[ ]*\#.* | ^.+\n[ ]*(?:=+|-{3,})[ ]*$                  # headings
    | ^[ ]*\([^)\n]*\)=.* | \$\$[ ]*\([^)\n]*\)               # labels
    | \\(?:label|tag|ref|eqref|begin|end)\b.*                 # equations with numbers
    | \{[^}\n]*\}(?P<tick>`+).+?(?P=tick) | \{\{.*?\}\}       # roles and substitutions
    | !?\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\]|:[ ].*)?            # links, images, footnotes
    | <[^>\n]*> | https?://\S+
    """,
    re.MULTILINE | re.VERBOSE,
)
# Sphinx puts a checksum behind these addresses where the files exist before the pages: in incremental renderings only.
CHECKSUM = re.compile(rb"(mystnb\.[0-9a-f]{64}\.css|/tex-chtml\.js)\?v=[0-9a-f]+")


def render(work: Path, pages: dict[str, bytes], config: bytes, toc: Path, structure: str) -> Path:
    """Run Jupyter Book on the pages; a warning is an error.

    The last rendering is kept in ``work``, with its doctrees. Sphinx then renders only the pages that have
    changed, and does not update much of what other pages take from them (titles in the contents beside each page,
    numbers, lists of sources). So the last rendering is used only where ``structure`` is the same.

    Args:
        work: the folder to render in.
        pages: path -> content.
        config, toc: Jupyter Book's own.
        structure: a hash of all that one page may take from another, and of all that is no page.

    Returns:
        The folder of the site, which is Sphinx's own: copy it.

    Raises:
        RuntimeError: where Jupyter Book warns, fails, or leaves a page out; the message holds what it said.
    """
    folder, output, settings = work / "stage", work / "site", work / "_config.yml"
    rendered = output / ".structure"
    if not rendered.is_file() or rendered.read_text() != structure:
        shutil.rmtree(output, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
    rendered.unlink(missing_ok=True)  # until this rendering is whole
    for name, content in {**pages, settings.name: config}.items():
        path = settings if name == settings.name else folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    site = output / "_build" / "html"
    index = site / "searchindex.js"
    before = index.read_text(encoding="utf8") if index.is_file() else None
    _jupyter_book(folder, settings, toc, output)
    _check_whole(site, toc)
    if before is not None:
        index.write_text(_with_entries(index.read_text(encoding="utf8"), before), encoding="utf8")
    rendered.write_text(structure)
    return site


def _with_entries(index: str, before: str) -> str:
    """A search index with the entries of the one before it: Sphinx keeps only those of pages that it just rendered."""
    start, end = "Search.setIndex(", ")"
    found, kept = (json.loads(text.removeprefix(start).removesuffix(end)) for text in (index, before))
    return start + json.dumps(found | {"indexentries": kept["indexentries"]}, sort_keys=True) + end


def skeleton(name: str, page: bytes) -> bytes:
    """The part of a page that others may depend on; where only the rest has changed, the page can be rendered alone.

    Of a text: headings, labels, links, roles, directives. Of a notebook: its code cells with all outputs, too.
    """
    if name.endswith(".ipynb"):
        notebook = json.loads(page)
        parts = [
            _structure("".join(c["source"])) if c["cell_type"] == "markdown" else c for c in notebook["cells"]
        ]
        # A boundary between two texts is a boundary between paragraphs, and nothing more.
        parts = [part for part in parts if part]
        return json.dumps([parts, notebook["metadata"]], sort_keys=True).encode()
    return json.dumps(_structure(page.decode())).encode() if name.endswith(".md") else page


def _structure(text: str) -> list[str]:
    return [text] if text.startswith("---") else [found[0] for found in STRUCTURE.finditer(text)]


def _jupyter_book(source: Path, config: Path, toc: Path, output: Path) -> None:
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(source)]
    command += ["--config", str(config), "--toc", str(toc), "--path-output", str(output)]
    command += ["-W", "--keep-going", "-q"]
    environment = {**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf8", env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"jupyter-book could not build {source}:\n{done.stderr}\n{done.stdout}".rstrip())


def _check_whole(site: Path, toc: Path) -> None:
    """Every page of ``_toc.yml`` must be in the site before anything says that it is whole."""
    missing = [page for page in contents(toc.parent) if not (site / f"{page}.html").is_file()]
    if missing:
        raise RuntimeError(
            f"jupyter-book left out {', '.join(missing)} and did not say why; the old site is kept"
        )


def tidy(site: Path) -> None:
    """Make the redirect at the top a page of its own, and drop what depends on the order of rendering.

    So equal inputs give equal pages.
    """
    for path in site.rglob("*.html"):
        page = path.read_bytes()
        if (lean := CHECKSUM.sub(rb"\1", page)) != page:
            path.write_bytes(lean)
    index = site / "index.html"
    first = re.search(r"url=([^\"]+)", index.read_text(encoding="utf8"))
    if first is None:
        raise RuntimeError(f"{index}: expected jupyter-book's redirect to the first page, got something else")
    index.write_text(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Adversarial training, played as '
        f'games</title>\n<meta http-equiv="refresh" content="0; url={first[1]}">\n</head>\n'
        f'<body><main><h1><a href="{first[1]}">Adversarial training, played as games</a></h1></main></body>\n</html>\n',
        encoding="utf8",
    )
