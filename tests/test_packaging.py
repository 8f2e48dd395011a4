"""What a stranger gets from a wheel: built through an sdist, installed elsewhere, and used from there."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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
    assert wheel.stat().st_size < 15e6


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
