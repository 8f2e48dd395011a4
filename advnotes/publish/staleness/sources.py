"""The package's files and the installed versions as they are now, to compare a record of an execution with."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from advnotes.publish.files import read_with_unix_line_ends

CODE = {".py", ".pyi", ".pyc", ".pyo"}


class Sources:
    """The files of one package folder, each read once: later changes are not seen.

    A file's name is its path in the folder, such as ``loop/play.py``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._read: dict[str, bytes | None] = {}
        self._hashes: dict[str, str] = {}

    def _bytes(self, name: str) -> bytes | None:
        if name not in self._read:
            try:
                self._read[name] = read_with_unix_line_ends(self.folder / name)
            except OSError:
                self._read[name] = None
        return self._read[name]

    def hash(self, name: str) -> str:
        """Hash of a file: of its syntax without docstrings for a module, else of its bytes; "" where there is none."""
        if name not in self._hashes:
            content = self._bytes(name)
            if content is not None and name.endswith(".py"):
                content = bare(content)
            self._hashes[name] = "" if content is None else digest(content)
            if not name.endswith(".pyi"):  # stubs are parsed later; weights need not stay in memory
                self._read.pop(name, None)
        return self._hashes[name]

    def files(self) -> list[str]:
        """Every file of the package, in order."""
        found = (
            path for path in self.folder.rglob("*") if path.is_file() and path.suffix not in {".pyc", ".pyo"}
        )
        return sorted(path.relative_to(self.folder).as_posix() for path in found)

    def modules(self) -> list[str]:
        """Every module of the package."""
        return [name for name in self.files() if name.endswith(".py")]

    def data(self) -> list[str]:
        """Every file that is neither a module nor a stub."""
        return [name for name in self.files() if Path(name).suffix not in CODE]

    def all(self) -> str:
        """One hash of the whole package. After this, no later change of a file is seen."""
        return digest({name: self.hash(name) for name in self.files()})

    def public(self, modules: Iterable[str]) -> dict[str, dict[str, str]]:
        """For each lazily loading package among the modules: its names that one of the modules defines, and where.

        A name that is loaded from elsewhere was not used; neither was one that is added later.
        """
        modules = set(modules)
        found = {}
        for name in sorted(modules):
            if name.rpartition("/")[2] == "__init__.py":
                stub = f"{name}i"
                kept = {
                    public: place
                    for public, place in self._stub(stub).items()
                    if self._leads(stub, place) & modules
                }
                if kept:
                    found[stub] = kept
        return found

    def _stub(self, name: str) -> dict[str, str]:
        """Public names of ``__init__.pyi``, each with the place that it is loaded from: ``PGD`` -> ``attacks.PGD``."""
        content = self._bytes(name)
        try:
            tree = ast.parse(content or b"")
        except SyntaxError:
            return {}
        return {
            alias.asname or alias.name: ".".join(filter(None, [node.module, alias.name]))
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    @staticmethod
    def _leads(stub: str, place: str) -> set[str]:
        """Files that a name of a stub may be loaded from."""
        first = stub.rpartition("/")[0]
        path = "/".join(filter(None, [first, place.partition(".")[0]]))
        return {f"{path}.py", f"{path}/__init__.py"}


@cache  # a command asks for the same modules once for each chapter
def bare(source: bytes) -> bytes:
    """A module's syntax without comments, docstrings and layout; the source itself where it does not parse."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source
    for node in ast.walk(tree):
        body = vars(node).get("body")
        if isinstance(body, list):
            node.body = [inner for inner in body if not _is_text(inner)]  # type: ignore[attr-defined]
    return ast.dump(tree).encode("utf-8", errors="surrogatepass")


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def digest(value: Any) -> str:
    """A hash of bytes, or of anything that JSON knows."""
    data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()[:32]


@cache
def installed(distribution: str) -> str:
    """The version of a distribution (or of ``Python``) that a kernel started from here would load, or "none"."""
    if distribution == "Python":
        return platform.python_version()
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "none"


def versions() -> str:
    """The Python that runs and the torch that is really installed."""
    return f"Python {installed('Python')}, torch {installed('torch')}"


def installed_package() -> Path:
    """The folder of the advnotes that a kernel started from here would import."""
    spec = importlib.util.find_spec("advnotes")
    assert spec is not None  # this module is part of it
    assert spec.origin is not None
    return Path(spec.origin).parent
