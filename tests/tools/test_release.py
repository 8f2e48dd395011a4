"""A version stands in pyproject.toml and everything that names it follows; a release has its changelog."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.scripts import load_script

ROOT = Path(__file__).resolve().parents[2]
release = load_script("release")
VERSION = release.project()["version"]
REPOSITORY = release.project()["urls"]["Repository"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for file in (ROOT / "CHANGELOG.md", *(file for file, _ in release.places(ROOT))):
        place = tmp_path / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    return tmp_path


def test_everything_is_at_the_version_of_the_project() -> None:
    assert release.problems(ROOT, VERSION) == []


def test_a_new_version_is_written_everywhere_and_nothing_else_is(copy: Path) -> None:
    before = {file: file.read_text(encoding="utf-8") for file in copy.rglob("*") if file.is_file()}
    unreleased = release.section(before[copy / "CHANGELOG.md"], "Unreleased")
    release.set_version(copy, "98.7.6", "2031-02-03")
    assert release.problems(copy, "98.7.6") == []
    assert len(release.problems(copy, VERSION)) == len(release.places(copy))
    for file, text in before.items():
        after = file.read_text(encoding="utf-8")
        assert after != text
        if file.name != "CHANGELOG.md":
            changed = [
                (one, other)
                for one, other in zip(text.splitlines(), after.splitlines(), strict=True)
                if one != other
            ]
            for one, other in changed:
                assert other.replace("98.7.6", VERSION) == one or one.startswith("date-released: ")
    log = (copy / "CHANGELOG.md").read_text(encoding="utf-8")
    assert release.section(log, "98.7.6") == unreleased
    assert release.section(log, "Unreleased") == ""
    assert f"\n[98.7.6]: {REPOSITORY}/compare/v{VERSION}...v98.7.6\n" in log
    citation = yaml.safe_load((copy / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], str(citation["date-released"])) == ("98.7.6", "2031-02-03")


def test_nothing_is_released_without_changes_or_under_no_version(copy: Path) -> None:
    release.set_version(copy, "98.7.6", "2031-02-03")
    with pytest.raises(ValueError, match="Unreleased"):
        release.set_version(copy, "98.7.7", "2031-02-03")
    with pytest.raises(ValueError, match=r"such as 0\.2\.0"):
        release.set_version(copy, "98.8", "2031-02-03")


def test_a_tag_of_another_version_is_refused(copy: Path) -> None:
    readme = copy / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace(f"v{VERSION}", "v0.0.1"), encoding="utf-8")
    assert release.problems(copy, VERSION) == ["README.md has 0.0.1"]


def test_the_changelog_is_in_the_form_of_keep_a_changelog() -> None:
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.*)$", log, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", one) for one in versions[1:])
    kinds = set(re.findall(r"^### (.*)$", log, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for one in versions:
        assert re.search(rf"^{re.escape(one.partition(' ')[0])}: {REPOSITORY}/", log, re.MULTILINE), one


def test_the_readme_on_pypi_has_no_relative_links() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    relative = re.findall(r"\]\((?!https?:|#)([^)]+)\)", text)
    assert {"LICENSE", "book/images/landing.png"} <= set(relative)
    assert [link for link in relative if not (ROOT / link).exists()] == []
    absolute = release.absolute_links(text, REPOSITORY, VERSION)
    assert re.findall(r"\]\((?!https?:|#)", absolute) == []
    assert f"({REPOSITORY}/blob/v{VERSION}/LICENSE)" in absolute
    assert (
        f"raw.githubusercontent.com/{'/'.join(REPOSITORY.split('/')[-2:])}/v{VERSION}/book/images/"
        in absolute
    )
    assert absolute.count("https://github.com") > text.count("https://github.com")


def test_zenodo_reads_one_file() -> None:
    """It takes CITATION.cff, and would leave it alone where there is a .zenodo.json."""
    assert not (ROOT / ".zenodo.json").exists()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    wanted = {"cff-version", "message", "type", "title", "abstract", "authors", "version", "date-released"}
    assert wanted | {"license", "repository-code", "keywords"} <= citation.keys()
