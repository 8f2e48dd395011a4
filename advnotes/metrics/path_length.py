"""Perceptual path length, Karras et al. 2019: how fast pictures change on a walk through the latent space."""

from collections.abc import Callable
from typing import SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_number
from advnotes.metrics.features import as_numbers
from advnotes.model_state import attacked
from advnotes.precision import full_precision

__all__ = ["path_length", "slerp"]


def slerp(
    first: Float[Tensor, "batch latent"], second: Float[Tensor, "batch latent"], t: Float[Tensor, " batch"]
) -> Float[Tensor, "batch latent"]:
    r"""The point of the arc from one latent vector to another, at ``t`` in [0, 1], of each pair.

    .. math:: \frac{\sin((1 - t)\,\omega)}{\sin\omega}\, z_1 + \frac{\sin(t\,\omega)}{\sin\omega}\, z_2, \qquad
        \omega = \angle(z_1, z_2)

    (Shoemake 1985.) Unlike the straight line it does not lead through the middle, where a normal distribution of many
    coordinates has hardly a point. Between two vectors in one direction it is the straight line.
    """
    angle = torch.acos(nn.functional.cosine_similarity(first, second, dim=1).clamp(-1, 1))[:, None]
    t = t[:, None].to(first)
    weights = [torch.where(angle < 1e-6, s, (s * angle).sin() / angle.sin()) for s in (1 - t, t)]
    return weights[0] * first + weights[1] * second


def path_length(
    generator: Callable[[Tensor], Tensor],
    features: Callable[[Tensor], Tensor],
    latent_size: SupportsIndex,
    *,
    n: SupportsIndex = 1000,
    step: float = 1e-4,
    batch_size: SupportsIndex = 500,
    source: torch.Generator | None = None,
) -> float:
    r"""Perceptual path length on stated features: the mean squared speed of a walk from one latent vector to another.

    .. math:: \mathbb E_{z_1, z_2, t}\; \frac{1}{\varepsilon^2}\,
        \bigl\lVert \phi(G(z_t)) - \phi(G(z_{t + \varepsilon})) \bigr\rVert_2^2, \qquad
        z_t = \mathrm{slerp}(z_1, z_2, t)

    (Karras, Laine and Aila 2019, section 4.1, equation 2, for z.) It is never less than the mean squared distance
    between the features of the two ends, which a cross-fade has; a generator that jumps from picture to picture has
    about one over ``step`` times as much. Like any distance it belongs to its features: name them beside it.

    Args:
        generator: maps latent vectors ``[batch, latent_size]`` to samples; put into eval mode meanwhile.
        features: maps samples to anything of one size for each; it is flattened.
        latent_size: coordinates of the latent vectors, drawn from a standard normal.
        n: number of walks, of each of which one step is looked at.
        step: the paper's epsilon, as a part of the walk.
        batch_size: how many at a time.
        source: draws the vectors and the places. None: the global one.

    Raises:
        ValueError: where a number is out of range, a feature is not finite, or the generator's precision is too low
            for the step, as half precision always is.

    Differs from the paper: its distance is a weighted one on VGG16's features, which are not here; and its code drops
    the largest and smallest hundredth, which this does not.
    """
    count, size, part = (
        check_count(name, value)
        for name, value in {"n": n, "latent_size": latent_size, "batch_size": batch_size}.items()
    )
    check_number("step", step, above=0.0, most=0.5)
    device = torch.device("cpu") if source is None else source.device
    parameters = list(generator.parameters()) if isinstance(generator, nn.Module) else []
    like = parameters[0] if parameters else torch.empty(0)
    if step < 8 * torch.finfo(like.dtype).eps:
        raise ValueError(
            f"a step of {step:g} is lost in the rounding of a generator in {like.dtype}: measure it in another "
            "precision, generator.float() or .double(), or take a larger step"
        )
    total = 0.0
    with torch.no_grad(), attacked(generator), attacked(features):
        for first in range(0, count, part):
            rows = min(part, count - first)
            ends = torch.randn(2, rows, size, generator=source, device=device, dtype=torch.float64)
            t = (1 - step) * torch.rand(rows, generator=source, device=device, dtype=torch.float64)
            seen = []
            for place in (t, t + step):
                z = slerp(ends[0], ends[1], place).to(like)
                with full_precision(z) as point:
                    seen.append(
                        as_numbers("features", features(call_model(generator, point))).flatten(1).double()
                    )
            total += float((seen[0] - seen[1]).square().sum())
    return total / step**2 / count
