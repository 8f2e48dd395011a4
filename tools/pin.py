"""Make constraints.txt, the exact versions of everything, again from the ranges in pyproject.toml.

    python tools/pin.py              keeps each version that still fits: after a dependency was added
    python tools/pin.py --upgrade    takes the newest of everything but torch

Needs uv (`pip install uv`) and the network. The result holds for Python 3.11 to 3.14 on Linux, macOS and Windows,
with one version of a package wherever one will do. Run `make test` afterwards.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = (
    "# Exact versions of everything, for Python 3.11 to 3.14 on Linux, macOS and Windows. "
    "Made by tools/pin.py; install with: pip install -c constraints.txt\n"
)
# Changed by hand, here and in environment.yml: the bits of every result in the book depend on it.
TORCH = "torch==2.13.0"
# The first versions with wheels for Python 3.14. Older Pythons keep the versions that the book was measured with.
FOR_3_14 = ("contourpy>=1.3.3", "numpy>=2.3.2", "scipy>=1.16.1")


def pin(upgrade: bool) -> str:
    """The new text of constraints.txt, nothing written."""
    with tempfile.TemporaryDirectory() as name:
        limits, output = Path(name) / "limits.txt", Path(name) / "constraints.txt"
        lines = [TORCH, *(f"{limit} ; python_version >= '3.14'" for limit in FOR_3_14)]
        limits.write_text("\n".join(lines), encoding="utf-8")
        # What lies at the output is what uv keeps to.
        shutil.copy(ROOT / "constraints.txt", output)
        command = "uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest"
        command += " --no-annotate --no-header --all-extras pyproject.toml"
        subprocess.run(
            [
                *command.split(),
                "--constraint",
                limits,
                "--output-file",
                output,
                *(["--upgrade"] if upgrade else []),
            ],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return HEADER + output.read_text(encoding="utf-8")


def main() -> None:
    """Replace constraints.txt."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--upgrade", action="store_true", help="take the newest version of everything")
    options = parser.parse_args()
    if shutil.which("uv") is None:
        sys.exit("expected the program uv on the PATH, found none: pip install uv")
    (ROOT / "constraints.txt").write_text(pin(options.upgrade), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
