"""What an evaluation has found so far, on the disk, so that it can be stopped at any time and go on where it was.

A part is what one attack did to one batch: a file of safetensors behind the checksum of its bytes, written under a
temporary name and then renamed. Each part names the samples that it is about, so that another batch size or another
number of processes can go on with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int, Shaped
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

__all__ = ["Journal", "Part"]

HEADER = "evaluation.json"
FORMAT = "advnotes.journal/2"

#: What to do about each thing that can differ.
MEND = {
    "model": "its parameters, buffers, settings or code are others",
    "data": "the samples, their labels or their radii are others",
    "norm": "the radius of the threat, its settings or its code are others",
}


@dataclass(frozen=True)
class Part:
    """What one attack did to one batch.

    Args:
        rows: which samples, by their place in the evaluation's own order.
        said: what the model says of each under attack.
        fooled: whether the attack succeeded, verified.
        claimed: whether it seemed to succeed.
        distance: the norm of each perturbation.
        kept: which of ``rows`` have their perturbed input kept.
        inputs: those inputs.
        seconds: the time that it took.
        passes: how many samples went forward through the model.
        blind: whether there were gradients that were zero or not finite, on samples that were not fooled.
        refused: why the attack cannot be used on this model; empty where it can.
    """

    rows: Int[Tensor, " batch"]
    said: Int[Tensor, " batch"]
    fooled: Bool[Tensor, " batch"]
    claimed: Bool[Tensor, " batch"]
    distance: Float[Tensor, " batch"]
    kept: Int[Tensor, " kept"]
    inputs: Shaped[Tensor, "kept ..."]
    seconds: float
    passes: int
    blind: bool
    refused: str = ""


class Journal:
    """The folder of an evaluation.

    Args:
        folder: made where there is none.
        settings: what must be the same for parts to be used again, by name.
    """

    def __init__(self, folder: str | os.PathLike[str], settings: Mapping[str, str]) -> None:
        self.folder = Path(folder)
        self._settings = {"format": FORMAT, **settings}
        self._mark = hashlib.sha256(json.dumps(sorted(self._settings.items())).encode()).hexdigest()

    def begin(self) -> None:
        """Make the folder, or check that it is of the same evaluation; for one of the processes.

        Raises:
            ValueError: where the folder belongs to an evaluation of something else, or is not one of an evaluation.

        Warns:
            UserWarning: where the header is damaged. The parts carry its mark, so that nothing else is lost.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".*.partial"):  # of a run that was killed while it wrote
            left.unlink(missing_ok=True)
        header = self.folder / HEADER
        if not header.exists():
            strangers = [entry.name for entry in self.folder.iterdir() if entry.suffix != ".part"]
            if strangers:
                raise ValueError(
                    f"{self.folder} holds other things ({strangers[0]}, ...) and no evaluation: name an empty or a new "
                    "folder"
                )
        elif not self._same(header):
            warnings.warn(f"{header} is damaged and is written again.", stacklevel=3)
        _write(header, (json.dumps(self._settings, indent=1) + "\n").encode())

    def read(self, attack: str) -> list[Part]:
        """The parts of an attack that are there and whole.

        Args:
            attack: its identity (:func:`advnotes.identity.identify`).
        """
        found = []
        for file in sorted(self.folder.glob(f"{_key(attack)}-*.part")):
            part = self._part(file, attack)
            if part is None:
                warnings.warn(
                    f"{file} is damaged (its checksum is not that of its contents) and is left out: that batch is "
                    "attacked again.",
                    stacklevel=3,
                )
            else:
                found.append(part)
        return found

    def write(self, attack: str, part: Part) -> None:
        """Keep what was found; the file is there whole or not at all."""
        numbers = torch.tensor([part.seconds, part.passes, part.blind], dtype=torch.float64)
        tree = {
            "rows": part.rows,
            "said": part.said,
            "fooled": part.fooled,
            "claimed": part.claimed,
            "distance": part.distance,
            "kept": part.kept,
            "inputs": part.inputs,
            "numbers": numbers,
            "mark": _letters(self._mark + attack),
            "refused": _letters(part.refused),
        }
        payload = save({name: values.clone().contiguous() for name, values in tree.items()})
        name = f"{_key(attack)}-{int(part.rows[0]):08d}.part"
        _write(self.folder / name, hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)

    def _part(self, file: Path, attack: str) -> Part | None:
        """One part, or None where it is damaged."""
        sums, _, payload = file.read_bytes().partition(b"\n")
        if hashlib.sha256(payload).hexdigest().encode() != sums:
            return None
        try:
            tree = load(payload)
            mark, refused = (bytes(tree.pop(name).tolist()).decode() for name in ("mark", "refused"))
            seconds, passes, blind = tree.pop("numbers").tolist()
            if mark != self._mark + attack:
                return None
            return Part(**tree, seconds=seconds, passes=int(passes), blind=bool(blind), refused=refused)
        except (SafetensorError, KeyError, TypeError, ValueError):
            return None

    def _same(self, header: Path) -> bool:
        """Whether the header can be read; where it says something else than is asked now, refuse."""
        try:
            before = json.loads(header.read_bytes())
        except ValueError:
            return False
        if not isinstance(before, dict) or "format" not in before:
            return False
        changed = {name: now for name, now in self._settings.items() if before.get(name) != now}
        if changed:
            said = "; ".join(
                f"{name}: {MEND.get(name, f'{before.get(name)} then, {now} now')}"
                for name, now in changed.items()
            )
            raise ValueError(
                f"{self.folder} was begun with something else, so that its results cannot be used ({said}). Name "
                "another folder, remove this one to begin again, or go back to what it was begun with."
            )
        return True


def _key(attack: str) -> str:
    return hashlib.sha256(attack.encode()).hexdigest()[:16]


def _letters(text: str) -> Tensor:
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


def _write(target: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, whatever happens."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.partial")
    with unfinished.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(target)
