"""What an evaluation found, in a form that can be kept, compared and shown."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from advnotes.attacks.attack import Attack
from advnotes.metrics.accuracy import Proportion

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["AttackResult", "Example", "Finding", "Report", "Severity"]

#: How much a finding weighs: "masking" says that robust accuracy cannot be trusted as it stands, "warning" that
#: something wants a look, "note" that a reader should know.
Severity = Literal["masking", "warning", "note"]

SCHEMA = "advnotes.report/1"


@dataclass(frozen=True)
class Finding:
    """Something that the diagnosis noticed about a model.

    Args:
        name: what it is, in a few words.
        severity: see :data:`Severity`.
        evidence: what was measured, with its numbers.
        meaning: what that says about the robust accuracy.
        done: what the evaluation did about it.
        remedies: attacks that get through nevertheless; the evaluation adds them to its own. Not saved.
    """

    name: str
    severity: Severity
    evidence: str
    meaning: str
    done: str
    remedies: tuple[Attack, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class AttackResult:
    """What one attack of the ensemble did.

    Args:
        name: unique in its report.
        tried: the samples that were still standing when its turn came.
        fooled: those that it fooled, each verified.
        seconds: on the clock, of all processes together.
        passes: how many samples went forward through the model.
        unverified: those that it seemed to fool, but not the untouched model in the precision of the data.
        settings: every choice of the attack.
    """

    name: str
    tried: int
    fooled: int
    seconds: float = field(compare=False)
    passes: int = field(compare=False)
    unverified: int = 0
    settings: str = ""


@dataclass(frozen=True)
class Example:
    """A sample and what an attack made of it.

    Args:
        index: its place in the data.
        label: its class.
        prediction: what the model says of ``x``.
        attacked: what the model says of ``x_adv``.
        attack: the name of the attack.
        x, x_adv: the input without and with the perturbation, of the shape of one sample, on the CPU.
    """

    index: int
    label: int
    prediction: int
    attacked: int
    attack: str
    x: Tensor = field(compare=False, repr=False)
    x_adv: Tensor = field(compare=False, repr=False)


@dataclass(frozen=True)
class Report:
    """What :func:`~advnotes.evaluation.evaluate` found. Two are equal where the model, the data and every verdict are.

    Args:
        model: the model's class or name, and what it consists of.
        parameters: how many numbers it has learnt.
        model_hash: SHA-256 of the model's parameters, buffers, settings and code.
        data_hash: SHA-256 of the samples, labels and radii, in whatever order they came.
        shape: of one input.
        classes: how many logits the model returns.
        bounds: the range of the input.
        norm: the threat's: "Linf", "L2" or "L1".
        eps: its radius in the unit of the input, or one for each sample.
        seed: what all randomness came from.
        labels: the class of each sample.
        predictions: what the model says of each sample without an attack.
        attacked: what it says of each sample under attack: where the sample was fooled, at the point that fooled it;
            otherwise as without.
        fooled_by: for each sample the index in ``attacks`` of the one that fooled it; -1 where none did or needed to.
        attacks: in the order in which they ran, each on what those before had left.
        curve: radii in ascending order with the share of samples that no attack was seen to fool within them. Where
            each sample has its own eps, the radii are multiples of it.
        curve_attack: how the curve was measured, in words.
        findings: what the diagnosis noticed; empty where nothing was or it was left out (``diagnosed``).
        diagnosed: whether the diagnosis ran.
        notes: what a reader should know about how this was measured.
        examples: a few of the samples that were fooled.
        environment: versions and device.
        date: when it ended, in UTC.
        seconds: how long all of it took on the clock, the time before an interruption not included.
        adversarial: every input after the attacks, where they were asked to be kept. Not saved.
    """

    model: str
    parameters: int
    model_hash: str
    data_hash: str
    shape: tuple[int, ...]
    classes: int
    bounds: tuple[float, float]
    norm: str
    eps: float | tuple[float, ...]
    seed: int
    labels: tuple[int, ...] = field(repr=False)
    predictions: tuple[int, ...] = field(repr=False)
    attacked: tuple[int, ...] = field(repr=False)
    fooled_by: tuple[int, ...] = field(repr=False)
    attacks: tuple[AttackResult, ...]
    curve: tuple[tuple[float, Proportion], ...] = ()
    curve_attack: str = ""
    findings: tuple[Finding, ...] = ()
    diagnosed: bool = True
    notes: tuple[str, ...] = ()
    examples: tuple[Example, ...] = field(default=(), repr=False)
    environment: str = field(default="", compare=False)
    date: str = field(default="", compare=False)
    seconds: float = field(default=0.0, compare=False)
    adversarial: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def size(self) -> int:
        """How many samples were evaluated."""
        return len(self.labels)

    @property
    def right(self) -> tuple[bool, ...]:
        """Whether each sample is in its class without an attack."""
        return tuple(said == label for said, label in zip(self.predictions, self.labels, strict=True))

    @property
    def standing(self) -> tuple[bool, ...]:
        """Whether each sample is in its class and no attack was found to move it out."""
        return tuple(right and attack < 0 for right, attack in zip(self.right, self.fooled_by, strict=True))

    @property
    def clean(self) -> Proportion:
        """The share of samples in their class without an attack."""
        return Proportion(sum(self.right), self.size)

    @property
    def robust(self) -> Proportion:
        """The share of samples that no attack moved out of their class, which is no lower than the true one."""
        return Proportion(sum(self.standing), self.size)

    @property
    def per_class(self) -> dict[int, tuple[Proportion, Proportion]]:
        """The clean and the robust share of each class that occurs."""
        totals: dict[int, list[int]] = {}
        for label, right, standing in zip(self.labels, self.right, self.standing, strict=True):
            counts = totals.setdefault(label, [0, 0, 0])
            for i, one in enumerate((True, right, standing)):
                counts[i] += one
        return {
            label: (Proportion(right, total), Proportion(standing, total))
            for label, (total, right, standing) in sorted(totals.items())
        }

    @property
    def masking(self) -> tuple[Finding, ...]:
        """The findings that say that the robust accuracy cannot be trusted as it stands."""
        return tuple(finding for finding in self.findings if finding.severity == "masking")

    @property
    def threat(self) -> str:
        """The threat in words, such as "Linf, eps = 8/255"."""
        if not isinstance(self.eps, tuple):
            return f"{self.norm}, eps = {_radius(self.eps, self.bounds)}"
        low, high = (_radius(end, self.bounds) for end in (min(self.eps), max(self.eps)))
        return f"{self.norm}, eps of each sample's own, from {low} to {high}"

    def to_json(self) -> str:
        """All of it but ``adversarial``, as JSON. Shares have their intervals beside them, for other programs."""
        tree: dict[str, Any] = {"schema": SCHEMA}
        for item in dataclasses.fields(self):
            if item.name != "adversarial":
                tree[item.name] = _plain(getattr(self, item.name))
        derived = {"clean": self.clean, "robust": self.robust}
        tree |= {name: _plain(value) for name, value in derived.items()}
        return json.dumps(tree, indent=1, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Report:
        """The report that :meth:`to_json` wrote.

        Raises:
            ValueError: where the text is none, or of a schema that this version does not know.
        """
        try:
            tree = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"a report is JSON as Report.to_json() writes it, but {error}") from error
        schema = tree.get("schema") if isinstance(tree, dict) else None
        if schema != SCHEMA:
            raise ValueError(
                f"expected a report of the schema {SCHEMA!r}, got {schema!r}: was it written by advnotes, or by a "
                "later version of it?"
            )
        try:
            return _report(tree)
        except (KeyError, TypeError) as error:
            raise ValueError(f"the report is incomplete or damaged: {error!r}") from error

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as ``.json``, to be read again, or as ``.html``, one page with all in it, to be looked at.

        The file is there whole or not at all.

        Raises:
            ValueError: where the suffix is another.
        """
        target = Path(path)
        if target.suffix == ".json":
            text = self.to_json() + "\n"
        elif target.suffix in (".html", ".htm"):
            from advnotes.evaluation.page import page

            text = page(self)
        else:
            raise ValueError(f"a report is saved as .json or .html, got {target.name!r}")
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            unfinished.write_text(text, encoding="utf-8", newline="\n")
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        return target

    def __str__(self) -> str:
        lines = [
            f"{self.model}, {self.parameters:,} parameters, on {self.size:,} samples; {self.threat}",
            f"clean accuracy   {self.clean}",
            f"robust accuracy  {self.robust}" + ("  (not to be trusted, see below)" if self.masking else ""),
        ]
        lines += [
            f"  {result.name}: fooled {result.fooled} of {result.tried}"
            + (f", {result.unverified} more unverified" if result.unverified else "")
            + f" ({result.seconds:.1f} s)"
            for result in self.attacks
        ]
        lines += [f"{finding.severity}: {finding.name}. {_sentences(finding)}" for finding in self.findings]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        head = Text(f"{self.model}, {self.parameters:,} parameters, {self.size:,} samples; {self.threat}")
        shares = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        shares.add_row("clean accuracy", str(self.clean))
        doubt = Text("not to be trusted, see below", style="bold red") if self.masking else Text("")
        shares.add_row("robust accuracy", Text(str(self.robust), style="bold"), doubt)
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("attack")
        for column in ("tried", "fooled", "unverified", "passes", "seconds"):
            table.add_column(column, justify="right")
        for result in self.attacks:
            numbers = (result.tried, result.fooled, result.unverified, result.passes)
            table.add_row(Text(result.name), *(f"{number:,}" for number in numbers), f"{result.seconds:.1f}")
        styles = {"masking": "bold red", "warning": "yellow", "note": "dim"}
        said = [
            Text.assemble(
                (f"{finding.severity}: {finding.name}. ", styles[finding.severity]), _sentences(finding)
            )
            for finding in self.findings
        ]
        notes = [Text(f"note: {note}", style="dim") for note in self.notes]
        return Group(head, shares, table, *said, *notes)


