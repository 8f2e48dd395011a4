"""The shortest way to a hyperplane inside a box, beside general-purpose solvers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from advnotes.attacks.parts.hyperplane import distances, shortest_way
from advnotes.threats import L1, L2, Linf

BOUNDS = (-1.0, 2.0)
EVERY_NORM = [Linf(1.0), L2(1.0), L1(1.0)]


@st.composite
def problems(draw):
    """A point of the box, often at its ends; weights, often zero; and a gap that can be closed or not."""
    size = draw(st.integers(1, 7))
    values = st.sampled_from([-1.0, 2.0]) | st.floats(-1.0, 2.0)
    weights = st.just(0.0) | st.floats(0.01, 3.0) | st.floats(-3.0, -0.01)
    x = draw(st.lists(values, min_size=size, max_size=size))
    w = draw(st.lists(weights, min_size=size, max_size=size))
    return np.array(x), np.array(w), draw(st.floats(-4.0, 4.0))


def reachable(x: np.ndarray, w: np.ndarray, gap: float) -> float:
    """The gap, or as much of it as the box allows."""
    up = np.maximum(w * (BOUNDS[1] - x), w * (BOUNDS[0] - x)).sum()
    down = np.minimum(w * (BOUNDS[1] - x), w * (BOUNDS[0] - x)).sum()
    return float(np.clip(gap, down, up))


def ours(threat, x: np.ndarray, w: np.ndarray, gap: float) -> np.ndarray:
    rows = (torch.from_numpy(x)[None], torch.from_numpy(w)[None], torch.tensor([gap], dtype=torch.float64))
    return shortest_way(threat, *rows, BOUNDS)[0].numpy()


def best_length(threat, x: np.ndarray, w: np.ndarray, gap: float) -> float:
    """The least norm, from a solver that knows nothing of how ours works."""
    size, box = len(x), list(zip(BOUNDS[0] - x, BOUNDS[1] - x, strict=True))
    eye = np.eye(size)
    if isinstance(threat, L2) and not w.any():
        return 0.0  # a constraint that constrains nothing is singular to the solver
    if isinstance(threat, L2):
        start = ours(L1(1.0), x, w, gap)
        found = minimize(
            lambda d: d @ d,
            start,
            jac=lambda d: 2 * d,
            bounds=box,
            constraints={"type": "eq", "fun": lambda d: w @ d - gap, "jac": lambda d: w},
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 300},
        )
        assert found.success
        return float(np.sqrt(found.fun))
    # Sizes bound the changes from both sides: one for all in Linf, one for each in L1.
    count = 1 if isinstance(threat, Linf) else size
    cover = np.ones((size, 1)) if count == 1 else eye
    solved = linprog(
        np.r_[np.zeros(size), np.ones(count)],
        A_ub=np.block([[eye, -cover], [-eye, -cover]]),
        b_ub=np.zeros(2 * size),
        A_eq=np.r_[w, np.zeros(count)][None],
        b_eq=[gap],
        bounds=[*box, *[(0, None)] * count],
    )
    assert solved.success
    return float(solved.fun)


@pytest.mark.parametrize("threat", EVERY_NORM)
@given(problem=problems())
def test_no_solver_finds_a_shorter_way(threat, problem):
    x, w, gap = problem
    goal = reachable(x, w, gap)
    way = ours(threat, x, w, gap)
    assert w @ way == pytest.approx(goal, abs=1e-9)
    assert (x + way >= BOUNDS[0] - 1e-12).all()
    assert (x + way <= BOUNDS[1] + 1e-12).all()
    assert (way[w == 0] == 0).all()
    length = float(threat.norm(torch.from_numpy(way)[None]))
    assert length == pytest.approx(best_length(threat, x, w, goal), abs=2e-5)


@pytest.mark.parametrize("threat", EVERY_NORM)
@pytest.mark.parametrize("scale", [1e-36, 1e30])
def test_the_unit_of_the_weights_does_not_matter(threat, scale):
    torch.manual_seed(0)
    x, w, gap = torch.rand(5, 40), torch.randn(5, 40), torch.randn(5)
    w[0] = 0
    expected = shortest_way(threat, x, w, gap, (0.0, 1.0))
    torch.testing.assert_close(shortest_way(threat, x, w * scale, gap * scale, (0.0, 1.0)), expected)
    assert (expected[0] == 0).all()


@pytest.mark.parametrize("threat", EVERY_NORM)
def test_samples_do_not_depend_on_each_other(threat):
    torch.manual_seed(0)
    x, w, gap = torch.rand(9, 50).double(), torch.randn(9, 50).double(), 3 * torch.randn(9).double()
    together = shortest_way(threat, x, w, gap, (0.0, 1.0))
    for i in range(9):
        alone = shortest_way(threat, x[i : i + 1], w[i : i + 1], gap[i : i + 1], (0.0, 1.0))
        torch.testing.assert_close(alone[0], together[i])


@pytest.mark.parametrize("threat", EVERY_NORM)
def test_far_from_the_box_the_way_is_the_gap_over_the_dual_norm(threat):
    torch.manual_seed(0)
    w, gap = torch.randn(3, 3, 50).double(), torch.randn(3, 3).double()
    way = shortest_way(threat, torch.zeros(9, 50).double(), w.flatten(0, 1), gap.flatten(), (-1e3, 1e3))
    torch.testing.assert_close(threat.norm(way).view(3, 3), distances(threat, gap, w))


@pytest.mark.parametrize("threat", EVERY_NORM)
def test_what_has_no_slope_is_farther_than_anything(threat):
    far, near = distances(threat, torch.tensor([[1e-6, 1e6]]), torch.tensor([[[0.0, 0.0], [1e-6, 0.0]]]))[0]
    assert far > near
