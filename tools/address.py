"""Move the project to another address on GitHub.

    python tools/address.py https://github.com/OWNER/NAME
    python tools/address.py https://github.com/OWNER/NAME --site https://example.org/book/

The address stands in one place, [project.urls] of pyproject.toml. This changes it there and in every file that follows
from it: the set-up cells, the links to Colab and Binder, what is cloned and cited, the site's configuration. Without
--site the site is the one that GitHub Pages gives to the repository.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
# What stands before OWNER/NAME on GitHub itself, on Colab, on Binder, and where GitHub keeps plain files.
BEFORE = r"(?<=github\.com/)|(?<=/github/)|(?<=/gh/)|(?<=raw\.githubusercontent\.com/)"
AFTER = r"(?![\w-]|\.github\.io)"


class Address(NamedTuple):
    """Where the project is: its repository on GitHub and its site."""

    owner: str
    name: str
    site: str

    @classmethod
    def of(cls, repository: str, site: str | None = None) -> Address:
        """The address of a repository.

        Raises:
            ValueError: where it is not https://github.com/OWNER/NAME, or the site is no address.
        """
        found = re.fullmatch(r"https://github\.com/([\w-]+)/([\w.-]+?)(?:\.git)?/?", repository)
        if found is None:
            raise ValueError(
                f"expected https://github.com/OWNER/NAME, got {repository!r}: Colab opens notebooks from GitHub only"
            )
        owner, name = found.groups()
        pages = f"https://{owner.lower()}.github.io/"
        site = site or (pages if name.lower() == f"{owner.lower()}.github.io" else f"{pages}{name}/")
        if not re.fullmatch(r"https?://[\w.-]+(/[\w./-]*)?", site):
            raise ValueError(f"expected the address of a site, got {site!r}")
        return cls(owner, name, f"{site.rstrip('/')}/")

    @property
    def repository(self) -> str:
        """The address of the repository."""
        return f"https://github.com/{self.owner}/{self.name}"


def current(root: Path = ROOT) -> Address:
    """The address that pyproject.toml names."""
    urls = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    return Address.of(urls["Repository"], urls["Homepage"])


def moved(text: str, old: Address, new: Address) -> str:
    """A text with the new address wherever the old one stands."""
    text = re.sub(
        rf"(?:{BEFORE}){re.escape(f'{old.owner}/{old.name}')}{AFTER}", f"{new.owner}/{new.name}", text
    )
    text = re.sub(rf"{re.escape(old.site.rstrip('/'))}{AFTER}", new.site.rstrip("/"), text)
    # The folder that a clone makes is called after the repository.
    clone = rf"(git clone {re.escape(new.repository)}(?:\.git)? && cd ){re.escape(old.name)}{AFTER}"
    return re.sub(clone, rf"\g<1>{new.name}", text)


def move(root: Path, new: Address) -> list[str]:
    """Write the new address into every text file that git does not ignore.

    Returns:
        The files that have changed.
    """
    old = current(root)
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    changed = []
    for name in sorted(filter(None, names.split("\0"))):
        file = root / name
        try:
            before = file.read_bytes().decode("utf-8") if file.is_file() else ""
        except UnicodeDecodeError:  # a picture, or data
            continue
        after = moved(before, old, new)
        if after != before:
            file.write_bytes(after.encode("utf-8"))
            changed.append(name)
    return changed


def main() -> None:
    """Move the project, and tell what has changed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", help="such as https://github.com/OWNER/NAME")
    parser.add_argument("--site", help="where the book is, if it is not on GitHub Pages")
    options = parser.parse_args()
    try:
        new = Address.of(options.repository, options.site)
    except ValueError as error:
        sys.exit(str(error))
    changed = move(ROOT, new)
    print("\n".join(changed))
    print(
        f"{len(changed)} files changed. By hand: PyPI's trusted publisher and Zenodo know the repository by its name."
    )


if __name__ == "__main__":
    main()
