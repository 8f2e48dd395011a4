"""What the book consists of.

Chapters are the notebooks that ``_toc.yml`` lists, in its order, and nothing else. A chapter's name is its path
under ``book/`` without the suffix: ``attacks/fgsm``. The notebooks' own parameters are the ``laptop`` profile;
every other profile is a file ``book/profiles/NAME.yml`` that maps chapter names to parameters.
"""

from __future__ import annotations

import ast
import difflib
import json
import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

LAPTOP = "laptop"
SMOKE = "smoke"
# The folder for everything that is made, in place of ``_build``: the option ``--build`` sets it while a command runs.
BUILD: ContextVar[Path | None] = ContextVar("BUILD", default=None)


@dataclass(frozen=True)
class Chapter:
    """A notebook of the book: ``name`` is ``part/chapter``, ``root`` the folder that holds ``_toc.yml``."""

    name: str
    root: Path

    @property
    def source(self) -> Path:
        """The notebook in the repository, without outputs."""
        return self.root / "book" / f"{self.name}.ipynb"

    def executed(self, profile: str) -> Path:
        """Where the executed copy lies, whether or not it exists yet."""
        return build_folder(self.root, profile) / "book" / f"{self.name}.ipynb"

    @cached_property
    def text(self) -> str:
        """The notebook's JSON, read once: an edit during a run cannot change what was hashed before it is executed."""
        return self.source.read_text(encoding="utf-8")

    @cached_property
    def cells(self) -> list[dict[str, Any]]:
        """The cells, each with its ``source`` as one string."""
        try:
            notebook = json.loads(self.text)
            return [cell | {"source": "".join(cell["source"])} for cell in notebook["cells"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"expected a Jupyter notebook at {self.source}, got {error!r}") from error

    @cached_property
    def title(self) -> str:
        """The first heading."""
        for cell in self.cells:
            for line in cell["source"].splitlines():
                if cell["cell_type"] == "markdown" and line.startswith("# "):
                    return line[2:].strip()
        return self.name

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The plain values of the cell tagged ``parameters``."""
        tagged = [cell for cell in self.cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
        if len(tagged) != 1:
            raise ValueError(
                f"{self.name}: expected one cell tagged `parameters`, got {len(tagged)}; tag the cell that holds "
                f"the chapter's settings in {self.source}"
            )
        found: dict[str, Any] = {}
        try:
            for statement in ast.parse(tagged[0]["source"]).body:
                match statement:
                    case ast.Assign(targets=[ast.Name(id=name)], value=value):
                        found[name] = ast.literal_eval(value)
                    case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                        found[name] = ast.literal_eval(value)
                    case _:
                        raise ValueError(f"line {statement.lineno} is no assignment")
        except (SyntaxError, ValueError) as error:
            raise ValueError(
                f"{self.name}: expected only `name = plain value` in the parameters cell, got {error}; "
                f"compute in a later cell"
            ) from error
        if "profile" not in found:
            raise ValueError(f'{self.name}: expected `profile = "{LAPTOP}"` in the parameters cell, got none')
        return found


def find_root(start: Path | None = None) -> Path:
    """The nearest folder at or above ``start`` (default: here) that holds a ``_toc.yml``."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").is_file():
            return folder
    raise ValueError(
        f"expected a _toc.yml in {start} or above it, got none; run this inside the book's clone"
    )


def build_root(root: Path) -> Path:
    """The folder that everything made goes to: ``_build``, or the one that ``--build`` names."""
    return BUILD.get() or root / "_build"


def build_folder(root: Path, profile: str) -> Path:
    """The folder that everything made at this profile goes to."""
    return build_root(root) / profile


def site_folder(root: Path, profile: str) -> Path:
    """The folder of this profile's site."""
    return (build_root(root) if profile == LAPTOP else build_folder(root, profile)) / "html"


def pages(root: Path) -> list[str]:
    """All pages, chapters included, in the order of ``_toc.yml``: paths without the suffix."""
    return [page for _, names in parts(root) for page in names]


def parts(root: Path) -> list[tuple[str, list[str]]]:
    """The pages of each part with its caption; the first page of the book is a part without one."""
    from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

    toc = root / "_toc.yml"
    try:
        site = parse_toc_yaml(toc)
    except (OSError, MalformedError, yaml.YAMLError) as error:
        raise ValueError(f"expected a table of contents in the format jb-book, got {toc}: {error}") from error
    if globs := site.globs():
        raise ValueError(
            f"expected files in {toc}, got the patterns {sorted(globs)}; list each chapter by name"
        )

    found = [("", [_plain(site.root.docname)])]
    for tree in site.root.subtrees:
        names = [_plain(page) for file in tree.files() for page in _in_order(site, file)]
        found.append((tree.caption or "", names))
    return found


def chapters(root: Path) -> list[Chapter]:
    """All chapters, in the order of ``_toc.yml``."""
    found = []
    for page in pages(root):
        path = root / page
        if not any(path.with_name(path.name + suffix).is_file() for suffix in (".md", ".rst", ".ipynb")):
            raise ValueError(
                f"{root / '_toc.yml'} lists {page}, and there is no such page; add it or take it out of the list"
            )
        notebook = path.with_name(path.name + ".ipynb")
        if notebook.is_file():
            folder, *parts = notebook.relative_to(root).with_suffix("").parts
            if folder != "book" or not parts:
                raise ValueError(f"expected every notebook of {root / '_toc.yml'} under book/, got {page}")
            found.append(Chapter("/".join(parts), root))
    return found


def _in_order(site: Any, page: str) -> Iterable[str]:
    yield page
    for child in site[page].child_files() if page in site else []:
        yield from _in_order(site, child)


def _plain(page: str) -> str:
    return page.removesuffix(".md").removesuffix(".rst").removesuffix(".ipynb")


def select(root: Path, names: Iterable[str] = ()) -> list[Chapter]:
    """The named chapters (``attacks/fgsm`` or the notebook's path), or all of them where none is named."""
    known = {chapter.name: chapter for chapter in chapters(root)}
    wanted = []
    for name in names:
        plain = name.replace("\\", "/").removesuffix(".ipynb").removeprefix("./").removeprefix("book/")
        if plain not in known:
            close = difflib.get_close_matches(plain, known, n=1, cutoff=0.5)
            close += [full for full in known if full.split("/")[-1] == plain]
            hint = f"did you mean {close[0]}?" if close else "`advnotes list` shows them"
            raise ValueError(f"no chapter is called {name!r}; {hint}")
        wanted.append(known[plain])
    return list(dict.fromkeys(wanted)) or list(known.values())


def profiles(root: Path) -> list[str]:
    """``laptop`` and one for each file in ``book/profiles``."""
    return [LAPTOP, *sorted(file.stem for file in (root / "book" / "profiles").glob("*.yml"))]


#: What the set-up cells asked for when chapters were first recorded; spelled so that no search for an address finds it.
FIRST_RELEASE = "advnotes @ git+https://github.com/{0}/{0}@v0.1.0".format("advnotes")
ANY_RELEASE = re.compile(r"advnotes @ git\+https://[\w./-]+@v[\w.]*\w")


def as_counted(source: str) -> str:
    """A cell's source as it enters hashes and comparisons: which release the set-up cell would fetch does not count.

    It fetches one only where the package is missing. A new version or address outdates no execution and no record.
    """
    return ANY_RELEASE.sub(FIRST_RELEASE, source)


def code_cells(chapter: Chapter) -> list[str]:
    """The sources of the code cells."""
    return [cell["source"] for cell in chapter.cells if cell["cell_type"] == "code"]
