from .exact import ExactMargin, exact_margin
from .intervals import interval_bounds
from .parts.bounded_graph import BoundedGraph, Unbounded, bounded_graph
from .purification import DenoiseOnce, DiffPure, Purified

__all__ = [
    "BoundedGraph",
    "DenoiseOnce",
    "DiffPure",
    "ExactMargin",
    "Purified",
    "Unbounded",
    "bounded_graph",
    "exact_margin",
    "interval_bounds",
]
