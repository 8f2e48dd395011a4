"""The book's own profiles, against the book's own chapters."""

from pathlib import Path

import pytest
import yaml

from advnotes.publish.chapters import chapters, profiles
from advnotes.publish.parameters import all_parameters

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("profile", ["laptop", "smoke", "gpu"])
def test_every_parameter_of_a_profile_is_one_of_its_chapter(profile: str) -> None:
    assert profile in profiles(ROOT)
    found = chapters(ROOT)
    assert found
    assert all_parameters(found, profile).keys() == {chapter.name for chapter in found}


def test_every_chapter_has_a_smoke_profile() -> None:
    given = yaml.safe_load((ROOT / "book" / "profiles" / "smoke.yml").read_text(encoding="utf-8"))
    assert set(given or {}) == {chapter.name for chapter in chapters(ROOT)}


def test_a_chapter_is_the_laptop_profile_as_it_stands() -> None:
    assert {chapter.defaults["profile"] for chapter in chapters(ROOT)} == {"laptop"}
