"""What the book consists of, and what each chapter's execution depends on.

Chapters are the notebooks that ``_toc.yml`` lists, in its order, and nothing else. A chapter's name is its path
under ``book/`` without the suffix: ``attacks/fgsm``. The notebooks' own parameters are the ``laptop`` profile;
every other profile is a file ``book/profiles/NAME.yml`` that maps chapter names to parameters.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib.util
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from advnotes.publish.imports import Package, notebook_modules

LAPTOP = "laptop"
# Part of every fingerprint: raise it when the executed copies are made in another way than before.
FORMAT = 1


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
        return build(self.root, profile) / "book" / f"{self.name}.ipynb"

    @cached_property
    def text(self) -> str:
        """The notebook's JSON, read once: what is executed is what was fingerprinted, whatever is edited since."""
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


def build(root: Path, profile: str) -> Path:
    """The folder that everything made at this profile goes to."""
    return root / "_build" / profile


def pages(root: Path) -> list[str]:
    """All pages, chapters included, in the order of ``_toc.yml``: paths without the suffix."""
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

    return [
        page.removesuffix(".md").removesuffix(".rst").removesuffix(".ipynb")
        for page in _in_order(site, site.root.docname)
    ]


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


def parameters(chapter: Chapter, profile: str) -> dict[str, Any]:
    """What is injected into the chapter at this profile: nothing for ``laptop``."""
    return all_parameters([chapter], profile)[chapter.name]


def all_parameters(wanted: Iterable[Chapter], profile: str) -> dict[str, dict[str, Any]]:
    """What is injected into each chapter, all of it checked.

    Raises ``ValueError`` for an unknown profile, for a chapter of the profile that the book does not have, and
    for a parameter that the chapter's ``parameters`` cell does not have or has with another type.
    """
    wanted = list(wanted)
    if not wanted:
        return {}
    root = wanted[0].root
    if profile not in profiles(root):
        raise ValueError(f"no profile is called {profile!r}; there are {', '.join(profiles(root))}")
    if profile == LAPTOP:
        return {chapter.name: {} for chapter in wanted if chapter.defaults is not None}
    file = root / "book" / "profiles" / f"{profile}.yml"
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"expected YAML in {file}, got {error}") from error
    if not isinstance(settings, dict):
        raise ValueError(
            f"expected chapter names with their parameters in {file}, got {type(settings).__name__}"
        )
    known = {chapter.name for chapter in chapters(root)}
    if strange := sorted(set(settings) - known):
        raise ValueError(f"{file} has parameters for {', '.join(strange)}, and _toc.yml no such chapter")
    for chapter in wanted:
        _check(chapter, settings.get(chapter.name) or {}, file)
    return {chapter.name: {"profile": profile} | (settings.get(chapter.name) or {}) for chapter in wanted}


def _check(chapter: Chapter, given: Any, file: Path) -> None:
    if not isinstance(given, dict):
        raise ValueError(f"{file}: expected names and values under {chapter.name}, got {given!r}")
    for name, value in given.items():
        if name == "profile":
            raise ValueError(f"{file}: {chapter.name} sets `profile`; leave it out, the runner sets it")
        if name not in chapter.defaults:
            raise ValueError(
                f"{file}: {chapter.name} has no parameter {name!r}; its parameters cell has "
                f"{', '.join(chapter.defaults)}"
            )
        default = chapter.defaults[name]
        numbers = isinstance(default, float) and type(value) is int
        if default is not None and value is not None and type(value) is not type(default) and not numbers:
            raise ValueError(
                f"{file}: {chapter.name}: expected {name} of type {type(default).__name__} as in the parameters "
                f"cell, got {value!r}"
            )


@dataclass(frozen=True)
class Fingerprint:
    """Hashes of the four things that an execution depends on."""

    notebook: str
    parameters: str
    pins: str
    modules: str

    def changed(self, before: dict[str, str]) -> list[str]:
        """Names of the parts that differ from an earlier execution's."""
        return [part for part, value in asdict(self).items() if before.get(part) != value]


def _hash(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()[:32]


def versions() -> str:
    """The Python that runs and the torch that is really installed."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "none"
    return f"Python {platform.python_version()}, torch {torch}"


def pins(root: Path) -> str:
    """Hash of ``constraints.txt`` and `versions`."""
    file = root / "constraints.txt"
    return _hash([FORMAT, file.read_text("utf-8") if file.is_file() else "", versions()])


def installed_package() -> Package:
    """The advnotes that a kernel started from here would import."""
    spec = importlib.util.find_spec("advnotes")
    assert spec is not None  # this module is part of it
    assert spec.origin is not None
    return Package(Path(spec.origin).parent)


def modules_hash(cells: Iterable[str], package: Package) -> str:
    """Hash of the package's files that a notebook with these code cells depends on."""
    files = package.files(notebook_modules(package, cells))
    return _hash({file.relative_to(package.folder).as_posix(): _hash(file.read_bytes()) for file in files})


def fingerprint(chapter: Chapter, injected: dict[str, Any], package: Package) -> Fingerprint:
    """What an execution of the chapter, with these parameters, depends on."""
    cells = [
        [cell.get("id"), cell["cell_type"], cell["source"], cell.get("metadata", {})]
        for cell in chapter.cells
    ]
    return Fingerprint(
        notebook=_hash(cells),
        parameters=_hash(injected),
        pins=pins(chapter.root),
        modules=modules_hash(code(chapter), package),
    )


def code(chapter: Chapter) -> list[str]:
    """The sources of the code cells."""
    return [cell["source"] for cell in chapter.cells if cell["cell_type"] == "code"]
