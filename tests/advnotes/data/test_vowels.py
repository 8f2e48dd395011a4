"""The Japanese vowels as they were published, and the script that made their bundle."""

import hashlib
import json
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from advnotes.data import vowels
from advnotes.data.vowels import BUNDLE
from tests.scripts import load_script

SCRIPT = Path(__file__).parents[3] / "tools" / "make_vowels.py"
CARD = json.loads(BUNDLE.with_suffix(".json").read_text())
FILES = {
    "JapaneseVowels_TRAIN.ts": "#remark\n@dimensions 2\n@data\n1.5,-2.25,0.5:0.1,0.2,0.33337:3\n",
    "JapaneseVowels_TEST.ts": "@data\n1.0:-1.0:1\n\n",
}


def test_the_card_names_this_bundle_and_its_licence():
    content = BUNDLE.read_bytes()
    assert CARD["vowels.npz"] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert CARD["licence"].startswith("CC BY 4.0")
    assert "advnotes/data/vowels.npz" in (SCRIPT.parents[1] / "LICENSE-text").read_text()


def test_the_numbers_are_those_that_were_published():
    """Kudo's notes: 270 and 370 utterances of 7 to 29 steps, 30 of each speaker, and 24 to 88 in the test set."""
    train, test = vowels(), vowels("test")
    assert (len(train.sequences), len(test.sequences)) == (270, 370)
    assert np.bincount(train.speakers).tolist() == [30] * 9
    assert np.bincount(test.speakers).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    lengths = [len(each) for each in [*train.sequences, *test.sequences]]
    assert (min(lengths), max(lengths)) == (7, 29)
    assert {each.shape[1] for each in train.sequences} == {12}
    np.testing.assert_allclose(train.sequences[0][0, :2], [1.860936, -0.207383], atol=6e-5)


def test_size_takes_the_first_and_other_splits_are_refused():
    few = vowels("test", size=3)
    assert len(few.sequences) == len(few.speakers) == 3
    np.testing.assert_array_equal(few.sequences[2], vowels("test").sequences[2])
    with pytest.raises(ValueError, match="has the splits 'train', 'test'"):
        vowels("validation")


@pytest.fixture
def script(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return load_script("make_vowels")


@pytest.fixture
def wheel(tmp_path) -> Path:
    path = tmp_path / "aeon-1.6.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as files:
        for name, content in FILES.items():
            files.writestr(f"aeon/datasets/data/JapaneseVowels/{name}", content)
    return path


def test_two_runs_give_the_same_bytes_and_every_number_is_in_its_place(script, wheel, tmp_path, monkeypatch):
    digests = {name: hashlib.sha256(content.encode()).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(script, "INPUTS", digests)
    for out in ("one", "two"):
        (tmp_path / out).mkdir()
        script.make(wheel, tmp_path / out)
    assert (tmp_path / "one" / "vowels.npz").read_bytes() == (tmp_path / "two" / "vowels.npz").read_bytes()
    with np.load(tmp_path / "one" / "vowels.npz") as made:
        assert made["steps"].tolist() == [[15000, 1000], [-22500, 2000], [5000, 3334], [10000, -10000]]
        assert made["lengths"].tolist() == [3, 1]
        assert made["speakers"].tolist() == [2, 0]


def test_other_files_are_refused_before_anything_is_written(script, wheel, tmp_path):
    with pytest.raises(SystemExit, match=r"JapaneseVowels_TRAIN.ts has the SHA-256"):
        script.make(wheel, tmp_path)
    assert not (tmp_path / "vowels.npz").exists()
