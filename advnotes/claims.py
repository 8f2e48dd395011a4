"""Claims: what a paper says, beside what was just measured, and the bound that decides."""

import html
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from advnotes.claim_bounds import Bound, at_least, at_most, between, is_share
from advnotes.claim_checks import check_seeds, check_share, values_of
from advnotes.claim_verdicts import EDGE, FAILS, UNJUDGED, Finding, Verdict, judge
from advnotes.environment import environment
from advnotes.notebook import show

__all__ = ["KINDS", "MIME", "PROFILES", "Bound", "Claim", "Claims", "at_least", "at_most", "between"]

#: The output type under which a notebook stores a claim for the scorecard.
MIME = "application/vnd.advnotes.claim+json"

#: The sizes that a chapter can run at. At ``smoke`` nothing is judged.
PROFILES = ("smoke", "laptop", "gpu")

#: A paper's statement; a comparison that shows what the statement rests on; an equation that must be exact.
KINDS = ("paper", "control", "identity")

_LONGEST_REASON = 25  # words
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True)
class Claim:
    """One statement, with its bound, the values of one run, and where they were measured."""

    id: str
    kind: str
    statement: str
    paper: str
    number: float | None
    where: str
    measured: tuple[float, ...]
    seeds: tuple[int, ...]
    n: int | None
    format: str
    bound: Bound
    reason: str | None
    profile: str
    environment: dict[str, str]

    @property
    def anchor(self) -> str:
        """The name of its place on the chapter's page."""
        return f"claim-{self.id}"

    @property
    def exact(self) -> bool:
        """Whether no chance decides the values."""
        return not self.seeds

    def judge(self, others: Sequence[Sequence[float]] = ()) -> Finding:
        """The finding of this run alone, or together with the values of other runs of the same claim."""
        runs = [self.measured, *others]
        found = judge(runs, self.bound.low, self.bound.high, n=self.n, exact=self.exact)
        return Finding(UNJUDGED, found.mean, found.error, found.room) if self.profile == "smoke" else found

    @property
    def verdict(self) -> Verdict:
        """What this run alone says."""
        return self.judge().verdict

    def show(self, value: float) -> str:
        """A value as the claim prints it, never so rounded that it contradicts the bound."""
        return self.bound.show(self.format, value)

    @property
    def here(self) -> str:
        """The measured values with the seeds that they were measured over, and their mean."""
        values = ", ".join(map(self.show, self.measured))
        if self.exact:
            return values
        word = "seed" if len(self.seeds) == 1 else "seeds"
        mean = f", mean {self.show(self.judge().mean)}" if len(self.seeds) > 1 else ""
        return f"{values} ({word} {', '.join(map(str, self.seeds))}{mean})"

    def __str__(self) -> str:
        values = f"paper: {self.paper}{self.where and f' [{self.where}]'}, here: {self.here}"
        why = f" ({self.reason})" if self.reason and self.verdict in (EDGE, FAILS) else ""
        return f"{self.verdict}: {self.statement}; {values}, bound: {self.bound.text(self.format)}{why}"

    def record(self) -> dict[str, Any]:
        """What a notebook stores: numbers and words, an end of the bound that is infinite as None."""
        ends = {"low": self.bound.low, "high": self.bound.high}
        finite = {end: value if math.isfinite(value) else None for end, value in ends.items()}
        bound = finite | {"by": self.bound.by, "on": self.bound.on}
        return asdict(self) | {"bound": bound, "verdict": self.verdict}

    @classmethod
    def read(cls, record: dict[str, Any]) -> "Claim":
        """The claim that :meth:`record` stored."""
        fields = {name: value for name, value in record.items() if name != "verdict"}
        # JSON keeps 10.0 as it was written, which may be 10.
        fields["number"] = None if record["number"] is None else float(record["number"])
        low, high, by, on = (record["bound"][name] for name in ("low", "high", "by", "on"))
        ends = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
        fields["bound"] = Bound(*ends, by, on)
        return cls(**fields | {name: tuple(fields[name]) for name in ("measured", "seeds")})

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {MIME: self.record(), "text/html": self.html(self.verdict), "text/plain": str(self)}

    def html(self, verdict: Verdict, elsewhere: str = "") -> str:
        """The claim as a row of a page, plain enough to be read without the book's style sheet, as on Colab.

        Args:
            verdict: the one to show: this run's, or that of all recorded runs.
            elsewhere: a sentence about the other runs.
        """
        note = ""
        if verdict == UNJUDGED:
            small = self.profile == "smoke"
            note = "The smoke profile only shows that the code runs." if small else "One seed is not judged."
        elif verdict in (EDGE, FAILS):
            note = self.reason or ("Not explained yet." if verdict == FAILS else "")
        cells = {
            "verdict": verdict,
            "statement": self.statement,
            "where": self.where or ("control" if self.kind == "control" else ""),
            "paper": f"paper {self.paper}",
            "here": f"here {self.here}",
            "bound": f"bound {self.bound.text(self.format)} ({self.bound.by}, {self.bound.on})",
            "note": " ".join(filter(None, [note, elsewhere])),
        }
        spans = "\n".join(
            f'<span class="{name}">{html.escape(text)}</span>' for name, text in cells.items() if text
        )
        return (
            f'<div class="advnotes-claim" id="{self.anchor}" data-verdict="{verdict}" data-kind="{self.kind}" '
            f'style="border-left: 4px solid; padding: 0.2em 0.8em; margin: 0.4em 0">\n{spans}\n</div>'
        )


