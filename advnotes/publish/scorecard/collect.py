"""The scorecard: every claim of every chapter, judged over seeds and over all machines that it was measured on.

Claims are read from the outputs of executed chapters and from the recorded machines (``advnotes record``). A claim's
verdict is over the comparable runs of one profile: those recorded, and the one executed here.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advnotes.claim_bounds import is_share
from advnotes.claim_verdicts import (
    EDGE,
    FAILS,
    HOLDS,
    ROOM,
    UNJUDGED,
    Finding,
    Verdict,
    judge,
    reproduced,
    scatter,
)
from advnotes.claims import KINDS, Claim
from advnotes.environment import machine
from advnotes.publish import chapters as book
from advnotes.publish.chapters import Chapter
from advnotes.publish.files import write
from advnotes.publish.scorecard.measured import Machine, executed_claims, machines, missing
from advnotes.publish.staleness.plan import plan


@dataclass(frozen=True)
class Row:
    """One claim: how it was executed here (if it was), and its recorded runs at this profile and on a GPU."""

    chapter: Chapter
    claim: Claim
    here: Claim | None
    recorded: list[Claim]
    gpu: list[Claim]

    @property
    def runs(self) -> list[Claim]:
        """Every run that counts: those recorded on other machines, and the one executed here."""
        if self.here is None:
            return self.recorded
        own = machine(self.here.environment)
        return [*(run for run in self.recorded if machine(run.environment) != own), self.here]

    @property
    def spread(self) -> float | None:
        """The standard deviation within a run, over all runs; None where the values are not random."""
        return None if self.claim.exact else scatter([run.measured for run in self.runs], self.claim.n)

    def judge(self, runs: list[Claim], spread: float | None = None) -> Finding:
        """The finding over some of the runs; :func:`advnotes.claim_verdicts.judge` says what ``spread`` is."""
        bound, values = self.claim.bound, [run.measured for run in runs]
        if self.claim.profile == "smoke":
            return Finding(UNJUDGED, self.claim.judge().mean, 0.0, 0.0)
        return judge(values, bound.low, bound.high, n=self.claim.n, exact=self.claim.exact, spread=spread)

    def alone(self, run: Claim) -> Finding:
        """The finding over one run, with the scatter estimated from all runs."""
        return self.judge([run], self.spread)

    @property
    def found(self) -> Finding:
        """The finding over all runs."""
        return self.judge(self.runs)

    @property
    def verdict(self) -> Verdict:
        """The verdict over all runs."""
        return self.found.verdict

    @property
    def differs(self) -> bool:
        """Whether the run here, judged alone, has another verdict than the recorded machines."""
        if self.here is None or not self.recorded or self.verdict == UNJUDGED:
            return False
        return self.alone(self.here).verdict != self.judge(self.recorded).verdict

    @property
    def contradicted(self) -> bool:
        """Whether a claim holds on the recorded machines and is clearly outside its bound here."""
        if self.here is None or not self.recorded or self.judge(self.recorded).verdict != HOLDS:
            return False
        found = self.alone(self.here)
        return found.verdict == FAILS and -found.room >= ROOM * found.error

    @property
    def reproduced(self) -> str:
        """``"number"``, ``"direction"`` or nothing, for what a paper says."""
        if self.claim.kind != "paper":
            return ""
        return reproduced(self.found, self.claim.number, share=is_share(self.claim.format))


@dataclass(frozen=True)
class Scorecard:
    """All claims at one profile.

    ``unexecuted`` names the chapters without a current execution here, ``lost`` the claims (chapter, id) that a
    chapter's code states and its execution did not make, ``outdated`` the chapters that have changed since they were
    recorded, with the machine.
    """

    profile: str
    rows: list[Row]
    unexecuted: list[str]
    lost: list[tuple[str, str]]
    outdated: list[tuple[str, str]]

    def having(self, *verdicts: str) -> list[Row]:
        """The claims with one of these verdicts, in the book's order."""
        return [row for row in self.rows if row.verdict in verdicts]

    @property
    def unexplained(self) -> list[Row]:
        """What did not reproduce, and no reason is given."""
        return [row for row in self.having(FAILS) if not row.claim.reason]

    @property
    def surprises(self) -> list[Row]:
        """Claims that give a reason for not holding and yet hold on every machine: their reason should go."""
        return [
            row
            for row in self.having(HOLDS)
            if row.claim.reason and all(row.alone(run).verdict == HOLDS for run in row.runs)
        ]

    @property
    def summary(self) -> list[str]:
        """One line for each kind of claim: how many hold, are on the edge, are not reproduced or not judged."""
        names = {"paper": "claims of papers", "control": "controls", "identity": "identities"}
        lines = []
        for kind in KINDS:
            rows = [row for row in self.rows if row.claim.kind == kind]
            counts = Counter(row.verdict for row in rows)
            said = [f"{counts[word]} {word}" for word in (HOLDS, EDGE, FAILS, UNJUDGED) if counts[word]]
            numbers = sum(row.reproduced == "number" for row in rows)
            of_papers = f" (the paper's number itself: {numbers})" if kind == "paper" and numbers else ""
            if rows:
                lines.append(f"{len(rows)} {names[kind]}: {', '.join(said)}{of_papers}")
        return lines

    def problems(self) -> list[str]:
        """What the project's own tests do not accept: ``advnotes score --strict``."""
        known = {row.chapter.name for row in self.rows}
        found = [
            f"{name} has no current execution or record" for name in self.unexecuted if name not in known
        ]
        found += [
            f"{name} states the claim {id}, but its execution did not make it" for name, id in self.lost
        ]
        found += [
            f"{_name(row)} holds on the recorded machines, not here" for row in self.rows if row.contradicted
        ]
        found += [f"{_name(row)} is not reproduced, and no reason is given" for row in self.unexplained]
        if self.profile != "smoke":
            found += [f"{_name(row)} has one seed" for row in self.having(UNJUDGED)]
        return found


