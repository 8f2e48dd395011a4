"""The report of an evaluation: its data, and how they are printed and saved."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from advnotes.evaluation.report.html import html_page
from advnotes.evaluation.report.json import from_json, to_json
from advnotes.evaluation.report.terminal import rich_report, text_report
from advnotes.evaluation.results import EvaluationResult
from advnotes.files import write_whole

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Report", "load_adversarial"]


@dataclass(frozen=True)
class Report(EvaluationResult):
    """What :func:`~advnotes.evaluation.evaluate` found, to be printed and saved.

    Its fields are those of :class:`~advnotes.evaluation.EvaluationResult`.
    """

    def to_json(self) -> str:
        """All of it but ``adversarial``, as JSON. Shares have their intervals beside them, for other programs."""
        return to_json(self)

    @staticmethod
    def from_json(text: str) -> Report:
        """The report that :meth:`to_json` wrote.

        Raises:
            ValueError: where the text is no report, or has a schema that this version does not know.
        """
        return Report(**from_json(text))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as ``.json``, to be read again, or as ``.html``, one page to be looked at.

        The file is written whole or not at all.

        Raises:
            ValueError: where the suffix is another.
        """
        target = Path(path)
        if target.suffix == ".json":
            text = self.to_json() + "\n"
        elif target.suffix in (".html", ".htm"):
            text = html_page(self)
        else:
            raise ValueError(f"a report is saved as .json or .html, got {target.name!r}")
        return write_whole(target, lambda path: path.write_text(text, encoding="utf-8", newline="\n"))

    def save_adversarial(self, path: str | os.PathLike[str]) -> Path:
        """Write the inputs after the attacks (``x``), their labels (``y``) and ``fooled`` as ``.safetensors``.

        :func:`~advnotes.evaluation.load_adversarial` reads them, and ``advnotes evaluate OTHER --data FILE`` evaluates
        another model on them. A sample that was not fooled is in the file as it came.

        Raises:
            ValueError: where the suffix is another, or the inputs were not kept.
        """
        target = Path(path)
        if target.suffix != ".safetensors":
            raise ValueError(f"adversarial inputs are saved as .safetensors, got {target.name!r}")
        if self.adversarial is None:
            raise ValueError("the inputs after the attacks were not kept: evaluate(..., keep=True)")
        tensors = {
            "x": self.adversarial.contiguous(),
            "y": torch.tensor(self.labels),
            "fooled": torch.tensor(self.fooled_by) >= 0,
        }
        facts = {"threat": self.threat, "model_hash": self.model_hash, "data_hash": self.data_hash}
        return write_whole(target, lambda path: save_file(tensors, path, metadata=facts))

    def __str__(self) -> str:
        return text_report(self)

    def __rich__(self) -> RenderableType:
        return rich_report(self)


def load_adversarial(path: str | os.PathLike[str]) -> tuple[Tensor, Tensor]:
    """The inputs after the attacks, and their labels, as :meth:`Report.save_adversarial` wrote them.

    They are data as ``evaluate`` and ``accuracy`` take them, to be tried on another model.

    Raises:
        ValueError: where there is no such file, or it holds something else.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not {"x", "y", "fooled"} <= set(tensors):
        raise ValueError(
            f"{path} must hold x, y and fooled, as Report.save_adversarial writes them; it holds "
            f"{', '.join(tensors) or 'nothing'}"
        )
    return tensors["x"], tensors["y"]
