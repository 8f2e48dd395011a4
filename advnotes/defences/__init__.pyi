from .control import CostToGo, LinearQuadratic, Path
from .exact import ExactMargin, exact_margin
from .intervals import interval_bounds
from .parts.bounded_graph import BoundedGraph, Unbounded, bounded_graph
from .poisoning import online_regression, plan_by_gradient
from .purification import DenoiseOnce, DiffPure, Purified
from .reward_shaping import BanditRun, epsilon_greedy, shape_rewards, ucb

__all__ = [
    "BanditRun",
    "BoundedGraph",
    "CostToGo",
    "DenoiseOnce",
    "DiffPure",
    "ExactMargin",
    "LinearQuadratic",
    "Path",
    "Purified",
    "Unbounded",
    "bounded_graph",
    "epsilon_greedy",
    "exact_margin",
    "interval_bounds",
    "online_regression",
    "plan_by_gradient",
    "shape_rewards",
    "ucb",
]
