"""The scorecard: every claim of every chapter, what the paper says, what we measured, and the verdict.

Claims are read from the outputs of executed chapters. A GPU's measurements are kept in ``book/measured/gpu.json``
(``advnotes score --profile gpu --save``), because the machine that binds the book rarely has one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from advnotes.publish import chapters as book
from advnotes.publish.run import claims, plan, write

HOLDS, FAILS, UNJUDGED = "holds", "not reproduced", "not judged"


@dataclass(frozen=True)
class Measurement:
    """What one profile measured for a claim."""

    profile: str
    measured: list[float]
    seeds: list[int]
    format: str
    verdict: str
    device: str

    @property
    def text(self) -> str:
        """The mean, the range where there is one, and the seeds that it is over."""
        show = self.format.format
        if len(self.measured) == 1 and len(self.seeds) > 1:  # a value that no seed decides
            return show(self.measured[0])
        seeds = _span(self.seeds)
        low, high = show(min(self.measured)), show(max(self.measured))
        spread = f"{low} to {high}, " if low != high else ""
        return f"{show(sum(self.measured) / len(self.measured))} ({spread}{seeds})"


@dataclass(frozen=True)
class Row:
    """One claim. ``here`` is the profile that the book is bound from, ``gpu`` what a GPU measured, if one did."""

    chapter: str
    title: str
    statement: str
    paper: str
    where: str
    bound: str
    known: str | None
    here: Measurement
    gpu: Measurement | None

    @property
    def verdict(self) -> str:
        """At the profile that the book is bound from."""
        return self.here.verdict


@dataclass(frozen=True)
class Scorecard:
    """All claims at one profile; ``missing`` names the chapters without a current execution."""

    profile: str
    rows: list[Row]
    missing: list[str]

    def having(self, verdict: str) -> list[Row]:
        """The claims with this verdict, in the book's order."""
        return [row for row in self.rows if row.verdict == verdict]

    @property
    def unexpected(self) -> list[Row]:
        """Claims that do not hold although nothing says that they are known not to."""
        return [row for row in self.having(FAILS) if not row.known]

    @property
    def surprises(self) -> list[Row]:
        """Claims listed as known not to reproduce that hold all the same: take them off the list."""
        return [row for row in self.having(HOLDS) if row.known]

    @cached_property
    def summary(self) -> str:
        """One line: how many hold, do not, and were not judged."""
        known = len(self.having(FAILS)) - len(self.unexpected)
        fails = f"{len(self.having(FAILS))} not reproduced" + (f" ({known} of them known)" if known else "")
        unjudged = f"{len(self.having(UNJUDGED))} not judged"
        return f"{len(self.rows)} claims: {len(self.having(HOLDS))} hold, {fails}, {unjudged}"


def _span(seeds: list[int]) -> str:
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]}-{seeds[-1]}"
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _measurement(claim: dict[str, Any]) -> Measurement:
    fields = {name: claim[name] for name in ("profile", "measured", "seeds", "format", "verdict", "device")}
    return Measurement(**fields)


def measured_file(root: Path) -> Path:
    """Where a GPU's measurements are kept, in the repository."""
    return root / "book" / "measured" / "gpu.json"


