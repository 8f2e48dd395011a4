"""Make advnotes/data/portraits.npz and portraits.json: drawn people, each in six skin tones.

    python tools/make_portraits.py                  fetches the input (npm needed)
    python tools/make_portraits.py --emoji FOLDER   takes it from the unpacked package

The SHA-256 of the pictures taken together is checked; the same input gives the same bytes (with the same Pillow and
liblzma).
"""

import argparse
import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from make_mnist import pack
from PIL import Image

EMOJI = "emoji-datasource-google@16.0.0"
FOLDER = Path(__file__).resolve().parents[1] / "advnotes" / "data"
SIDE = 32
KINDS = ("person", "person-role", "person-gesture", "person-fantasy")
# No heads and shoulders seen from the front, or a face that is hidden.
OTHER = (
    *(
        "deaf",
        "pregnant",
        "feeding",
        "super",
        "fairy",
        "fairies",
        "mermaid",
        "merman",
        "merperson",
        "vampire",
    ),
    *(
        "guard",
        "ninja",
        "bow",
        "face_palm",
        "facepalming",
        "technologist",
        "factory",
        "ok_woman",
        "-ok",
        "-no",
    ),
    *("no_good", "tipping", "information_desk", "detective", "sleuth"),
)
INPUT_SHA256 = "dcca5980f50e988987fab93d4d0c5cca75429f62ab5c9a2a3d1b63a5dabe9704"
CARD = {
    "name": "portraits: drawn people, each in six skin tones",
    "taken from": f"Noto Emoji of Google, from the npm package {EMOJI}, img/google/64",
    "licence": "Apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0)",
    "changes": "the people of four kinds who are seen from the front with head and shoulders, put on white and shrunk"
    f" to {SIDE}x{SIDE}, uint8 [n, {SIDE}, {SIDE}, 3 x 6]: red, green and blue of the six skin tones, the first yellow",
    "made by": "tools/make_portraits.py",
}


def fetch(folder: Path) -> Path:
    """Get the package and unpack what is needed."""
    packed = subprocess.run(["npm", "pack", EMOJI], cwd=folder, check=True, capture_output=True, text=True)
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        wanted = [m for m in archive if m.name.startswith(("package/img/google/64/", "package/emoji.json"))]
        archive.extractall(folder, wanted, filter="data")
    return folder / "package"


def chosen(folder: Path) -> dict[str, list[Path]]:
    """The six files of each person, in the order of the standard."""
    listed = json.loads((folder / "emoji.json").read_text(encoding="utf-8"))
    people = {}
    for emoji in sorted(listed, key=lambda e: e["sort_order"]):
        name, tones = emoji["short_name"], emoji.get("skin_variations", {})
        if emoji["subcategory"] in KINDS and len(tones) == 5 and not any(part in name for part in OTHER):
            images = [emoji["image"], *(tone["image"] for tone in tones.values())]
            people[name] = [folder / "img" / "google" / "64" / image for image in images]
    return people


def small(file: Path) -> Image.Image:
    """The picture on white, at the side of the bundle."""
    drawn = Image.open(file).convert("RGBA")
    ground = Image.new("RGBA", drawn.size, "white")
    ground.alpha_composite(drawn)
    return ground.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)


def make(folder: Path, out: Path) -> None:
    """Write ``portraits.npz`` and ``portraits.json`` into the folder ``out``."""
    people = chosen(folder)
    content = b"".join(file.read_bytes() for files in people.values() for file in files)
    if (found := hashlib.sha256(content).hexdigest()) != INPUT_SHA256:
        raise SystemExit(f"emoji: SHA-256 is {found}, expected {INPUT_SHA256}; fetch them again")
    pictures = [
        np.concatenate([np.array(small(file)) for file in files], axis=2) for files in people.values()
    ]
    bundle = pack({"portraits": np.stack(pictures)})
    card = CARD | {
        "names": list(people),
        "inputs, sha256": INPUT_SHA256,
        "portraits.npz": {"bytes": len(bundle), "sha256": hashlib.sha256(bundle).hexdigest()},
    }
    for name, written in {
        "portraits.npz": bundle,
        "portraits.json": (json.dumps(card, indent=2) + "\n").encode(),
    }.items():
        (out / f"{name}.part").write_bytes(written)
        (out / f"{name}.part").replace(out / name)
    print(f"{out / 'portraits.npz'}: {len(bundle):,} bytes, {len(people)} people")


def main() -> None:
    """Read the command line, then make the bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--emoji", type=Path, help="the npm package's folder, unpacked")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.emoji:
        make(arguments.emoji, arguments.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        make(fetch(Path(folder)), arguments.out)


if __name__ == "__main__":
    main()
