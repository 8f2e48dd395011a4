"""A report as plain text and as a table for the terminal."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from advnotes.evaluation.results import EvaluationResult, Finding

__all__ = ["rich_report", "text_report"]

STYLES = {"masking": "bold red", "warning": "yellow", "note": "dim"}
DOUBT = "not to be trusted, see below"


def text_report(result: EvaluationResult) -> str:
    """A report in lines of text."""
    lines = [
        f"{result.model}, {result.parameters:,} parameters, on {result.size:,} samples; {result.threat}",
        f"clean accuracy   {result.clean}",
        f"robust accuracy  {result.robust}" + (f"  ({DOUBT})" if result.masking else ""),
        *(f"{'':17}{words}" for words in _proof(result)),
    ]
    lines += [
        f"  {attack.name}: fooled {attack.fooled} of {attack.tried}"
        + (f", {attack.unverified} more unverified" if attack.unverified else "")
        + f" ({attack.seconds:.1f} s)"
        for attack in result.attacks
    ]
    lines += [f"{finding.severity}: {finding.name}. {_sentences(finding)}" for finding in result.findings]
    return "\n".join([*lines, *(f"note: {note}" for note in result.notes)])


def rich_report(result: EvaluationResult) -> Group:
    """A report with a table of its attacks and with colours."""
    head = Text(f"{result.model}, {result.parameters:,} parameters, {result.size:,} samples; {result.threat}")
    shares = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    shares.add_row("clean accuracy", str(result.clean))
    doubt = Text(DOUBT if result.masking else "", style="bold red")
    shares.add_row("robust accuracy", Text(str(result.robust), style="bold"), doubt)
    for words in _proof(result):
        shares.add_row("", Text(words, style="bold green" if result.certified else "dim"))
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("attack")
    for column in ("tried", "fooled", "unverified", "passes", "seconds"):
        table.add_column(column, justify="right")
    for attack in result.attacks:
        numbers = (attack.tried, attack.fooled, attack.unverified, attack.passes)
        table.add_row(Text(attack.name), *(f"{number:,}" for number in numbers), f"{attack.seconds:.1f}")
    findings = [
        Text.assemble((f"{f.severity}: {f.name}. ", STYLES[f.severity]), _sentences(f))
        for f in result.findings
    ]
    notes = [Text(f"note: {note}", style="dim") for note in result.notes]
    return Group(head, shares, table, *findings, *notes)


def _proof(result: EvaluationResult) -> list[str]:
    """What a proof adds: the interval, or why there is none."""
    if result.proof is None:
        return []
    return [result.between or f"nothing is proved: {result.proof.refusal}"]


def _sentences(finding: Finding) -> str:
    return " ".join(part for part in (finding.evidence, finding.meaning, finding.done) if part)
