"""Make advnotes/data/vowels.npz and vowels.json, the Japanese vowels, from the files in a wheel of aeon.

    python tools/make_vowels.py                  fetches the wheel with `pip download`
    python tools/make_vowels.py --wheel FILE     takes it from the disk

The SHA-256 of each file is checked, and the same input gives the same bytes. The wheel is a zip that is read and not
installed.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from make_mnist import pack

PACKAGE = "aeon==1.6.0"
FOLDER = Path(__file__).resolve().parents[1] / "advnotes" / "data"
INPUTS = {
    "JapaneseVowels_TRAIN.ts": "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
    "JapaneseVowels_TEST.ts": "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
}
UNIT = 1e-4  # of the stored whole numbers; the files have six decimal places
CARD = {
    "name": "Japanese vowels: nine men say /ae/",
    "authors": "Mineichi Kudo, Jun Toyama and Masaru Shimbo",
    "source": "https://doi.org/10.24432/C5NS47 (UCI Machine Learning Repository, 1999)",
    "taken from": f"the PyPI wheel {PACKAGE}, aeon/datasets/data/JapaneseVowels/",
    "licence": "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)",
    "changes": "rounded to four decimal places; the order is the original",
    "arrays": "steps: int16 [steps of all utterances, 12 LPC cepstrum coefficients], in units of 0.0001; lengths: "
    "uint8, the steps of each utterance; speakers: uint8, from 0 on; the first 270 utterances are the training file",
    "made by": "tools/make_vowels.py",
    "inputs, sha256": INPUTS,
}


def fetch(folder: Path) -> Path:
    """The wheel, put into ``folder`` by pip."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder),
        PACKAGE,
    ]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def utterances(wheel: Path) -> list[tuple[list[list[float]], int]]:
    """Channels and speaker of every utterance, the training file's first, each file's content checked."""
    found = []
    with zipfile.ZipFile(wheel) as files:
        for name, expected in INPUTS.items():
            content = files.read(f"aeon/datasets/data/JapaneseVowels/{name}")
            digest = hashlib.sha256(content).hexdigest()
            if digest != expected:
                raise SystemExit(
                    f"{wheel}: {name} has the SHA-256 {digest}, expected {expected}; fetch it again"
                )
            for line in content.decode("ascii").split("@data", 1)[1].split():
                *channels, speaker = line.split(":")
                found.append(([list(map(float, channel.split(","))) for channel in channels], int(speaker)))
    return found


def make(wheel: Path, out: Path) -> None:
    """Write ``vowels.npz`` and ``vowels.json`` into the folder ``out``."""
    read = utterances(wheel)
    steps = [np.rint(np.array(channels).T / UNIT).astype(np.int16) for channels, _ in read]
    bundle = pack(
        {
            "steps": np.concatenate(steps),
            "lengths": np.array([len(each) for each in steps], dtype=np.uint8),
            "speakers": np.array([speaker - 1 for _, speaker in read], dtype=np.uint8),
        }
    )
    card = CARD | {"vowels.npz": {"bytes": len(bundle), "sha256": hashlib.sha256(bundle).hexdigest()}}
    files = {"vowels.npz": bundle, "vowels.json": (json.dumps(card, indent=2) + "\n").encode()}
    for name, content in files.items():
        (out / f"{name}.part").write_bytes(content)
    for name in files:
        (out / f"{name}.part").replace(out / name)
    print(f"{out / 'vowels.npz'}: {len(bundle):,} bytes, {len(steps)} utterances")


def main() -> None:
    """Read the command line, then make the bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheel", type=Path, help="the PyPI package's .whl")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.wheel is not None:
        make(arguments.wheel, arguments.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        make(fetch(Path(folder)), arguments.out)


if __name__ == "__main__":
    main()
