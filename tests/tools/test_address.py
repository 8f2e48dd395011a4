"""The project's address stands in one place, and one command moves everything that names it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts import load_script

ROOT = Path(__file__).resolve().parents[2]
address = load_script("address")
HERE = address.current()
# In pieces, so that the command does not find it in this file.
NEW = address.Address.of(
    "/".join(["https://github.com", "some-body", "else.where"]),
    "/".join(["https://books.example.org", "adv", ""]),
)


def tracked(root: Path) -> list[str]:
    """Every file that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in filter(None, names.split("\0")) if (root / name).is_file())


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for name in tracked(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def contents(root: Path) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in tracked(root)}


def command(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "tools/address.py", *arguments], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_file_has_another_address() -> None:
    places = re.compile(
        r"(?:github\.com/|colab\.research\.google\.com/github/|mybinder\.org/v2/gh/|raw\.githubusercontent\.com/)"
        r"([\w.-]+)/([\w-]+)"
    )
    wrong = []
    for name in tracked(ROOT):
        text = (ROOT / name).read_bytes().decode("utf-8", errors="ignore")
        for owner, repository in places.findall(text):
            ours = "advnotes" in (owner, repository) or owner == HERE.owner
            if ours and (owner, repository) != (HERE.owner, HERE.name.split(".")[0]):
                wrong.append(f"{name}: {owner}/{repository}")
        sites = re.findall(r"https?://[\w.-]+\.github\.io/[\w.-]*", text)
        wrong += [
            f"{name}: {site}" for site in sites if "advnotes" in site and not site.startswith(HERE.site[:-1])
        ]
    assert wrong == []


def test_one_command_moves_everything_and_changes_nothing_else(copy: Path) -> None:
    before = contents(copy)
    printed = command(copy, NEW.repository, "--site", NEW.site)
    after = contents(copy)
    assert before.keys() == after.keys()
    changed = [name for name in before if before[name] != after[name]]
    assert printed.splitlines()[:-1] == changed
    assert {"pyproject.toml", "CITATION.cff", "_config.yml", "README.md", "CONTRIBUTING.md"} <= set(changed)
    assert {name for name in before if re.fullmatch(r"book/\w+/[\w-]+\.ipynb", name)} <= set(changed)
    assert address.current(copy) == NEW
    for name in changed:
        old, new = (text[name].decode("utf-8").splitlines() for text in (before, after))
        assert len(old) == len(new)
        for one, other in zip(old, new, strict=True):
            if one != other:  # the address is new, and the rest of the line is as it was
                assert NEW.repository.removeprefix("https://github.com/") in other or NEW.site[:-1] in other
                assert address.moved(other, NEW, HERE) == one
    left = re.compile(rf"\.\w+/(?:\w+/)*{HERE.owner}/{HERE.name}\b|{re.escape(HERE.site[:-1])}")
    assert [name for name in after if left.search(after[name].decode("utf-8", "ignore"))] == []
    command(copy, HERE.repository, "--site", HERE.site)
    assert contents(copy) == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://github.com/first/place.", "see https://github.com/second/thing."),
        (
            "git+https://github.com/first/place.git@v1",
            "git+https://github.com/second/thing.git@v1",
        ),
        ("https://github.com/first/place-more", "https://github.com/first/place-more"),
        ("https://github.com/other/place", "https://github.com/other/place"),
        ("book/first/place.css", "book/first/place.css"),
        ("https://first.github.io/place/a.html", "https://second.github.io/thing/a.html"),
        (
            "https://mybinder.org/v2/gh/first/place/v1",
            "https://mybinder.org/v2/gh/second/thing/v1",
        ),
        (
            "git clone https://github.com/first/place && cd place",
            "git clone https://github.com/second/thing && cd thing",
        ),
    ],
)
def test_an_address_is_known_by_what_stands_around_it(text: str, expected: str) -> None:
    old = address.Address.of("https://github.com/first/place")
    new = address.Address.of("https://github.com/second/thing")
    assert address.moved(text, old, new) == expected


def test_the_site_is_on_pages_unless_another_is_named() -> None:
    assert address.Address.of("https://github.com/Some/Thing.git").site == "https://some.github.io/Thing/"
    assert address.Address.of("https://github.com/some/some.github.io/").site == "https://some.github.io/"


@pytest.mark.parametrize("wrong", ["github.com/a/b", "https://gitlab.com/a/b", "https://github.com/a"])
def test_what_is_no_repository_on_github_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="expected https"):
        address.Address.of(wrong)
