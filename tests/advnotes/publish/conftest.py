"""A book in a temporary folder: a table of contents, profiles, and notebooks that take no time."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from advnotes.publish.chapters import BUILD

REPOSITORY = Path(__file__).resolve().parents[3]


def cell(kind: str, source: str, name: str, *tags: str) -> dict[str, Any]:
    code = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "id": name, "metadata": {"tags": list(tags)}, "source": source, **code}


class Book:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "book" / "profiles").mkdir(parents=True)
        (root / "book" / "intro.md").write_text("# Introduction\n")
        (root / "constraints.txt").write_text("torch==0\n")
        for name in ("conftest.py", "pyproject.toml"):  # what pytest reads when it runs in the clone
            shutil.copy(REPOSITORY / name, root)
        self.names: list[str] = []

    def add(self, name: str, *sources: str, parameters: str = 'profile = "laptop"\nsize = 3') -> Path:
        """A chapter: title, parameters cell, then these code cells."""
        cells = [cell("markdown", f"# Title of {name}", "title"), cell("code", parameters, "p", "parameters")]
        cells += [cell("code", source, f"c{i}") for i, source in enumerate(sources)]
        kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
        notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        path = self.root / "book" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notebook))
        if name not in self.names:
            self.names.append(name)
        pages = "".join(f"      - file: book/{name}\n" for name in self.names)
        toc = f"format: jb-book\nroot: book/intro\nparts:\n  - caption: Part\n    chapters:\n{pages}"
        (self.root / "_toc.yml").write_text(toc)
        return path

    def profile(self, name: str, text: str) -> None:
        (self.root / "book" / "profiles" / f"{name}.yml").write_text(text)

    def made(self) -> list[str]:
        """Every file under _build, but for what a lock leaves."""
        files = [path for path in (self.root / "_build").rglob("*") if path.is_file()]
        made = [path.relative_to(self.root / "_build").as_posix() for path in files]
        return sorted(name for name in made if not name.split("/")[-1].startswith(".lock"))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command line, as a user starts it."""
        return subprocess.Popen(
            [sys.executable, "-m", "advnotes.publish.cli", *arguments],
            cwd=self.root,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


@pytest.fixture
def package(book: Book, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package ``advnotes`` of the book's own, lazy, which kernels load instead of ours."""
    folder = book.root / "advnotes"
    shutil.copytree(REPOSITORY / "advnotes" / "publish", folder / "publish")
    lazy = "import lazy_loader\n__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)\n"
    (folder / "__init__.py").write_text(lazy)
    (folder / "__init__.pyi").write_text("from .used import value\nfrom .unused import other\n")
    (folder / "used.py").write_text("value = 1\n")
    (folder / "unused.py").write_text("other = 1\n")
    monkeypatch.setenv("PYTHONPATH", str(book.root))
    monkeypatch.setattr("advnotes.publish.staleness.plan.installed_package", lambda: folder)
    return folder


@pytest.fixture(autouse=True)
def usual_folder() -> Iterator[None]:
    """The command line sets the folder that everything goes to; afterwards it is ``_build`` again."""
    yield
    BUILD.set(None)


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def gone() -> Callable[[int], bool]:
    def is_gone(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return is_gone
