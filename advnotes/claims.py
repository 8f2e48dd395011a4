"""Claims: what a paper says, beside what was just measured, and the bound that decides."""

import html
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from advnotes.notebook import in_notebook

__all__ = ["MIME", "Bound", "Claim", "Claims", "at_least", "at_most", "between"]

#: The output type under which a notebook stores a claim for the scorecard.
MIME = "application/vnd.advnotes.claim+json"

Verdict = Literal["holds", "not reproduced", "not judged"]


@dataclass(frozen=True)
class Bound:
    """The closed interval that a measured value must lie in."""

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"a bound must have low <= high, got {self.low} and {self.high}")

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def text(self, format: str) -> str:
        """The bound in words, its ends in the claim's own format."""
        low, high = format.format(self.low), format.format(self.high)
        if self.high == math.inf:
            return f"≥ {low}"
        return f"≤ {high}" if self.low == -math.inf else f"{low} to {high}"


def at_least(value: float) -> Bound:
    """A bound from below."""
    return Bound(low=value)


def at_most(value: float) -> Bound:
    """A bound from above."""
    return Bound(high=value)


def between(low: float, high: float) -> Bound:
    """A bound from both sides."""
    return Bound(low, high)


@dataclass(frozen=True)
class Claim:
    """One statement, judged. Displays as a row in a notebook and as a line elsewhere."""

    statement: str
    paper: str
    where: str
    measured: tuple[float, ...]
    seeds: tuple[int, ...]
    format: str
    bound: str
    verdict: Verdict
    known: str | None
    profile: str
    device: str

    @property
    def here(self) -> str:
        """The measured values, in the claim's format, with the seeds they were measured over."""
        values = ", ".join(self.format.format(value) for value in self.measured)
        if len(self.measured) == 1 and len(self.seeds) != 1:
            return values
        word = "seed" if len(self.seeds) == 1 else "seeds"
        return f"{values} ({word} {', '.join(map(str, self.seeds))})"

    def __str__(self) -> str:
        said = f"paper: {self.paper} [{self.where}], here: {self.here}, bound: {self.bound}"
        why = f" ({self.known})" if self.known and self.verdict == "not reproduced" else ""
        return f"{self.verdict}: {self.statement}; {said}{why}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {MIME: asdict(self), "text/html": self._html(), "text/plain": str(self)}

    def _html(self) -> str:
        note = {
            "holds": "",
            "not judged": "The smoke profile only shows that the code runs.",
            "not reproduced": self.known or "Not explained yet.",
        }[self.verdict]
        cells = {
            "verdict": self.verdict,
            "statement": self.statement,
            "where": self.where,
            "paper": f"paper {self.paper}",
            "here": f"here {self.here}",
            "bound": f"bound {self.bound}",
            "note": note,
        }
        spans = "\n".join(
            f'<span class="{name}">{html.escape(text)}</span>' for name, text in cells.items() if text
        )
        # Plain enough to be read where the book's style sheet is missing, as on Colab.
        return (
            f'<div class="advnotes-claim" data-verdict="{self.verdict}" '
            f'style="border-left: 4px solid; padding: 0.2em 0.8em; margin: 0.4em 0">\n{spans}\n</div>'
        )


@dataclass(frozen=True)
class Claims:
    """States and judges the claims of one chapter: ``claim = Claims(profile=profile, seeds=seeds)``.

    Args:
        profile: the settings that the chapter ran with. At ``"smoke"`` nothing is judged.
        seeds: the seeds that it ran with.

    Raises:
        ValueError: where there are no seeds or one occurs twice.
    """

    profile: str
    seeds: Sequence[int]

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"expected at least one seed and none twice, got {list(self.seeds)}")

    def __call__(
        self,
        statement: str,
        *,
        measured: float | Sequence[float],
        bound: Bound,
        paper: str = "–",
        where: str,
        format: str = "{:.3g}",
        known: str | None = None,
    ) -> None:
        """Judge one statement and show it: it holds when every measured value lies within the bound.

        Args:
            statement: what is claimed, as a sentence without its full stop.
            measured: one value for each seed, in their order; or a single value that no seed decides.
            bound: :func:`at_least`, :func:`at_most` or :func:`between`.
            paper: the paper's own number, as it prints it; a dash where it has none.
            where: where the paper says it: authors, year, section, table or figure.
            format: how a value is printed.
            known: where it is known not to reproduce, the reason and what was tried. Such a claim is shown, but
                does not fail the book.

        Raises:
            ValueError: where a value is not finite or their number is neither one nor the number of seeds.
        """
        values = tuple(float(v) for v in (measured if isinstance(measured, Sequence) else [measured]))
        if len(values) not in (1, len(self.seeds)) or not all(map(math.isfinite, values)):
            raise ValueError(
                f"{statement!r} wants one finite value, or one for each of the {len(self.seeds)} seeds; got {values}"
            )
        held: Verdict = "holds" if all(value in bound for value in values) else "not reproduced"
        result = Claim(
            statement=statement,
            paper=paper,
            where=where,
            measured=values,
            seeds=tuple(self.seeds),
            format=format,
            bound=bound.text(format),
            verdict="not judged" if self.profile == "smoke" else held,
            known=re.sub(r"\s+", " ", known).strip() if known else None,
            profile=self.profile,
            device=torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        )
        _show(result)


def _show(result: Claim) -> None:
    """Display in a notebook, print elsewhere."""
    if in_notebook():
        from IPython.display import display

        display(result)
    else:
        print(result)
