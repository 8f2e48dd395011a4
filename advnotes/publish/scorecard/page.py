"""The scorecard's page: a summary, what did not reproduce and why, and a table with every run of every claim."""

from __future__ import annotations

import json
import math
from itertools import groupby
from typing import Any

import nbformat
from markupsafe import Markup

from advnotes.claim_verdicts import EDGE, FAILS, HOLDS, UNJUDGED
from advnotes.claims import KINDS, MIME, Claim
from advnotes.environment import machine
from advnotes.publish.scorecard.collect import Row, Scorecard
from advnotes.publish.templating import TEMPLATES, block

WIDTH, LANE, PAD = 150, 8, 6  # of a strip of runs, in pixels


def markdown(card: Scorecard) -> str:
    """A scorecard in Markdown with tables in HTML, for a page in ``book/`` (it has no heading of level one)."""
    if not card.rows:
        return "No claim has been measured yet: `advnotes book` executes the chapters and fills this page.\n"
    lines = [f"- {line}" for line in card.summary]
    lines += ["", *_notes(card), ""]
    lines += [_filters(card), ""]
    for heading, rows in (("What did not reproduce", card.having(FAILS)), ("On the edge", card.having(EDGE))):
        if rows:
            lines += [f"## {heading}", "", *(_line(row) for row in rows), ""]
    for chapter, own in groupby(card.rows, key=lambda row: row.chapter):
        lines += [f"## [{_plain(chapter.title)}]({chapter.name}.ipynb)", "", _table(list(own)), ""]
    return "\n".join(lines)


def _notes(card: Scorecard) -> list[str]:
    """Which machines there are, and which chapters they say nothing of."""
    names = list(dict.fromkeys(machine(run.environment) for row in card.rows for run in row.runs))
    listed = "; ".join(f"{number}. {name}" for number, name in enumerate(names, start=1))
    lines = [f"The lanes of *every run*, from above: {_plain(listed)}."]
    if differ := [row for row in card.rows if row.differs]:
        lines.append(
            f"\nOn the machine that rendered this page, by itself, {len(differ)} verdicts differ; they say so."
        )
    if card.unexecuted:
        lines.append(f"\nNot executed on it since they were changed: {', '.join(card.unexecuted)}.")
    if card.outdated:
        chapters = ", ".join(dict.fromkeys(name for name, _ in card.outdated))
        lines.append(f"\nChanged since they were recorded on other machines: {chapters}.")
    return lines


def _filters(card: Scorecard) -> str:
    boxes: list[tuple[str, str, int]] = []
    boxes += [("verdict", word, len(card.having(word))) for word in (HOLDS, EDGE, FAILS, UNJUDGED)]
    boxes += [("kind", word, sum(row.claim.kind == word for row in card.rows)) for word in KINDS]
    return TEMPLATES.get_template("filters.html").render(boxes=[box for box in boxes if box[2]]).strip()


def _line(row: Row) -> str:
    claim = row.claim
    said = f"{claim.statement}. Paper: {claim.paper}; here: {_mean(row)}; bound: {claim.bound.text(claim.format)}."
    why = claim.reason or ("No reason is known yet." if row.verdict == FAILS else "")
    return f"- [{_plain(row.chapter.title)}]({row.chapter.name}.ipynb): {_plain(f'{said} {why}')}"


def _plain(text: str) -> str:
    """Text that Markdown shows as it stands."""
    escaped = "".join(f"\\{sign}" if sign in r"\`*_[]<>|$#~" else sign for sign in " ".join(text.split()))
    return escaped.replace("&", "&amp;")


def _mean(row: Row) -> str:
    return row.claim.show(row.found.mean)


def _table(rows: list[Row]) -> str:
    shown = []
    for row in rows:
        claim, page = row.claim, f"{row.chapter.name}.html"
        word = "seed" if len(claim.seeds) == 1 else "seeds"
        shown.append(
            {
                "verdict": row.verdict,
                "kind": claim.kind,
                "here": f"here: {row.alone(row.here).verdict}" if row.here and row.differs else "",
                "link": f"{page}#{claim.anchor}",
                "statement": claim.statement,
                "reason": claim.reason if row.verdict in (FAILS, EDGE) else "",
                "paper": claim.paper,
                "where": claim.where,
                "reproduced": row.reproduced and f"{row.reproduced} reproduced",
                "bound": claim.bound.text(claim.format),
                "set": f"{claim.bound.by}, {claim.bound.on}",
                "mean": _mean(row),
                "seeds": f"{word} {_span(claim.seeds)}" if claim.seeds else "no seed decides it",
                "strip": strip(row),
                "gpu": "; ".join(one.here for one in row.gpu) or "not run",
            }
        )
    return block("table.html", rows=shown, small=_small, title=f"Claims of {rows[0].chapter.title}")


def _small(text: str) -> Markup:
    """A second line in a cell of the table, where there is something to say."""
    return Markup("<br><small>{}</small>").format(text) if text else Markup("")


def _span(seeds: tuple[int, ...]) -> str:
    """``0-2`` for three in a row, ``0, 4`` for others."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}-{seeds[-1]}"
    return ", ".join(map(str, seeds))


def strip(row: Row) -> Markup:
    """A small drawing: one lane for each run, a dot for each seed, a stroke at the mean, the bound as a band."""
    claim, runs = row.claim, row.runs
    bound = claim.bound
    values = [value for run in runs for value in run.measured]
    ends = [end for end in (bound.low, bound.high) if math.isfinite(end)]
    low, high = min(values + ends), max(values + ends)
    span = (high - low) or abs(high) or 1.0

    def place(value: float) -> float:
        return round(PAD + (value - low) / span * (WIDTH - 2 * PAD), 1)

    dots, means = [], []
    for lane, run in enumerate(runs):
        y = PAD + lane * LANE
        name = machine(run.environment)
        seeds = run.seeds or [None] * len(run.measured)
        for value, seed in zip(run.measured, seeds, strict=True):
            which = "" if seed is None else f", seed {seed}"
            dots.append((place(value), y, f"{claim.show(value)}{which}: {name}"))
        means.append((place(sum(run.measured) / len(run.measured)), y))
    drawn = TEMPLATES.get_template("strip.html").render(
        width=WIDTH,
        height=2 * PAD + LANE * (len(runs) - 1),
        low=place(bound.low) if math.isfinite(bound.low) else 0,
        high=place(bound.high) if math.isfinite(bound.high) else WIDTH,
        dots=dots,
        means=means,
        label="; ".join(
            f"{machine(run.environment)}: {', '.join(map(claim.show, run.measured))}" for run in runs
        ),
    )
    return Markup(drawn)  # escaped when it was rendered


def replace_verdicts(notebook: nbformat.NotebookNode, rows: list[Row]) -> None:
    """Replace the verdicts in an executed chapter, which are over its own run, by those over all runs."""
    by_id = {row.claim.id: row for row in rows}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            stored: Any = output.get("data", {}).get(MIME)
            row = by_id.get(stored["id"]) if stored else None
            if row is not None and row.here is not None:
                others = len(row.runs) - 1
                said = f"Judged with {others} other run{'s' * (others != 1)}." if others else ""
                if row.differs:
                    said += f" By itself, the run on this page says: {row.alone(row.here).verdict}."
                output["data"]["text/html"] = Claim.read(json.loads(json.dumps(stored))).html(
                    row.verdict, said
                )
