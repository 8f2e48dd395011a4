"""Which chapters to execute where there is not time for all of them: those that have changed, then others in turn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from advnotes.publish.scorecard.measured import machines
from advnotes.publish.staleness.plan import Plan

TYPICAL = 100.0  # seconds of a chapter that was never timed


def affordable(plans: Sequence[Plan], minutes: float, jobs: int, today: date | None = None) -> list[Plan]:
    """Those of the chapters to be executed that are expected to fit into the minutes.

    First come chapters that no machine has recorded since their code changed, then the others in the book's order,
    beginning at another one each day. The times are those of the last run, here or where it was recorded.

    Args:
        plans: what each chapter needs.
        minutes: how long the run may take.
        jobs: how many chapters are executed at a time.
        today: the day that decides where the turn begins.
    """
    due = [p for p in plans if p.reason]
    if not due:
        return []
    recorded = machines(due[0].chapter.root, due[0].profile)
    fresh = [p for p in due if not any(one.claims(p.chapter) for one in recorded)]
    others = [p for p in due if p not in fresh]
    first = (today or date.today()).toordinal() % len(others) if others else 0
    chosen, left = [], 60.0 * minutes * jobs
    for p in [*fresh, *others[first:], *others[:first]]:
        left -= p.last_seconds or TYPICAL
        if left < 0:
            break
        chosen.append(p)
    return chosen
