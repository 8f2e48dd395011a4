"""What is proved of samples: each goes from one method to the next, as far as it must."""

import time

import torch
from torch import Tensor

from advnotes.defences.linear_bounds import differences, margins_of, margins_of_intervals
from advnotes.defences.parts.bounded_graph import BoundedGraph
from advnotes.defences.parts.branching import branch
from advnotes.defences.parts.known import Known
from advnotes.defences.parts.known_values import known_values
from advnotes.defences.parts.region import Region
from advnotes.model_state import attacked, prediction

__all__ = ["Proofs"]

#: Steps of gradient ascent on the slopes.
STEPS = 20


class Proofs:
    """What is proved so far of some samples.

    Attributes:
        margin: the best lower bound of the true class's lead.
        method: what proved each sample first.
    """

    def __init__(self, graph: BoundedGraph, x: Tensor, y: Tensor) -> None:
        self.graph, self.x, self.y = graph, x, y
        self.margin = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
        self.method = [""] * len(x)

    def work(self, rows: Tensor, region: Region, budget: float, deadline: float) -> None:
        """Prove what can be proved of some samples, by one method after the other."""
        known = known_values(self.graph, region, linear=False)
        self.note(rows, margins_of_intervals(known, self.y[rows]), "intervals")
        # A sample that has another class already needs no more.
        right = (prediction(self.answer(self.x[rows])) == self.y[rows]) & known.finite()
        if time.perf_counter() > deadline:
            return
        rows, region, _ = self.open(rows, region, right)
        if not len(rows):
            return
        known = known_values(self.graph, region, deadline=deadline)
        margins = margins_of(known, region, self.y[rows])
        for method, steps in (("linear", 0), ("slopes", STEPS)):
            if steps and time.perf_counter() <= deadline:
                margins = margins_of(known, region, self.y[rows], steps, margins)
            self.note(rows, margins.amin(dim=1), method)
        # The closest ones first.
        for at in self.margin[rows].argsort(descending=True).tolist():
            if self.margin[rows[at]] > 0 or not budget or time.perf_counter() > deadline:
                continue
            self.branch(
                rows[at],
                known.sample(at),
                region.take(torch.tensor([at], device=rows.device)),
                margins[at],
                budget,
                deadline,
            )

    def branch(
        self, row: Tensor, known: Known, region: Region, margins: Tensor, budget: float, deadline: float
    ) -> None:
        """Prove a sample by cases."""
        y = self.y[row]
        others = {c: float(margins[c]) for c in (margins <= 0).nonzero().squeeze(1).tolist()}
        found = branch(
            known,
            region,
            lambda other: differences(y.expand(len(other)), other, self.graph.classes),
            others,
            budget,
            deadline,
            lambda points: bool((prediction(self.answer(points.to(self.x.dtype))) != y).any()),
        )
        rest = margins[margins > 0]
        least = min([found, *rest.tolist()])
        self.note(row[None], torch.tensor([least], dtype=torch.float64, device=row.device), "branches")

    def note(self, rows: Tensor, margin: Tensor, method: str) -> None:
        """Keep the best bounds, and what proved a sample first."""
        for row in rows[(self.margin[rows] <= 0) & (margin > 0)].tolist():
            self.method[row] = method
        self.margin[rows] = torch.maximum(self.margin[rows], margin)

    def open(self, rows: Tensor, region: Region, also: Tensor) -> tuple[Tensor, Region, Tensor]:
        """Those samples that are not proved yet."""
        left = ((self.margin[rows] <= 0) & also).nonzero().squeeze(1)
        return rows[left], region.take(left), left

    @torch.no_grad()
    def answer(self, x: Tensor) -> Tensor:
        """The model's logits."""
        with attacked(self.graph.model):
            return self.graph.model(x)