def _name(row: Row) -> str:
    return f"{row.chapter.name}: {row.claim.id}"


def scorecard(root: Path, profile: str = book.LAPTOP) -> Scorecard:
    """All claims of the book: executed here at this profile, or recorded at it on another machine."""
    recorded = machines(root)
    card = Scorecard(profile, [], [], [], [])
    for p in plan(book.chapters(root), profile):
        here = {} if p.reason else {claim.id: claim for claim in executed_claims(p.chapter, profile)}
        if p.reason:
            card.unexecuted.append(p.chapter.name)
        else:
            card.lost.extend((p.chapter.name, id) for id in missing(p.chapter, here))
        card.outdated.extend((p.chapter.name, one.name) for one in recorded if one.outdated(p.chapter))
        card.rows.extend(_rows(p.chapter, profile, here, recorded))
    return card


def _rows(chapter: Chapter, profile: str, here: dict[str, Claim], recorded: list[Machine]) -> list[Row]:
    """A chapter's claims, in its order where it was executed here."""
    runs: dict[str, dict[str, list[Claim]]] = {"here": {}, "gpu": {}}
    for one in recorded:
        column = "here" if one.profile == profile else "gpu" if one.profile == "gpu" else None
        for claim in one.claims(chapter) if column else []:
            runs[column or ""].setdefault(claim.id, []).append(claim)
    newest = {id: found[-1] for id, found in runs["here"].items()} | here
    order = [*here, *(id for id in newest if id not in here)]
    return [
        Row(chapter, newest[id], here.get(id), runs["here"].get(id, []), runs["gpu"].get(id, []))
        for id in order
    ]


def save(card: Scorecard, root: Path) -> Path:
    """Write ``_build/<profile>/scorecard.json``: every claim with its finding and its runs."""
    path = book.build_folder(root, card.profile) / "scorecard.json"
    write(
        path,
        json.dumps({"summary": card.summary, "claims": [_json(row) for row in card.rows]}, indent=1) + "\n",
    )
    return path


def _json(row: Row) -> dict[str, Any]:
    found = row.found
    return row.claim.record() | {
        "chapter": row.chapter.name,
        "verdict": found.verdict,
        "mean": found.mean,
        "standard_error": found.error,
        "room": found.room,
        "reproduced": row.reproduced,
        "runs": [{"machine": machine(run.environment), "measured": run.measured} for run in row.runs],
    }
