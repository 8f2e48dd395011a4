from .intervals import interval_bounds
from .parts.bounded_graph import BoundedGraph, Unbounded, bounded_graph

__all__ = ["BoundedGraph", "Unbounded", "bounded_graph", "interval_bounds"]
