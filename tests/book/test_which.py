"""The page *Which attack, which game?*: every line of code on it runs, on fewer samples."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from advnotes import Game, Report

PAGE = (Path(__file__).parents[2] / "book" / "which.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SMALLER = {
    "size=100": "size=4",
    "size=2000": "size=256",
    "steps=10)": "steps=1)",
    "queries=1000": "queries=20",
    "RandomForestClassifier(random": "RandomForestClassifier(5, random",
}


def smaller(code: str) -> str:
    for large, small in SMALLER.items():
        code = code.replace(large, small)
    return code


def test_the_sizes_that_are_made_smaller_are_on_the_page() -> None:
    assert all(large in PAGE for large in SMALLER)


@pytest.mark.timeout(900)
def test_every_line_of_the_page_runs_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # one line keeps a folder
    monkeypatch.setenv("TQDM_DISABLE", "1")
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    made = {"x_adv": 0, "report": 0, "game": 0, "classifier": 0}
    for number, block in enumerate(BLOCKS, start=1):
        before = {name: names.pop(name, None) for name in made}
        exec(compile(smaller(block), f"block {number} of which.md", "exec"), names)
        for name in made:
            made[name] += name in names
        if "x_adv" in names:
            assert names["x_adv"].shape == names["x"].shape, block
            assert not torch.equal(names["x_adv"], names["x"]), block
        if "report" in names:
            assert isinstance(names["report"], Report)
            assert 0.0 <= names["report"].robust.value <= 1.0
        assert isinstance(names.get("game", nn.Identity()), (Game, nn.Identity)), block
        names |= {name: value for name, value in before.items() if name not in names}
    assert all(count >= 3 for count in made.values()), made


def test_a_case_stands_above_every_line() -> None:
    """A sentence that says when to take the line, in bold, or the words that introduce the set-up."""
    for block in BLOCKS[1:]:
        paragraph = PAGE.split(f"```python\n{block}```")[0].rstrip().rpartition("\n\n")[2]
        assert paragraph.startswith("**") or paragraph.startswith("A game is made"), paragraph
