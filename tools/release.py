"""Prepare and check a release. The version stands in pyproject.toml; all that names it follows.

    python tools/release.py set 0.2.0     write the version, and today's date, wherever they stand
    python tools/release.py check v0.2.0  is everything at the version of this tag? (the release workflow asks)
    python tools/release.py notes         print the changelog's section of this version
    python tools/release.py readme        make the links of README.md absolute: PyPI knows no others

After `set`: make test, commit, `git tag -s v0.2.0`, push the tag; .github/workflows/release.yml does the rest.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What stands before a version, in each file that names it; the notebooks are all alike.
PLACES = {
    "pyproject.toml": (r'^version = "',),
    "CITATION.cff": (r"^version: ",),
    "_config.yml": (r"^  branch: v",),
    "README.md": (r"/advnotes/blob/v", r"/v2/gh/[\w.-]+/[\w.-]+/v", r"/github/[\w.-]+/[\w.-]+/blob/v"),
    "book/how-to-read.md": (r"/v2/gh/[\w.-]+/[\w.-]+/v",),
    "book/*/*.ipynb": (r"advnotes @ git\+[^@\"]+@v",),
}
VERSION = r"\d+\.\d+\.\d+(?:rc\d+)?"


def project(root: Path = ROOT) -> dict[str, object]:
    """The table [project] of pyproject.toml."""
    return dict(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def places(root: Path) -> list[tuple[Path, re.Pattern[str]]]:
    """Each file that names the version, with the pattern of what stands before it and of the version."""
    return [
        (file, re.compile(f"({'|'.join(before)})({VERSION})", re.MULTILINE))
        for name, before in PLACES.items()
        for file in sorted(root.glob(name))
    ]


def set_version(root: Path, version: str, day: str) -> None:
    """Write a version and the day of its release wherever they stand.

    Raises:
        ValueError: where it is no version, or the changelog has nothing unreleased.
    """
    if not re.fullmatch(VERSION, version):
        raise ValueError(f"expected a version such as 0.2.0, got {version!r}")
    log = root / "CHANGELOG.md"
    old = str(project(root)["version"])
    text, found = re.subn(
        r"^## \[Unreleased\]\n",
        f"## [Unreleased]\n\n## [{version}] - {day}\n",
        log.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    if found != 1 or not section(text, version):
        raise ValueError("expected changes under ## [Unreleased] in CHANGELOG.md, got none")
    compare = r"^\[Unreleased\]: (\S+)/compare/v[\w.]+\.\.\.HEAD$"
    links = rf"[Unreleased]: \1/compare/v{version}...HEAD\n[{version}]: \1/compare/v{old}...v{version}"
    write(log, re.sub(compare, links, text, flags=re.MULTILINE))
    for file, pattern in places(root):
        write(file, pattern.sub(rf"\g<1>{version}", file.read_text(encoding="utf-8")))
    citation = root / "CITATION.cff"
    write(
        citation,
        re.sub(r"(?m)^date-released: .*$", f"date-released: {day}", citation.read_text(encoding="utf-8")),
    )


def write(file: Path, text: str) -> None:
    """Write a text with the line ends that the repository has."""
    file.write_text(text, encoding="utf-8", newline="\n")


def problems(root: Path, version: str) -> list[str]:
    """What is not at this version, and what the changelog lacks."""
    found = []
    for file, pattern in places(root):
        versions = {match[2] for match in pattern.finditer(file.read_text(encoding="utf-8"))}
        if versions != {version}:
            found.append(f"{file.relative_to(root)} has {', '.join(sorted(versions)) or 'no version'}")
    if not section((root / "CHANGELOG.md").read_text(encoding="utf-8"), version):
        found.append(f"CHANGELOG.md says nothing of {version}")
    return found


def section(log: str, version: str) -> str:
    """What the changelog says of a version, without its heading."""
    found = re.search(
        rf"^## \[{re.escape(version)}\].*?\n(.*?)(?=^## |^\[|\Z)", log, re.MULTILINE | re.DOTALL
    )
    return found[1].strip() if found else ""


def absolute_links(readme: str, repository: str, version: str) -> str:
    """A readme whose pictures and links into the repository name their whole address, at this version."""
    plain = repository.replace("github.com", "raw.githubusercontent.com")
    readme = re.sub(r"(!\[[^]]*\]\()(?!https?:|#)", rf"\g<1>{plain}/v{version}/", readme)
    return re.sub(r"((?<!!)\[[^]]*\]\()(?!https?:|#)", rf"\g<1>{repository}/blob/v{version}/", readme)


def main() -> None:
    """Carry out one command."""
    match sys.argv[1:]:
        case ["set", version]:
            set_version(ROOT, version, date.today().isoformat())
            subprocess.run([sys.executable, ROOT / "tools" / "make_citations.py"], check=True)
        case ["check", tag]:
            if wrong := problems(ROOT, tag.removeprefix("v")):
                sys.exit(f"this is not {tag}:\n" + "\n".join(wrong))
        case ["notes"]:
            print(section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), str(project()["version"])))
        case ["readme"]:
            readme, urls = ROOT / "README.md", project()["urls"]
            assert isinstance(urls, dict)
            version = str(project()["version"])
            write(readme, absolute_links(readme.read_text(encoding="utf-8"), urls["Repository"], version))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(str(error))
