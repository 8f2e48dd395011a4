"""Make constraints.txt, the exact versions of everything, again from the ranges in pyproject.toml.

    python tools/pin.py              keeps each version that still fits: after a dependency was added
    python tools/pin.py --upgrade    takes the newest of everything but torch

Needs uv (`pip install uv`) and the network. The result holds for Python 3.11 to 3.14 on Linux, macOS and Windows,
with one version of a package wherever one will do. Beside it come the same pins with the hashes of their files:
requirements.lock, which `make setup` installs from, and .github/release.lock, the tools that build a release.
(Constraints with hashes would ask for the hash of everything that anybody installs by them.) Run `make test`
afterwards.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = (
    "# Exact versions of everything, for Python 3.11 to 3.14 on Linux, macOS and Windows. "
    "Made by tools/pin.py; install with: pip install -c constraints.txt\n"
)
LOCK_HEADER = (
    "# The pins of constraints.txt with the hashes of their files. Made by tools/pin.py; `make setup` installs them.\n"
    "# Without torch and its CUDA libraries: their files depend on the index that torch is taken from.\n"
)
RELEASE_HEADER = "# What builds a release, with the hashes of its files. Made by tools/pin.py.\n"
RELEASE = ("build", "setuptools>=77", "twine")
# Changed by hand, here and in environment.yml: the bits of every result in the book depend on it.
TORCH = "torch==2.13.0"
OF_TORCH = re.compile(r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
# The first versions with wheels for Python 3.14. Older Pythons keep the versions that the book was measured with.
FOR_3_14 = {"contourpy": "1.3.3", "numpy": "2.3.2", "scipy": "1.16.1"}


def compile_pins(output: Path, source: str, *options: str | Path) -> str:
    """Exact versions for what a file asks for; those that stand in the output already are kept where they fit."""
    command = "uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest"
    command += " --no-annotate --no-header"
    subprocess.run(
        [*command.split(), source, "--output-file", output, *options],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return output.read_text(encoding="utf-8")


def limits() -> list[str]:
    """What the versions have to keep to."""
    new = [f"{name}>={version} ; python_version >= '3.14'" for name, version in FOR_3_14.items()]
    old = [f"{name}<{version} ; python_version < '3.14'" for name, version in FOR_3_14.items()]
    return [TORCH, *new, *old]


def pin(upgrade: bool) -> dict[str, str]:
    """The new text of each file, nothing written."""
    newest: Sequence[str] = ["--upgrade"] if upgrade else []
    with tempfile.TemporaryDirectory() as name:
        # What lies at the output is what uv keeps to.
        pins, lock, release = (Path(name) / file for file in ("constraints.txt", "lock.txt", "release.txt"))
        limit, wanted = Path(name) / "limits.txt", Path(name) / "release.in"
        limit.write_text("\n".join(limits()), encoding="utf-8")
        shutil.copy(ROOT / "constraints.txt", pins)
        everything = ("pyproject.toml", "--all-extras", "--constraint", limit)
        constraints = compile_pins(pins, *everything, *newest)
        left_out = [word for found in OF_TORCH.findall(constraints) for word in ("--no-emit-package", found)]
        shutil.copy(pins, lock)
        hashed = compile_pins(lock, *everything, "--generate-hashes", *left_out)
        wanted.write_text("\n".join(RELEASE), encoding="utf-8")
        if (ROOT / ".github" / "release.lock").is_file():
            shutil.copy(ROOT / ".github" / "release.lock", release)
        tools = compile_pins(release, str(wanted), "--generate-hashes", "--constraint", pins, *newest)
    return {
        "constraints.txt": HEADER + constraints,
        "requirements.lock": LOCK_HEADER + hashed,
        ".github/release.lock": RELEASE_HEADER + tools,
    }


def main() -> None:
    """Replace the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--upgrade", action="store_true", help="take the newest version of everything")
    options = parser.parse_args()
    if shutil.which("uv") is None:
        sys.exit("expected the program uv on the PATH, found none: pip install uv")
    for name, text in pin(options.upgrade).items():
        (ROOT / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
