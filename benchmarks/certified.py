"""Bounds of logits beside forward passes, and beside auto_LiRPA where it is installed.

    .venv/bin/python benchmarks/certified.py [--parts intervals linear] [--threads 1] [--repeats 15]

The network is the robust one of the zoo without its normalisation, for which auto_LiRPA has no bounds.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from timing import main, rounds, table
from torch import Tensor, nn

from advnotes import data, zoo
from advnotes.defences import bounded_graph, certify, interval_bounds, linear_margins
from advnotes.defences.linear_bounds import differences
from advnotes.threats import Linf

sys.path.append(str(Path(__file__).parents[1]))
EPS = 0.1


@contextlib.contextmanager
def peer() -> Iterator[Any]:
    """auto_LiRPA; None, with the reason, where it cannot be imported."""
    with contextlib.ExitStack() as stack:
        try:
            from tests.peers.lirpa import auto_lirpa

            found = stack.enter_context(auto_lirpa(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        except ImportError as error:
            print(f"auto_LiRPA is left out: {error}")
            found = None
        yield found


def theirs(
    library: Any, model: nn.Module, x: Tensor, method: str, c: Tensor | None = None
) -> Callable[[], Any]:
    """What bounds the logits, or the differences ``c``, on a graph that is made before the clock starts."""
    ball = library.PerturbationLpNorm(norm=float("inf"), x_L=(x - EPS).clamp(0, 1), x_U=(x + EPS).clamp(0, 1))
    graph, box = library.BoundedModule(model, x), library.BoundedTensor(x, ball)

    def bounds() -> Any:
        with torch.no_grad():
            return graph.compute_bounds(x=(box,), C=c, method=method, bound_upper=c is None)

    return bounds


def digits(size: int) -> tuple[nn.Module, Tensor, Tensor]:
    """A network, and so many digits."""
    x, y = data.mnist("test", size=size)
    return nn.Sequential(*list(zoo.mnist_robust().network)[1:]).eval(), x, y


def intervals(told: argparse.Namespace) -> None:
    """Against two forward passes: one of the centre, one of the radius with the sizes of the weights."""
    model, x, _ = digits(128)
    graph = bounded_graph(model, x)
    low, high = (x - EPS).clamp(0, 1), (x + EPS).clamp(0, 1)

    @torch.no_grad()
    def limit() -> None:
        model((low + high) / 2)
        model((high - low) / 2)

    contenders = {
        "limit": limit,
        "advnotes, rounding=False": torch.no_grad()(
            lambda: interval_bounds(graph, low, high, rounding=False)
        ),
        "advnotes, sound": torch.no_grad()(lambda: interval_bounds(graph, low, high)),
    }
    with peer() as library:
        if library is not None:
            contenders["auto_LiRPA"] = theirs(library, model, x, "IBP")
            for ours, other in zip(
                contenders["advnotes, rounding=False"](), contenders["auto_LiRPA"](), strict=True
            ):
                torch.testing.assert_close(ours, other, atol=1e-3, rtol=1e-4)
        print(table("intervals of 128 digits", rounds(contenders, x, told.repeats), "limit"))


def linear(told: argparse.Namespace) -> None:
    """Linear bounds of all differences of logits, hidden units included; and proofs, as far as they must go."""
    model, x, y = digits(8)
    graph = bounded_graph(model, x)
    c = differences(y.repeat_interleave(10), torch.arange(10).repeat(8), 10).view(8, 10, 10).float()
    contenders: dict[str, Callable[[], Any]] = {
        "advnotes, sound": lambda: linear_margins(graph, x, y, Linf(EPS)),
        "advnotes, 20 steps": lambda: linear_margins(graph, x, y, Linf(EPS), steps=20),
        "advnotes, certify": lambda: certify(graph, x, y, Linf(EPS)),
    }
    against = "advnotes, sound"
    with peer() as library:
        if library is not None:
            against = "auto_LiRPA"
            contenders[against] = theirs(library, model, x, "CROWN", c)
            ours, other = contenders["advnotes, sound"](), contenders[against]()[0].double()
            worse = (other - ours)[ours.isfinite()].max()
            if worse > 0.05:
                raise SystemExit(f"linear bounds: ours are lower by {float(worse):.3f}")
        print(table("linear bounds of 8 digits", rounds(contenders, x, told.repeats), against))


if __name__ == "__main__":
    main(__doc__, {"intervals": intervals, "linear": linear})
