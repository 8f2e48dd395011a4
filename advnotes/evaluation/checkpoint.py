"""What an evaluation has found so far, on the disk, so that it can be stopped at any time and resumed.

A part is what one attack did to one batch, or what was proved of it: a file of safetensors behind the checksum of its
bytes, written under a temporary name and then renamed. Each part names its samples, so that a run with another batch
size or another number of processes can resume from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from advnotes.evaluation.batch import BatchResult
from advnotes.files import write_whole

__all__ = ["Checkpoint", "ProofPart"]

HEADER = "evaluation.json"
FORMAT = "advnotes.checkpoint/1"

#: What each difference means.
MEANINGS = {
    "model": "its parameters, buffers, settings or code have changed",
    "data": "the samples, their labels or their radii have changed",
    "norm": "the radius of the threat, its settings or its code have changed",
}


@dataclass(frozen=True)
class ProofPart:
    """What was proved of one batch.

    Args:
        rows: which samples, by their place in the canonical order.
        proved: whether no perturbation can move each out of its class.
        seconds: the time that it took.
    """

    rows: Int[Tensor, " batch"]
    proved: Bool[Tensor, " batch"]
    seconds: float


class Checkpoint:
    """The folder of an evaluation.

    Args:
        folder: made where there is none.
        settings: what must be the same for parts to be used again, by name.
    """

    def __init__(self, folder: str | os.PathLike[str], settings: Mapping[str, str]) -> None:
        self.folder = Path(folder)
        self._settings = {"format": FORMAT, **settings}
        self._mark = hashlib.sha256(json.dumps(sorted(self._settings.items())).encode()).hexdigest()

    def open(self) -> None:
        """Make the folder, or check that it belongs to the same evaluation; for one of the processes.

        Raises:
            ValueError: where the folder belongs to another evaluation, or holds other things.

        Warns:
            UserWarning: where the header is damaged. It is written again, and the parts are kept.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for unfinished in self.folder.glob(".*.tmp"):  # of a run that was killed while it wrote
            unfinished.unlink(missing_ok=True)
        header = self.folder / HEADER
        if not header.exists():
            others = [entry.name for entry in self.folder.iterdir() if entry.suffix != ".part"]
            if others:
                raise ValueError(
                    f"{self.folder} holds other things ({others[0]}, ...) and no evaluation: name an empty or a new "
                    "folder"
                )
        elif not self._same(header):
            warnings.warn(f"{header} is damaged and is written again.", stacklevel=3)
        text = json.dumps(self._settings, indent=1) + "\n"
        write_whole(header, lambda path: path.write_text(text, encoding="utf-8", newline="\n"))

    def read(self, attack: str, rows: Int[Tensor, " rows"], skipped: bool = True) -> list[BatchResult]:
        """The parts of an attack that are whole.

        Args:
            attack: its identity (:func:`advnotes.identity.identify`).
            rows: the samples that are asked for; a part with others among its samples is left out.
            skipped: whether a part counts for which the attack was skipped.
        """
        found = [_as_result(tree) for tree in self._trees(attack)]
        return [
            part
            for part in found
            if (skipped or not part.skipped) and bool(torch.isin(part.rows, rows).all())
        ]

    def write(self, attack: str, part: BatchResult) -> None:
        """Keep what one attack did to one batch; the file is written whole or not at all."""
        numbers = torch.tensor([part.seconds, part.passes, part.zero_gradient], dtype=torch.float64)
        tree = {name: value for name, value in vars(part).items() if isinstance(value, Tensor)}
        self._write(attack, tree | {"numbers": numbers, "skipped": _bytes(part.skipped)})

    def read_proofs(self, method: str, rows: Int[Tensor, " rows"]) -> list[ProofPart]:
        """The parts of a proof that are whole, as :meth:`read` has those of an attack."""
        found = [_as_proof(tree) for tree in self._trees(method)]
        return [part for part in found if bool(torch.isin(part.rows, rows).all())]

    def write_proof(self, method: str, part: ProofPart) -> None:
        """Keep what was proved of one batch; the file is written whole or not at all."""
        seconds = torch.tensor([part.seconds], dtype=torch.float64)
        self._write(method, {"rows": part.rows, "proved": part.proved, "numbers": seconds})

    def _trees(self, key: str) -> Iterator[dict[str, Tensor]]:
        """The tensors of every part of an attack or a proof that is whole."""
        for file in sorted(self.folder.glob(f"{_key(key)}-*.part")):
            tree = self._tree(file, key)
            if tree is None:
                warnings.warn(
                    f"{file} is damaged (its checksum is not that of its contents) and is left out: that batch is "
                    "computed again.",
                    stacklevel=4,
                )
            else:
                yield tree

    def _write(self, key: str, tree: dict[str, Tensor]) -> None:
        marked = tree | {"mark": _bytes(self._mark + key)}
        payload = save({name: values.clone().contiguous() for name, values in marked.items()})
        name = f"{_key(key)}-{int(tree['rows'][0]):08d}.part"
        content = hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload
        write_whole(self.folder / name, lambda path: path.write_bytes(content))

    def _tree(self, file: Path, key: str) -> dict[str, Tensor] | None:
        """The tensors of one part, or None where it is damaged."""
        sums, _, payload = file.read_bytes().partition(b"\n")
        if hashlib.sha256(payload).hexdigest().encode() != sums:
            return None
        try:
            tree = load(payload)
            return tree if _text(tree.pop("mark")) == self._mark + key else None
        except (SafetensorError, KeyError, ValueError):
            return None

    def _same(self, header: Path) -> bool:
        """Whether the header can be read; refuse where it is of another evaluation."""
        try:
            before = json.loads(header.read_bytes())
        except ValueError:
            return False
        if not isinstance(before, dict) or "format" not in before:
            return False
        changed = {name: now for name, now in self._settings.items() if before.get(name) != now}
        if changed:
            text = "; ".join(
                f"{name}: {MEANINGS.get(name, f'{before.get(name)} then, {now} now')}"
                for name, now in changed.items()
            )
            raise ValueError(
                f"{self.folder} belongs to another evaluation, so that its results cannot be used ({text}). Name "
                "another folder, remove this one to begin again, or go back to what it was."
            )
        return True


def _key(attack: str) -> str:
    return hashlib.sha256(attack.encode()).hexdigest()[:16]


def _as_result(tree: dict[str, Tensor]) -> BatchResult:
    skipped = _text(tree.pop("skipped"))
    seconds, passes, zero = tree.pop("numbers").tolist()
    return BatchResult(**tree, seconds=seconds, passes=int(passes), zero_gradient=bool(zero), skipped=skipped)


def _as_proof(tree: dict[str, Tensor]) -> ProofPart:
    (seconds,) = tree.pop("numbers").tolist()
    return ProofPart(**tree, seconds=seconds)


def _text(letters: Tensor) -> str:
    return bytes(letters.tolist()).decode()


def _bytes(text: str) -> Tensor:
    return torch.tensor(list(text.encode()), dtype=torch.uint8)
