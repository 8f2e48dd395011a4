"""Checkpoints as files: what goes in comes out, and nothing but a whole one is ever taken for one."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
    StepLR,
)

from advnotes.loop import checkpoint_files
from advnotes.loop.checkpoint_files import SUMS, CheckpointError

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
trees = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.tuples(st.integers()), inner, max_size=3)
    ),
    max_leaves=12,
)


def through_json(tree: Any) -> Any:
    """What becomes of values on their way through a file."""
    tensors: dict[str, Tensor] = {}
    text = json.dumps(checkpoint_files.encode(tree, tensors), allow_nan=False)
    return checkpoint_files.decode(json.loads(text), tensors)


def alike(a: Any, b: Any) -> bool:
    """Equal in value and kind, where nan is nan."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (a == b and math.copysign(1, a) == math.copysign(1, b)) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[key], b[key]) for key in a)
    return bool(a == b)


@given(trees)
def test_plain_values_come_back_as_they_were(tree: Any) -> None:
    assert alike(through_json(tree), tree)


def test_tensors_arrays_and_counters_come_back_as_they_were(tmp_path: Path) -> None:
    tied = torch.randn(3)
    tree = {
        "tied": [tied, tied],
        "half": torch.randn(2, 3).bfloat16(),
        "empty": torch.empty(0, 4),
        "turned": torch.randn(2, 3).T,
        "scalar": torch.tensor(7),
        "bytes": torch.get_rng_state(),
        "array": np.arange(3, dtype=np.uint32),
        "number": np.float64(0.1),
        "counter": Counter({3: 2}),
        5: {"deep": (torch.ones(1), None)},
    }
    checkpoint_files.save(tmp_path, "tree", tree)
    found = checkpoint_files.load(tmp_path, "tree")
    assert list(found) == list(tree)
    for name in ("half", "empty", "turned", "scalar", "bytes"):
        assert found[name].dtype is tree[name].dtype  # type: ignore[union-attr]
        assert torch.equal(found[name], tree[name])  # type: ignore[arg-type]
    assert torch.equal(found["tied"][1], tied)
    np.testing.assert_array_equal(found["array"], tree["array"])
    assert found["array"].dtype == np.uint32
    assert (found["number"], found["counter"]) == (0.1, Counter({3: 2}))
    assert isinstance(found["counter"], Counter)
    assert torch.equal(found[5]["deep"][0], torch.ones(1))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["tree.json", "tree.safetensors"]


def test_what_a_checkpoint_cannot_hold_is_named_by_its_path() -> None:
    with pytest.raises(ValueError, match="schedules/critic/0 is a function, which a checkpoint cannot hold"):
        through_json({"schedules": {"critic": [print_nothing]}})


