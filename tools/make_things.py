"""Make advnotes/data/things.npz and things.json: small pictures of things, and photographs to put them on.

    python tools/make_things.py                                  fetches the inputs (npm and pip needed)
    python tools/make_things.py --emoji FOLDER --photos FOLDER   takes them from unpacked packages

The SHA-256 of each photograph and of the emoji taken together is checked; the same inputs give the same bytes (with
the same Pillow and liblzma).
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from make_mnist import pack
from numpy.typing import NDArray
from PIL import Image

EMOJI, PHOTOS = "emoji-datasource-google@16.0.0", "scikit-image==0.25.2"
FOLDER = Path(__file__).resolve().parents[1] / "advnotes" / "data"
CATEGORIES = ("Animals & Nature", "Food & Drink", "Travel & Places", "Objects", "Activities")
EVERY = 5  # of these categories; and those that the book names:
NAMED = ("strawberry", "clock10", "hourglass", "banana")
SIDE = 256
EMOJI_SHA256 = "dc071253aa6bd0cf7b5abaec6086ca5ef16be1bf6efa1304649b39cf46be06c7"
PHOTOGRAPHS = {
    "astronaut.png": (
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        "NASA, Eileen Collins; public domain",
    ),
    "chelsea.png": (
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        "Stefan van der Walt; CC0",
    ),
    "coffee.png": (
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        "Rachel Michetti; CC0",
    ),
    "rocket.jpg": (
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        "SpaceX; public domain",
    ),
}
CARD = {
    "name": "things: emoji, and photographs to put them on",
    "emoji": f"Noto Emoji of Google, from the npm package {EMOJI}, img/google/64",
    "emoji, licence": "Apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0)",
    "photographs": f"from skimage.data in the Python package {PHOTOS}",
    "photographs, licences": {name: licence for name, (_, licence) in PHOTOGRAPHS.items()},
    "changes": "every fifth emoji of five categories and those that the book names, uint8 [n, 64, 64, 4]; photographs "
    f"cut to the square in their middle and resized to {SIDE} pixels, uint8 [n, {SIDE}, {SIDE}, 3]",
    "made by": "tools/make_things.py",
}


def fetch(folder: Path) -> tuple[Path, Path]:
    """Get both packages and unpack what is needed."""
    packed = subprocess.run(["npm", "pack", EMOJI], cwd=folder, check=True, capture_output=True, text=True)
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        wanted = [m for m in archive if m.name.startswith(("package/img/google/64/", "package/emoji.json"))]
        archive.extractall(folder, wanted, filter="data")
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", PHOTOS]
    subprocess.run(download, cwd=folder, check=True)
    with zipfile.ZipFile(next(folder.glob("scikit_image-*.whl"))) as archive:
        for name in PHOTOGRAPHS:
            archive.extract(f"skimage/data/{name}", folder)
    return folder / "package", folder / "skimage" / "data"


def check(name: str, content: bytes, expected: str) -> None:
    """Refuse an input that is not the one that the bundle is made of."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise SystemExit(f"{name}: SHA-256 is {found}, expected {expected}; fetch it again")


def emoji(folder: Path) -> tuple[list[str], NDArray[np.uint8]]:
    """The names and pictures of the chosen emoji."""
    listed = json.loads((folder / "emoji.json").read_text(encoding="utf-8"))
    listed = [e for e in listed if e["category"] in CATEGORIES and e["has_img_google"]]
    listed.sort(key=lambda e: e["sort_order"])
    chosen = [e for place, e in enumerate(listed) if place % EVERY == 0 or e["short_name"] in NAMED]
    files = [folder / "img" / "google" / "64" / e["image"] for e in chosen]
    check("emoji", b"".join(file.read_bytes() for file in files), EMOJI_SHA256)
    return [e["short_name"] for e in chosen], np.stack(
        [np.array(Image.open(f).convert("RGBA")) for f in files]
    )


def photographs(folder: Path) -> NDArray[np.uint8]:
    """The middle square of each photograph, resized."""
    squares = []
    for name, (expected, _) in PHOTOGRAPHS.items():
        check(name, (folder / name).read_bytes(), expected)
        picture = Image.open(folder / name).convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side))
        squares.append(np.array(square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)))
    return np.stack(squares)


def make(emoji_folder: Path, photos_folder: Path, out: Path) -> None:
    """Write ``things.npz`` and ``things.json`` into the folder ``out``."""
    names, pictures = emoji(emoji_folder)
    bundle = pack({"emoji": pictures, "photographs": photographs(photos_folder)})
    card = CARD | {
        "emoji, names": names,
        "photographs, names": [Path(name).stem for name in PHOTOGRAPHS],
        "inputs, sha256": {"emoji": EMOJI_SHA256} | {name: sha for name, (sha, _) in PHOTOGRAPHS.items()},
        "things.npz": {"bytes": len(bundle), "sha256": hashlib.sha256(bundle).hexdigest()},
    }
    for name, content in {
        "things.npz": bundle,
        "things.json": (json.dumps(card, indent=2) + "\n").encode(),
    }.items():
        (out / f"{name}.part").write_bytes(content)
        (out / f"{name}.part").replace(out / name)
    print(f"{out / 'things.npz'}: {len(bundle):,} bytes, {len(names)} emoji")


def main() -> None:
    """Read the command line, then make the bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--emoji", type=Path, help="the npm package's folder, unpacked")
    parser.add_argument("--photos", type=Path, help="the folder skimage/data of the Python package")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.emoji and arguments.photos:
        make(arguments.emoji, arguments.photos, arguments.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        make(*fetch(Path(folder)), arguments.out)


if __name__ == "__main__":
    main()
