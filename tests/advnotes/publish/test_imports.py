import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advnotes.publish.chapters import installed_package
from advnotes.publish.imports import Package, notebook_modules

FILES = {
    "__init__.py": "import lazy_loader\n",
    "__init__.pyi": "from . import data\nfrom .attacks import PGD\nfrom .game import Game as Game\n",
    "game.py": "import torch\n\ndef play():\n    from pkg.seeds import start\n",
    "seeds.py": "",
    "losses.py": "",
    "unused.py": "from . import losses\n",
    "attacks/__init__.py": "from pkg.attacks.pgd import PGD\n",
    "attacks/pgd.py": "from ..losses import margin\n",
    "attacks/fgsm.py": "import pkg.losses as l\n",
    "data/__init__.py": "",
    "data/__init__.pyi": "from .toy import moons\nfrom .mnist import mnist\n",
    "data/toy.py": "",
    "data/mnist.py": "from importlib.resources import files\n",
    "data/mnist.npz": "numbers",
    "data/raw/labels.bin": "labels",
    "data/README.txt": "text",
}


def write(folder: Path, files: dict[str, str]) -> Package:
    for name, text in files.items():
        path = folder / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Package(folder / "pkg")


def short(modules: set[str]) -> str:
    return " ".join(sorted(module.removeprefix("pkg").removeprefix(".") for module in modules)).strip()


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import numpy", ""),
        ("import pkg", "|"),
        ("from pkg import Game", "|game seeds"),
        ("import pkg\npkg.Game()", "|game seeds"),
        ("import pkg as p\nx = p.Game.turns", "|game seeds"),
        ("from pkg import PGD", "|attacks attacks.pgd losses"),
        ("from pkg.attacks import fgsm", "|attacks attacks.fgsm attacks.pgd losses"),
        ("import pkg.attacks.fgsm", "|attacks attacks.fgsm attacks.pgd losses"),
        ("from pkg import data\ndata.moons(3)", "|data data.toy"),
        ("from pkg import data", "|data"),
        ("from pkg import data as d\nprint(d)", "|data data.mnist data.toy"),
        ("from pkg.data import *", "|data data.mnist data.toy"),
        ("import importlib\nimportlib.import_module('pkg.seeds')", "|seeds"),
        ("!{sys.executable} -m pkg.nothing\n%matplotlib inline\nfrom pkg import seeds", "|seeds"),
        ("from pkgs import Game\nfrom other.pkg import data", ""),
    ],
)
def test_only_what_the_code_names_and_what_that_imports(tmp_path: Path, code: str, modules: str) -> None:
    package = write(tmp_path, FILES)
    found = notebook_modules(package, [code])
    assert ("|" if "pkg" in found else "") + short(found) == modules


def test_a_name_bound_in_one_cell_is_followed_in_the_next(tmp_path: Path) -> None:
    package = write(tmp_path, FILES)
    assert "pkg.data.toy" in notebook_modules(package, ["from pkg import data", "x = data.moons()"])


def test_a_cell_that_does_not_parse_may_use_anything(tmp_path: Path) -> None:
    package = write(tmp_path, FILES)
    assert notebook_modules(package, ["def broken(:"]) == package.modules()
    assert "pkg.unused" in package.modules()


def test_data_beside_a_module_belongs_to_it(tmp_path: Path) -> None:
    package = write(tmp_path, FILES)
    files = package.files({"pkg.data.toy", "pkg.game"})
    names = {file.relative_to(package.folder).as_posix() for file in files}
    assert names == {"data/toy.py", "data/mnist.npz", "data/raw/labels.bin", "data/README.txt", "game.py"}


def test_a_folder_that_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="__init__"):
        Package(tmp_path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return (tmp_path_factory.mktemp("graph") for _ in iter(int, 1))


@settings(max_examples=25, deadline=None)
@given(edges=st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20), start=st.integers(0, 7))
def test_the_closure_is_what_can_be_reached(
    folders: Iterator[Path], edges: set[tuple[int, int]], start: int
) -> None:
    sources = {f"m{i}.py": "".join(f"from . import m{j}\n" for k, j in edges if k == i) for i in range(8)}
    package = write(next(folders), {"__init__.py": "", **sources})
    reached = {start}
    for _ in range(8):  # no path is longer
        reached |= {j for i, j in edges if i in reached}
    found = notebook_modules(package, [f"import pkg.m{start}"])
    assert found == {"pkg"} | {f"pkg.m{i}" for i in reached}


def test_everything_that_python_really_loads_is_found() -> None:
    """The oracle: import each public name, and look at what has been loaded by then."""
    code = """
import importlib, json, sys, advnotes
for name in advnotes.__all__:
    getattr(advnotes, name)
    print(json.dumps([name, [m for m in sys.modules if m == "advnotes" or m.startswith("advnotes.")]]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    package = installed_package()
    found: set[str] = set()
    lines = done.stdout.splitlines()
    assert lines
    for line in lines:
        name, loaded = json.loads(line)
        found |= notebook_modules(package, [f"from advnotes import {name}\n{name}"])
        assert set(loaded) <= found, name