def _gpu_claims(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Chapter -> claims that a GPU measured."""
    file = measured_file(root)
    if not file.is_file():
        return {}
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))["chapters"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"expected what `advnotes score --profile gpu --save` writes in {file}, got {error!r}"
        ) from error


def scorecard(root: Path, profile: str = book.LAPTOP) -> Scorecard:
    """Read the claims of all chapters whose execution at this profile is current."""
    gpu = _gpu_claims(root)
    rows: list[Row] = []
    missing = []
    for p in plan(book.chapters(root), profile):
        if p.reason:
            missing.append(p.chapter.name)
            continue
        executed = json.loads(p.chapter.executed(profile).read_text(encoding="utf-8"))
        elsewhere = {claim["statement"]: claim for claim in gpu.get(p.chapter.name, [])}
        seen = set()
        for claim in claims(executed):
            statement = claim["statement"]
            if statement in seen:
                raise ValueError(
                    f"{p.chapter.name} claims twice: {statement!r}; word one of the two otherwise"
                )
            seen.add(statement)
            rows.append(
                Row(
                    chapter=p.chapter.name,
                    title=p.chapter.title,
                    **{name: claim[name] for name in ("statement", "paper", "where", "bound", "known")},
                    here=_measurement(claim),
                    gpu=_measurement(elsewhere[statement]) if statement in elsewhere else None,
                )
            )
    return Scorecard(profile, rows, missing)


def save(card: Scorecard, root: Path) -> Path:
    """Write ``_build/<profile>/scorecard.json``."""
    path = book.build(root, card.profile) / "scorecard.json"
    write(path, json.dumps(asdict(card) | {"summary": card.summary}, indent=1) + "\n")
    return path


def save_gpu(root: Path, profile: str) -> Path:
    """Keep the claims just measured at a GPU's profile; chapters not executed now keep their earlier ones."""
    kept = _gpu_claims(root)
    for p in plan(book.chapters(root), profile):
        if not p.reason:
            executed = json.loads(p.chapter.executed(profile).read_text(encoding="utf-8"))
            kept[p.chapter.name] = list(claims(executed))
    devices = sorted({claim["device"] for found in kept.values() for claim in found})
    if not devices:
        raise ValueError(
            f"no chapter has been executed at {profile}; run `advnotes run --profile {profile}` first"
        )
    if on_cpu := [device for device in devices if device.lower().startswith("cpu")]:
        raise ValueError(
            f"expected measurements from a GPU, got some from {on_cpu[0]!r}; run them where there is one"
        )
    write(
        measured_file(root),
        json.dumps({"devices": devices, "chapters": kept}, indent=1, sort_keys=True) + "\n",
    )
    return measured_file(root)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _verdict(row: Row) -> str:
    verdict = f"**{row.verdict}**" if row.verdict == FAILS else row.verdict
    if row.gpu is not None and row.gpu.verdict != row.verdict:
        verdict += f"; on the GPU: {row.gpu.verdict}"
    return verdict


def _chapter(rows: list[Row], profile: str) -> list[str]:
    """One chapter's heading and table."""
    head = ["Verdict", "Claim", "Paper", f"Ours, {profile}", "Ours, GPU", "Bound"]
    lines = ["", f"## [{_cell(rows[0].title)}]({rows[0].chapter}.ipynb)", ""]
    lines += [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = [
            _verdict(row),
            _cell(row.statement),
            _cell(f"{row.paper} [{row.where}]"),
            _cell(row.here.text),
            _cell(row.gpu.text) if row.gpu else "not run",
            _cell(row.bound),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def scorecard_markdown(root: Path, profile: str = book.LAPTOP) -> str:
    """The scorecard as a page's body, for a page that lies in ``book/`` (it has no heading of level one)."""
    return markdown(scorecard(root, profile))


def markdown(card: Scorecard) -> str:
    """A scorecard in Markdown: a summary, what did not reproduce and why, then a table for each chapter."""
    if not card.rows:
        return "No claim has been measured yet: `advnotes book` executes the chapters and fills this page.\n"
    lines = [f"{card.summary}.", ""]
    if devices := sorted({row.gpu.device for row in card.rows if row.gpu}):
        lines += [f"GPU: {', '.join(devices)}.", ""]
    if card.missing:
        lines += [f"Not executed since they were changed: {', '.join(card.missing)}.", ""]
    if failed := card.having(FAILS):
        lines += ["## What did not reproduce", ""]
        for row in failed:
            why = row.known or "No reason is known yet."
            lines.append(
                f"- [{_cell(row.title)}]({row.chapter}.ipynb): {' '.join(row.statement.split())}. "
                f"Paper: {row.paper} [{row.where}]; here: {row.here.text}; bound: {row.bound}. {why}"
            )
    if card.surprises:
        lines += ["", "## What was not expected to hold, and does", ""]
        lines += [f"- [{_cell(row.title)}]({row.chapter}.ipynb): {row.statement}" for row in card.surprises]
    for _, rows in groupby(card.rows, key=lambda row: row.chapter):
        lines += _chapter(list(rows), card.profile)
    return "\n".join(lines) + "\n"