def _sentences(finding: Finding) -> str:
    return " ".join(part for part in (finding.evidence, finding.meaning, finding.done) if part)


def _radius(eps: float, bounds: tuple[float, float]) -> str:
    """A radius as people write it: in 255ths where it is a whole number of them and pixels are in [0, 1]."""
    steps = eps * 255
    if bounds == (0.0, 1.0) and 0 < round(steps) < 255 and abs(steps - round(steps)) < 1e-4:
        hundredths = eps * 100
        if abs(hundredths - round(hundredths)) > 1e-6:
            return f"{round(steps)}/255"
    return f"{eps:.6g}"


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Proportion):
        return {
            "count": value.count,
            "total": value.total,
            "value": value.value,
            "low": value.low,
            "high": value.high,
        }
    if isinstance(value, Tensor):
        numbers = value.detach().float().cpu().numpy().astype("<f4")
        return {"shape": list(value.shape), "float32": base64.b64encode(numbers.tobytes()).decode("ascii")}
    if dataclasses.is_dataclass(value):
        return {
            item.name: _plain(getattr(value, item.name))
            for item in dataclasses.fields(value)
            if item.name != "remedies"
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _report(tree: dict[str, Any]) -> Report:
    made: dict[str, Any] = {
        item.name: tree[item.name] for item in dataclasses.fields(Report) if item.name != "adversarial"
    }
    for name in ("shape", "labels", "predictions", "attacked", "fooled_by", "notes"):
        made[name] = tuple(made[name])
    made["bounds"] = (float(made["bounds"][0]), float(made["bounds"][1]))
    made["eps"] = tuple(made["eps"]) if isinstance(made["eps"], list) else made["eps"]
    made["attacks"] = tuple(AttackResult(**item) for item in made["attacks"])
    made["findings"] = tuple(Finding(**item) for item in made["findings"])
    made["curve"] = tuple((eps, Proportion(at["count"], at["total"])) for eps, at in made["curve"])
    made["examples"] = tuple(
        Example(**{**item, "x": _tensor(item["x"]), "x_adv": _tensor(item["x_adv"])})
        for item in made["examples"]
    )
    return Report(**made)


def _tensor(plain: dict[str, Any]) -> Tensor:
    numbers = np.frombuffer(base64.b64decode(plain["float32"]), dtype="<f4").astype(np.float32)
    return torch.from_numpy(numbers).reshape(plain["shape"])