def print_nothing() -> None:
    """A function, for the test above."""


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: StepLR(optimizer, 3),
        lambda optimizer: MultiStepLR(optimizer, [2, 5]),
        lambda optimizer: OneCycleLR(optimizer, max_lr=1.0, total_steps=20),
        lambda optimizer: SequentialLR(
            optimizer, [CosineAnnealingLR(optimizer, 4), StepLR(optimizer, 1)], milestones=[4]
        ),
    ],
)
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_optimizers_and_schedules_go_on_as_if_nothing_had_been(make: Any, kind: Any) -> None:
    def build() -> tuple[nn.Module, torch.optim.Optimizer, LRScheduler]:
        torch.manual_seed(0)
        model = nn.Linear(2, 2)
        optimizer = kind(model.parameters(), lr=0.1)
        return model, optimizer, make(optimizer)

    def walk(model: nn.Module, optimizer: torch.optim.Optimizer, schedule: LRScheduler, steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            model(torch.ones(3, 2)).square().mean().backward()
            optimizer.step()
            schedule.step()

    whole = build()
    walk(*whole, steps=8)
    first = build()
    walk(*first, steps=3)
    state = through_json([part.state_dict() for part in first])
    second = build()
    for part, own in zip(second, state, strict=True):
        part.load_state_dict(own)
    walk(*second, steps=5)
    assert torch.equal(second[0].weight, whole[0].weight)  # type: ignore[arg-type]
    assert second[1].param_groups[0]["lr"] == whole[1].param_groups[0]["lr"]


def written(folder: Path, step: int = 5) -> Path:
    """A small checkpoint."""
    temporary = checkpoint_files.partial(folder, step)
    temporary.mkdir(parents=True)
    checkpoint_files.save(temporary, "header", {"format": 1})
    checkpoint_files.save_tensors(temporary, "game", {"weight": torch.arange(6.0)})
    final = checkpoint_files.path(folder, step)
    checkpoint_files.seal(temporary, final)
    return final


def test_a_checkpoint_can_be_verified_by_anyone(tmp_path: Path) -> None:
    final = written(tmp_path)
    checkpoint_files.verify(final)
    assert sorted(file.name for file in final.iterdir()) == [SUMS, "game.safetensors", "header.json"]
    if os.name != "nt":
        done = subprocess.run(["sha256sum", "-c", SUMS], cwd=final, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.glob(".*"))


@given(data=st.data())
def test_no_flipped_bit_and_no_cut_goes_unnoticed(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    final = written(tmp_path_factory.mktemp("run"))
    file = final / data.draw(st.sampled_from([SUMS, "game.safetensors", "header.json"]))
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged|missing|not among its checksums"):
        checkpoint_files.verify(final)


def test_files_too_many_or_too_few_are_noticed(tmp_path: Path) -> None:
    final = written(tmp_path)
    (final / "extra.json").touch()
    with pytest.raises(CheckpointError, match=r"extra\.json is not among its checksums"):
        checkpoint_files.verify(final)
    (final / "extra.json").unlink()
    (final / "game.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"game\.safetensors is missing"):
        checkpoint_files.verify(final)


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    class Boom:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("unpickled",))

    temporary = checkpoint_files.partial(tmp_path, 1)
    temporary.mkdir()
    torch.save(Boom(), temporary / "game.safetensors")
    (temporary / "header.json").write_bytes((temporary / "game.safetensors").read_bytes())
    checkpoint_files.seal(temporary, checkpoint_files.path(tmp_path, 1))
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint of advnotes"):
        checkpoint_files.header(checkpoint_files.path(tmp_path, 1))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "text", ["[]", "3", "{}", '{"strange": 1}', '{"dict": [["format", {"tensor": "x"}]]}', "{"]
)
def test_other_json_is_no_header(text: str, tmp_path: Path) -> None:
    (tmp_path / "header.json").write_text(text)
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint of advnotes"):
        checkpoint_files.header(tmp_path)


@pytest.mark.parametrize("stage", ["write_text", "rename"])
def test_until_it_is_renamed_there_is_no_checkpoint(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    first = written(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, stage, full)
        with pytest.raises(OSError, match="No space left"):
            written(tmp_path, 2)
    assert checkpoint_files.found(tmp_path) == [(1, first)]
    checkpoint_files.clean(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-00000001"]


def test_everything_is_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    flush, rename = checkpoint_files.flush, Path.rename

    def watched_flush(entry: Path) -> None:
        order.append(entry.name)
        flush(entry)

    def watched_rename(self: Path, target: Path) -> Path:
        order.append(f"rename to {target.name}")
        return rename(self, target)

    monkeypatch.setattr(checkpoint_files, "flush", watched_flush)
    monkeypatch.setattr(Path, "rename", watched_rename)
    written(tmp_path)
    place = order.index("rename to step-00000005")
    assert {"header.json", "game.safetensors", SUMS, ".step-00000005.partial"} <= set(order[:place])
    assert order[place + 1 :] == [tmp_path.name]


def test_pruning_keeps_the_last_and_what_lies_beyond(tmp_path: Path) -> None:
    for step in (1, 2, 3, 9):
        written(tmp_path, step)
    checkpoint_files.path(tmp_path, 7).touch()
    checkpoint_files.prune(tmp_path, 3, keep=2)
    assert [step for step, _ in checkpoint_files.found(tmp_path)] == [9, 7, 3, 2]
    checkpoint_files.prune(tmp_path, 9, keep=1)
    assert [step for step, _ in checkpoint_files.found(tmp_path)] == [9]


def test_a_refused_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    final = written(tmp_path, 4)
    (final / SUMS).write_text("junk")
    checkpoint_files.verify(written(tmp_path, 4))
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-00000004"]


def test_other_names_are_not_looked_at(tmp_path: Path) -> None:
    for name in ("step-5", "step-00000005.bak", "notes"):
        (tmp_path / name).mkdir()
    assert checkpoint_files.found(tmp_path) == []
    assert checkpoint_files.found(tmp_path / "absent") == []
