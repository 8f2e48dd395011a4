"""Make advnotes/data/spoken.npz and spoken.json: the ten digits, said by a computer in ten voices.

    python tools/make_spoken.py        needs espeak-ng 1.51 (Debian: apt-get install espeak-ng) and SciPy

Nobody was recorded: every sound is computed by espeak-ng, so no person's voice is in the bundle. The SHA-256 of what
espeak-ng says, taken together, is checked; the same input gives the same bytes (with the same liblzma).
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from make_mnist import pack
from numpy.typing import NDArray
from scipy.signal import resample_poly

FOLDER = Path(__file__).resolve().parents[1] / "advnotes" / "data"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VOICES = {
    "train": ("m1", "m2", "m5", "m7", "f1", "f3", "f5"),
    "validation": ("Andy",),
    "test": ("m3", "f2"),
}
SPEEDS, PITCHES = (170, 220), (35, 65)  # words a minute; espeak-ng's own scale from 0 to 99
RATE, LONGEST = 8000, 4096  # samples a second, and in a sound
MU = 255
INPUT_SHA256 = "c4db4c7600ff07b5c4556918a28f436eaa0bd210e6d3f71e8c97996ca5f16b5e"
CARD = {
    "name": "spoken digits: zero to nine in English, by ten voices of a computer",
    "taken from": "espeak-ng 1.51 (Debian 12: 1.51+dfsg-10+deb12u2), voice en-us with the variants named below",
    "licence": "no person was recorded. espeak-ng is under the GPL, version 3 or later; sound is the output of that "
    "program and not a copy of it, and its authors claim nothing in it as far as we know. We ask for nothing more: "
    "CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/) for whatever right is ours",
    "changes": f"resampled from 22,050 to {RATE} Hz, silence cut at both ends, at most {LONGEST} samples, scaled to a "
    "largest amplitude of 0.9, coded as mu-law with 8 bits",
    "arrays": "sounds: uint8, all sounds one after the other; lengths: uint16; digits, voices (places in the list "
    "below), speeds (words a minute), pitches (0 to 99): uint8",
    "made by": "tools/make_spoken.py",
    "rate": RATE,
    "splits": VOICES,
}


def say(program: str, word: str, voice: str, speed: int, pitch: int, file: Path) -> NDArray[np.float64]:
    """What espeak-ng says, at 22,050 Hz."""
    command = [program, "-v", f"en-us+{voice}", "-s", str(speed), "-p", str(pitch), "-w", str(file), word]
    subprocess.run(command, check=True)
    with wave.open(str(file)) as sound:
        if (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) != (22050, 2, 1):
            raise SystemExit(f"expected 16 bits, one channel and 22,050 Hz of {program}")
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32768.0


def mu_law(sound: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values in [-1, 1] as 8 bits, finer near 0."""
    coded = np.sign(sound) * np.log1p(MU * np.abs(sound)) / np.log1p(MU)
    return np.round((coded + 1) / 2 * MU).astype(np.uint8)


def trimmed(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """At the bundle's rate, without the silence around it, with a soft end where it is too long."""
    slow = resample_poly(sound, 160, 441)
    loud = np.flatnonzero(np.abs(slow) > 0.02 * np.abs(slow).max())
    cut = slow[max(0, loud[0] - 80) : loud[-1] + 80][:LONGEST].copy()
    cut[-80:] *= np.linspace(1, 0, len(cut[-80:]))
    return cut * (0.9 / np.abs(cut).max())


def make(out: Path) -> None:
    """Write ``spoken.npz`` and ``spoken.json`` into the folder ``out``."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise SystemExit("espeak-ng was not found: on Debian, apt-get install espeak-ng")
    names = [voice for split in VOICES.values() for voice in split]
    keys = [
        (k, v, speed, pitch)
        for v in range(len(names))
        for speed in SPEEDS
        for pitch in PITCHES
        for k in range(10)
    ]
    with tempfile.TemporaryDirectory() as folder:
        said = [say(program, WORDS[k], names[v], s, p, Path(folder) / "said.wav") for k, v, s, p in keys]
    found = hashlib.sha256(b"".join(sound.tobytes() for sound in said)).hexdigest()
    if found != INPUT_SHA256:
        raise SystemExit(f"espeak-ng: SHA-256 is {found}, expected {INPUT_SHA256}: another version?")
    coded = [mu_law(trimmed(sound)) for sound in said]
    columns = [np.array(column) for column in zip(*keys, strict=True)]
    bundle = pack(
        {
            "sounds": np.concatenate(coded),
            "lengths": np.array([len(sound) for sound in coded], np.uint16),
            **{
                name: column.astype(np.uint8)
                for name, column in zip(("digits", "voices", "speeds", "pitches"), columns, strict=True)
            },
        }
    )
    card = CARD | {
        "voices": names,
        "inputs, sha256": INPUT_SHA256,
        "spoken.npz": {"bytes": len(bundle), "sha256": hashlib.sha256(bundle).hexdigest()},
    }
    for name, written in {
        "spoken.npz": bundle,
        "spoken.json": (json.dumps(card, indent=2) + "\n").encode(),
    }.items():
        (out / f"{name}.part").write_bytes(written)
        (out / f"{name}.part").replace(out / name)
    lengths = [len(sound) for sound in coded]
    print(
        f"{out / 'spoken.npz'}: {len(bundle):,} bytes, {len(coded)} sounds of {min(lengths)} to {max(lengths)} samples"
    )


def main() -> None:
    """Read the command line, then make the bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: %(default)s)")
    make(parser.parse_args().out)


if __name__ == "__main__":
    main()
