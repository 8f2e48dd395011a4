"""The folder of an evaluation: what it takes, what it refuses, and what it does about damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advnotes.attacks import FGSM, PGD
from advnotes.evaluation import Report, evaluate
from advnotes.evaluation.batch import BatchResult
from advnotes.evaluation.checkpoint import HEADER, Checkpoint
from advnotes.threats import L2, Linf

X = torch.rand(30, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(30) % 3


class Model(nn.Module):
    def __init__(self, seed: int = 0, sharpness: float = 1.0) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.layer = nn.Linear(16, 3)
        weight = torch.randn(3, 16, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            self.layer.weight.copy_(weight)
            self.layer.bias.zero_()
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.sharpness * self.layer(x.flatten(1) - 0.5)


class Renamed(Model):
    """The same numbers, other code."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 0


class Count(FGSM):
    """An attack that says how often it was called."""

    calls = 0

    def perturb(self, model, x, y, generator):  # type: ignore[no-untyped-def]
        type(self).calls += 1
        return super().perturb(model, x, y, generator)


def labels() -> Tensor:
    """Classes that the model says of most samples."""
    return Model()(X).argmax(dim=1)


def run(folder: Path, model: nn.Module | None = None, **options: Any) -> Report:
    threat = options.pop("threat", Linf(0.1))
    settings = {"batch_size": 8, "diagnose": False, "curve": False, "progress": False} | options
    attacks = settings.pop("attacks", [Count(threat), PGD(threat, steps=3)])
    data = settings.pop("data", (X, labels()))
    return evaluate(model or Model(), data, threat, attacks, folder=folder, **settings)


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.part"))


def test_a_finished_evaluation_is_read_and_not_done_again(tmp_path: Path) -> None:
    first = run(tmp_path / "new" / "folder")
    Count.calls = 0
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    assert run(tmp_path / "new" / "folder") == first
    shuffled = run(tmp_path / "new" / "folder", data=(X[order], labels()[order]), batch_size=5)
    assert shuffled.fooled_by == tuple(first.fooled_by[row] for row in order)
    assert Count.calls == 0


def test_attacks_may_be_added_later(tmp_path: Path) -> None:
    run(tmp_path, attacks=[Count(Linf(0.1))])
    Count.calls = 0
    both = run(tmp_path)
    assert Count.calls == 0
    assert [result.name for result in both.attacks] == ["Count", "PGD"]
    assert both == run(tmp_path / "apart")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": Model(seed=1)}, "model: its parameters, buffers, settings or code have changed"),
        ({"model": Model(sharpness=2.0)}, "model: its parameters"),
        ({"model": Renamed()}, "model: its parameters"),
        ({"data": (X[:29], labels()[:29])}, "data: the samples, their labels or their radii"),
        ({"data": (X, 2 - labels())}, "data: "),
        ({"threat": Linf(0.11)}, r"threat: Linf 0\.1 then, Linf 0\.11 now"),
        ({"threat": L2(0.1)}, r"threat: Linf 0\.1 then, L2 0\.1 now"),
        ({"threat": Linf(torch.full((30,), 0.1))}, "threat"),
        ({"seed": 1}, "seed: 0 then, 1 now"),
        ({"keep": True}, "keep: False then, True now"),
        ({"precision": torch.bfloat16}, "precision: None then"),
    ],
)
def test_a_folder_of_something_else_is_refused_and_untouched(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    run(tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=rf"belongs to another evaluation.*{message}.*Name another folder"):
        run(tmp_path, **change)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("do not overwrite")
    with pytest.raises(ValueError, match=r"holds other things \(thesis\.tex"):
        run(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("damage", ["a bit", "cut off", "empty", "of another evaluation"])
def test_a_damaged_part_is_noticed_and_done_again(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    first = run(folder)
    Count.calls = 0
    victim = next(file for file in parts(folder) if file.name.endswith("00000008.part"))
    content = bytearray(victim.read_bytes())
    if damage == "a bit":
        content[len(content) // 2] ^= 1
    elif damage == "cut off":
        content = content[:-3]
    elif damage == "empty":
        content = bytearray()
    else:
        run(tmp_path / "other", seed=1)
        content = bytearray((tmp_path / "other" / victim.name).read_bytes())
    victim.write_bytes(content)
    with pytest.warns(UserWarning, match=rf"{victim.name} is damaged.*computed again"):
        again = run(folder)
    assert again == first
    assert run(folder) == first, "and is whole again"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}"])
def test_a_damaged_header_costs_nothing_else(content: bytes, tmp_path: Path) -> None:
    first = run(tmp_path)
    Count.calls = 0
    (tmp_path / HEADER).write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged and is written again"):
        assert run(tmp_path) == first
    assert Count.calls == 0
    assert "model" in json.loads((tmp_path / HEADER).read_bytes())


def test_a_part_comes_back_as_it_went(tmp_path: Path) -> None:
    rows = torch.tensor([4, 2, 9])
    part = BatchResult(
        rows=rows,
        predictions=torch.tensor([1, 0, 2]),
        fooled=torch.tensor([True, False, True]),
        claimed=torch.tensor([True, True, True]),
        distances=torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64),
        kept_rows=rows[:1],
        points=torch.rand(1, 3, 2),
        seconds=1.25,
        passes=12,
        zero_gradient=True,
        skipped="no gradient: 'é'",
    )
    checkpoint = Checkpoint(tmp_path, {"seed": "0"})
    checkpoint.open()
    checkpoint.write("FGSM()", part)
    (again,) = checkpoint.read("FGSM()", torch.arange(10))
    assert checkpoint.read("PGD()", torch.arange(10)) == []
    assert checkpoint.read("FGSM()", torch.arange(9)) == [], "it has a sample that is not asked for"
    assert checkpoint.read("FGSM()", torch.arange(10), skipped=False) == []
    for name, value in vars(part).items():
        other = getattr(again, name)
        assert torch.equal(value, other) if isinstance(value, Tensor) else value == other, name
