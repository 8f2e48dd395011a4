"""Do verdicts depend on the machine? Each recorded machine is judged alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from statistics import fmean

from advnotes.claim_verdicts import FAILS, HOLDS
from advnotes.environment import machine
from advnotes.publish import chapters as book
from advnotes.publish.scorecard.collect import Row, Scorecard, scorecard


@dataclass(frozen=True)
class Comparison:
    """Claims recorded on several machines, and how often the machines agree on them.

    Args:
        machines: the names of the machines.
        compared: the claims that were recorded on two of them or more.
        changed: those whose verdict is not the same on each.
        alone: how many have the same verdict on each machine when the scatter, too, is estimated from that
            machine's values only.
        pairs: the mean share of claims that two machines agree on.
        ways: the mean share of claims on which three runs agree: one with a processor as it is, one that imitates an
            older one, and one on several threads; None where no claim was recorded in all three ways.
    """

    machines: list[str]
    compared: list[Row]
    changed: list[Row]
    alone: int
    pairs: float
    ways: float | None

    @property
    def share(self) -> float:
        """The share of claims with one verdict on all machines."""
        return 1 - len(self.changed) / len(self.compared)

    @property
    def reversed(self) -> list[Row]:
        """Claims that hold on one machine and are not reproduced on another."""
        return [row for row in self.changed if {HOLDS, FAILS} <= set(verdicts(row))]


def verdicts(row: Row) -> list[str]:
    """What each recorded machine alone says of a claim."""
    return [row.alone(run).verdict for run in row.recorded]


def way(name: str) -> str:
    """How a machine of this name ran: natively, imitating another processor, or on several threads."""
    if ", imitating " in name:
        return "imitating"
    return "on several threads" if name.endswith(" threads") else "natively"


def share_of_ways(rows: list[Row]) -> float | None:
    """See ``ways`` of :class:`Comparison`; where several machines ran in one way, the mean over them."""
    shares = []
    for row in rows:
        by_way: dict[str, list[str]] = {}
        for run, verdict in zip(row.recorded, verdicts(row), strict=True):
            by_way.setdefault(way(machine(run.environment)), []).append(verdict)
        if len(by_way) == 3:
            shares.append(fmean(len(set(three)) == 1 for three in product(*by_way.values())))
    return fmean(shares) if shares else None


def compare(root: Path, profile: str = book.LAPTOP) -> Comparison:
    """Judge every claim on each recorded machine alone, with the scatter estimated from all machines.

    Raises:
        ValueError: where fewer than two machines have recorded a common claim.
    """
    card: Scorecard = scorecard(root, profile)
    compared = [row for row in card.rows if len(row.recorded) > 1]
    if not compared:
        raise ValueError(
            f"expected claims recorded on two machines at {profile}, got none; run `advnotes record` on both"
        )
    said = [verdicts(row) for row in compared]
    pairs = fmean(fmean(one == other for one, other in combinations(words, 2)) for words in said)
    return Comparison(
        machines=list(dict.fromkeys(machine(run.environment) for row in compared for run in row.recorded)),
        compared=compared,
        changed=[row for row, words in zip(compared, said, strict=True) if len(set(words)) > 1],
        alone=sum(len({run.verdict for run in row.recorded}) == 1 for row in compared),
        pairs=pairs,
        ways=share_of_ways(compared),
    )
