"""The files that tools/pin.py makes: the same pins with and without hashes, of everything but torch."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.scripts import load_script

ROOT = Path(__file__).resolve().parents[2]
pin = load_script("pin")


def pins(file: str) -> dict[str, list[str]]:
    """Each pin, in a normal form, with its hashes."""
    found = {}
    for entry in re.split(r"(?<!\\)\n", (ROOT / file).read_text(encoding="utf-8")):
        if entry and not entry.startswith("#"):
            line, *hashes = re.split(r"\s*\\\n\s*--hash=", entry)
            requirement = Requirement(line)
            assert re.fullmatch(r"==[\w.!+]+", str(requirement.specifier)), line
            found[str(requirement)] = hashes
    return found


def test_the_lock_has_every_pin_but_those_of_torch() -> None:
    constraints, locked = pins("constraints.txt"), pins("requirements.lock")
    of_torch = [line for line in constraints if pin.OF_TORCH.match(line)]
    assert pin.TORCH in of_torch
    assert list(locked) == [line for line in constraints if line not in of_torch], "run python tools/pin.py"


@pytest.mark.parametrize("file", ["requirements.lock", ".github/release.lock"])
def test_every_locked_file_has_a_hash(file: str) -> None:
    for line, hashes in pins(file).items():
        assert hashes, line
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), line


def test_a_release_is_built_by_the_same_versions() -> None:
    constraints = {
        canonicalize_name(Requirement(line).name): Requirement(line) for line in pins("constraints.txt")
    }
    release = [Requirement(line) for line in pins(".github/release.lock")]
    for wanted in map(Requirement, pin.RELEASE):
        assert wanted.name in {requirement.name for requirement in release}
    for requirement in release:
        known = constraints.get(canonicalize_name(requirement.name))
        assert known is None or known.specifier == requirement.specifier, "run python tools/pin.py"
