"""What a stranger gets from a wheel: built through an sdist, installed elsewhere, and used from there."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]

ATTACK = """
import advnotes
from advnotes import Linf, PGD, data, robust_accuracy, zoo
x, y = data.mnist("test", size=200)
model = zoo.mnist_natural()
attack = PGD(Linf(0.3), steps=5)
print(advnotes.__file__, float(robust_accuracy(model, attack, x, y)), sep="\\n")
"""


def run(*command: str | Path, **settings: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A copy, so that neither what lies about in the clone gets in nor what is built stays there.
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, source)
    for name in ("advnotes", "tests", "book", "tools"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", source / "dist", source)
    (built,) = (source / "dist").glob("*.whl")
    return built


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    suffixes = {".py", ".pyi", ".bib", ".xml", ".npz", ".json", ".safetensors", ".typed", ".html", ".css"}
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "advnotes").rglob("*")
        if path.suffix in suffixes or path.name == "py.typed"
    }
    assert {"advnotes/py.typed", "advnotes/__init__.pyi", "advnotes/data/mnist.npz"} <= package
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    info = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert names - info == package
    assert {"LICENSE", "LICENSE-text", "entry_points.txt"} <= {Path(name).name for name in info}
    assert wheel.stat().st_size < 18e6


def test_the_installed_wheel_attacks_a_network_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel)
    output = run(
        sys.executable,
        "-W",
        "error",
        "-c",
        ATTACK,
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
    )
    where, robust = output.split()
    assert Path(where).parent == site / "advnotes"
    assert float(robust) < 0.1


# The set-up cell of a chapter, in an environment of stand-ins: empty wheels with the names of what advnotes asks for.

RUN_CELL = """
import importlib.metadata, json, os, subprocess, sys
{loaded}
{cell}
print(json.dumps({{d.name: d.version for d in importlib.metadata.distributions()}}))
"""
NEWEST = {"torch": "2.13.0", "numpy": "2.2.6", "scikit-learn": "1.7.2"}
COLABS = {"torch": "2.5.1", "numpy": "1.26.4", "lazy-loader": "0.4"}


def set_up_cell() -> str:
    notebook = json.loads((ROOT / "book" / "attacks" / "fgsm.ipynb").read_text(encoding="utf-8"))
    return "".join(next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")["source"])


def stand_in(folder: Path, name: str, version: str) -> None:
    """An empty wheel."""
    plain = name.replace("-", "_")
    files = {
        f"{plain}.py": "",
        f"{plain}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{plain}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{plain}-{version}.dist-info/RECORD"
    files[record] = "".join(f"{file},,\n" for file in [*files, record])
    with zipfile.ZipFile(folder / f"{plain}-{version}-py3-none-any.whl", "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in (Requirement(line).name for line in project["dependencies"]):
        stand_in(folder, name, NEWEST.get(name, "99.0"))
    for name, version in COLABS.items():
        stand_in(folder, name, version)
    return folder


def after_the_cell(home: Path, wheel: Path, wheels: Path, installed: dict[str, str]) -> dict[str, str]:
    """The versions in a new environment after the cell, in a process that has loaded what was installed before."""
    venv.create(home, with_pip=False)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-q",
        "--no-index",
        "-f",
        str(wheels),
    ]
    if installed:
        run(*pip, *(f"{name}=={version}" for name, version in installed.items()))
    # %pip, and the released package, as they are where there is no notebook and no network.
    cell, magics = re.subn(
        r"^( *)%pip install -q \"advnotes @ git\+https://\S+@v[\d.]+\"$",
        lambda found: f"{found[1]}subprocess.run({[*pip, str(wheel)]!r}, check=True)",
        set_up_cell(),
        flags=re.MULTILINE,
    )
    assert magics == 1
    loaded = "".join(f"import {name.replace('-', '_')}\n" for name in installed)
    output = run(python, "-c", RUN_CELL.format(loaded=loaded, cell=cell), cwd=home)
    found: dict[str, str] = json.loads(output.splitlines()[-1])
    return found


def test_the_set_up_cell_keeps_torch_and_numpy_that_are_there(
    wheel: Path, wheels: Path, tmp_path: Path
) -> None:
    after = after_the_cell(tmp_path / "colab", wheel, wheels, COLABS)
    assert {name: after[name] for name in ("torch", "numpy")} == {
        name: COLABS[name] for name in ("torch", "numpy")
    }
    assert after["advnotes"]
    assert after["scikit-learn"] == NEWEST["scikit-learn"]
    assert after["lazy-loader"] == "99.0"  # the old one does not do


def test_the_set_up_cell_brings_everything_where_there_is_nothing(
    wheel: Path, wheels: Path, tmp_path: Path
) -> None:
    after = after_the_cell(tmp_path / "bare", wheel, wheels, {})
    assert after.items() >= NEWEST.items()
    assert after["advnotes"]


def test_the_set_up_cell_does_nothing_where_the_package_is() -> None:
    cell, magics = re.subn(r"%pip.*", 'raise AssertionError("it installs")', set_up_cell())
    assert magics == 1
    exec(cell, {})