@dataclass(frozen=True)
class Claims:
    """States and judges the claims of one chapter: ``claim = Claims(profile=profile, seeds=seeds)``.

    Args:
        profile: the settings that the chapter ran with: ``smoke``, ``laptop`` or ``gpu``. At smoke nothing is judged.
        seeds: the seeds that it ran with.

    Raises:
        ValueError: where the profile is another, where there are no seeds or one occurs twice.
    """

    profile: str
    seeds: Sequence[int]

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"expected profile= one of {', '.join(PROFILES)}, got {self.profile!r}")
        check_seeds(self.seeds)

    def __call__(
        self,
        statement: str,
        *,
        id: str,
        measured: Any,
        bound: Bound,
        kind: str = "paper",
        paper: str = "–",
        number: float | None = None,
        where: str = "",
        n: int | None = None,
        seeds: Sequence[int] | None = None,
        exact: bool = False,
        format: str = "{:.3g}",
        reason: str | None = None,
    ) -> None:
        """Judge one statement by the mean over its seeds, and show it; :mod:`advnotes.claim_verdicts` has the rule.

        Args:
            statement: what is claimed, as a sentence without its full stop.
            id: a short name in the chapter, such as ``mix-reads-fgsm``, which stays when the statement is reworded.
            measured: one value for each seed, in their order; with ``exact``, and for an identity, one or several.
            bound: :func:`at_least`, :func:`at_most` or :func:`between`, with who set it and when.
            kind: ``"paper"`` for what a paper says, ``"control"`` for a comparison that it rests on, ``"identity"``
                for an equation, whose error in float64 is measured.
            paper: the paper's own words or number, as it prints it; a dash where it has none.
            number: the paper's own number in the units of ``measured``, where the two can be compared.
            where: where the paper says it: authors, year, section, table or figure. Needed for ``kind="paper"``.
            n: the number of samples behind each value, where it is a share of samples.
            seeds: those that the values were measured over, where they are not the chapter's.
            exact: no chance decides the values: they are a computation without randomness. Then every one must lie
                within the bound. Identities are exact.
            format: how a value is printed.
            reason: why it does not reproduce or is on the edge, where that is known, in at most 25 words.

        Raises:
            ValueError: where the values are not finite numbers, one for each seed; where a share lies outside
                [0, 1] or its bound excludes no share; where another argument is not as described.
        """
        over = () if exact or kind == "identity" else tuple(self.seeds if seeds is None else seeds)
        if over:
            check_seeds(over)
        values = values_of(measured, id)
        if over and len(values) != len(over):
            raise ValueError(
                f"claim {id!r}: expected a value for each of the {len(over)} seeds {list(over)}, got {len(values)}; "
                f"a mean would hide its seeds (exact=True is for what no chance decides)"
            )
        if not _ID.fullmatch(id):
            raise ValueError(f"expected id= lower-case words joined by hyphens, got {id!r}")
        if kind not in KINDS:
            raise ValueError(f"claim {id!r}: expected kind= one of {', '.join(KINDS)}, got {kind!r}")
        if kind == "paper" and not where:
            raise ValueError(f"claim {id!r}: expected where= the place in the paper that says it, got none")
        if n is not None and n < 1:
            raise ValueError(f"claim {id!r}: expected n= the number of samples behind a share, got {n}")
        if n is not None or is_share(format):
            check_share(id, values if n is not None else (), bound)
        why = re.sub(r"\s+", " ", reason).strip() if reason else None
        if why and len(why.split()) > _LONGEST_REASON:
            raise ValueError(
                f"claim {id!r}: expected a reason of at most {_LONGEST_REASON} words, got {len(why.split())}; what was "
                f"tried belongs into the fold 'Tried beside this page'"
            )
        where_measured = environment()
        show(
            Claim(
                id=id,
                kind=kind,
                statement=statement,
                paper=format.format(number) if number is not None and paper == "–" else paper,
                number=number,
                where=where,
                measured=values,
                seeds=over,
                n=n,
                format=format,
                bound=bound,
                reason=why,
                profile=self.profile,
                environment=where_measured,
            )
        )
