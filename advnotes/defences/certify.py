"""Proofs that no attack can succeed: by intervals, by linear bounds, by better slopes, and by cases."""

import math
import time
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from advnotes.checks import (
    check_bounds,
    check_count,
    check_inputs,
    check_number,
    clip_rounding,
)
from advnotes.defences.parts.bounded_graph import BoundedGraph, bounded_graph
from advnotes.defences.parts.proofs import Proofs
from advnotes.defences.parts.region import Region, check_reach
from advnotes.threats import Bounds, Threat
from advnotes.threats.base import check_threat

__all__ = ["Certificate", "certify"]

#: How many numbers of a network are held at a time, for the samples that are looked at together.
ROOM = 2**22
#: How many cases a sample may take where no time is given.
BRANCHES = 256


@dataclass(frozen=True)
class Certificate:
    r"""What :func:`certify` has proved of each sample of a batch.

    Attributes:
        proved: whether no input that the adversary may choose gets another class.
        margin: a proved lower bound of :math:`\min_{c \ne y} z_y - z_c` over all of them, in float64; ``-inf`` where
            nothing is known. A search for a proof stops above 0, so that the true value may be much larger.
        method: what proved each sample: "intervals", "linear", "slopes" or "branches"; empty where nothing did.
        seconds: what it took.
    """

    proved: Bool[Tensor, " batch"]
    margin: Float[Tensor, " batch"]
    method: tuple[str, ...]
    seconds: float


def certify(
    model: nn.Module | BoundedGraph,
    x: Float[Tensor, "batch ..."],
    y: Int[Tensor, " batch"],
    threat: Threat,
    *,
    bounds: Bounds = (0.0, 1.0),
    seconds: float | None = None,
    branches: int | None = None,
) -> Certificate:
    r"""Prove, where that succeeds, that no attack can move a sample out of its class.

    .. math:: \min_{x' \in B_\epsilon(x) \cap [0, 1]^d}\; \min_{c \ne y}\; z_y(x') - z_c(x') \;\ge\;
        \text{margin} > 0

    Each sample goes as far as it must: **intervals** (:func:`interval_bounds`), **linear** bounds
    (:func:`linear_margins`), these with the best **slopes**, and at last **branches**: the cases in which a rectifier
    is on or off, each bounded by itself, the lowest bound split first. What is not proved is not disproved.

    *What exactly is proved.* For every input ``x'`` of the model's precision, float32 or float64, whose distance from
    ``x`` is at most the radius, and 1e-5 of it and a rounding of each coordinate more (what :func:`advnotes.evaluate`
    lets an attack have): the logits that PyTorch computes for it are finite, and the true class has the highest.
    Every rounding of the model is counted in, as an unknown number that is added to each layer's output, at most
    :math:`\gamma_n (|W||x| + |b|)` with :math:`\gamma_n = nu/(1 - nu)` for sums of :math:`n` products with the unit
    roundoff :math:`u`, in whatever order they are added, and with whatever batch size. Bounds are computed in float64,
    and all that rounding may do there is taken off as well.
    It holds as long as a layer's sums are sums of products: not for the Winograd and Fourier transforms by which some
    libraries compute convolutions (cuDNN may; on a CPU, NNPACK may for a single picture and one thread), and not under
    autocast. Products of fewer bits (TF32, bfloat16) are counted in where torch is set to them.

    Args:
        model: in eval mode; its layers as in :func:`interval_bounds`. It is not changed.
        x: inputs within ``bounds``, of the model's precision; there may be none.
        y: the true classes.
        threat: a ball in Linf, L2 or L1, of a finite radius or one for each sample.
        bounds: the range of the input, at which the ball is cut off.
        seconds: begin nothing new after so many. What is proved then depends on the machine.
        branches: how many cases each sample may take; None: 256, or with ``seconds`` as many as fit.

    Returns:
        The :class:`Certificate`.

    Raises:
        Unbounded: where the model has a layer without bounds, which is named, draws at random, or computes in half
            precision.
        ValueError: where the model is in train mode and that matters, inputs, labels or options are not as expected, or
            the radius is so large that every input can become every other one.

    Source: Gowal et al. 2018; Zhang et al. 2018; Xu et al. 2021; Wang et al. 2021. That proofs for real numbers can be
    wrong for the network that runs: Jia and Rinard 2021, section 3.
    """
    began = time.perf_counter()
    bounds = check_bounds(bounds)
    check_threat(threat)
    if seconds is not None:
        seconds = check_number("seconds", seconds, least=0.0)
    budget = math.inf if branches is None and seconds is not None else float(BRANCHES)
    budget = budget if branches is None else float(check_count("branches", branches, 0))
    if not isinstance(x, Tensor) or len(x):
        check_inputs(x, y, bounds)
    graph = bounded_graph(model, x)
    graph.check_labels(y)
    threat.check_batch(len(x))
    graph.check_inputs(x)
    check_reach(threat, x, bounds)
    with torch.inference_mode(False):
        x, y = (clip_rounding(x, bounds) if len(x) else x).detach().clone(), y.clone()
        proofs = Proofs(graph, x, y)
        numbers = sum(math.prod(step.after) for step in graph.steps) + math.prod(graph.shape)
        # With little time, samples are finished one after the other.
        parts = torch.arange(len(x), device=x.device).split(
            max(1, min(ROOM // numbers, 256 if seconds is None else 16))
        )
        region = Region(x, threat, bounds)
        for number, rows in enumerate(parts):
            now = time.perf_counter()
            left = math.inf if seconds is None else (began + seconds - now) / (len(parts) - number)
            proofs.work(rows, region.take(rows), budget, now + left)
        return Certificate(
            proofs.margin > 0, proofs.margin, tuple(proofs.method), time.perf_counter() - began
        )
