"""A task whose robust classifier exists and can be told from few samples, and that gradients do not find.

After Bubeck, Lee, Price and Razenshteyn 2019; the hidden direction is that of Diakonikolas, Kane and Stewart 2017.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from advnotes.checks import check_count, check_number
from advnotes.defences.parts.spikes import Spikes, check_binary

__all__ = ["HiddenStripes", "StripeClassifier", "mean_even_power", "stripe_errors", "unit_directions"]

#: Numbers that a search looks at together: 32 MB of float32.
CHUNK = 2**23


@dataclass(frozen=True, eq=False)
class HiddenStripes:
    r"""Two classes that differ in a small hint, and in stripes across one secret direction of a Gaussian cloud.

    .. math::
        x = (\tau (2y - 1),\; z), \qquad z = g + (t - v^\top g)\, v, \qquad g \sim \mathcal N(0, I_n),
        \qquad t \mid y \sim \mathrm{Spikes}

    The hint separates the classes by a plane, and an adversary of :math:`\epsilon > \tau` takes it away. The stripes
    along :math:`v` are further apart than that. Whoever looks along another direction :math:`u` sees a Gaussian in
    both classes: the best query of unit variance, :math:`\mathrm{He}_{2m}(u^\top z) / \sqrt{(2m)!}`, differs between
    them by :math:`(u^\top v)^{2m}` times :attr:`Spikes.signal`.

    Args:
        direction: :math:`v`, a unit vector ``[n]``.
        spikes: the two distributions along it.
        hint: :math:`\tau`, at least 0.

    Raises:
        ValueError: where the direction is no finite unit vector in float32 or float64, or the hint is negative.

    Differs from the paper: one direction and few matched moments, so that everything can be computed. A bound that is
    exponential in the dimension needs their number to grow with it.
    """

    direction: Float[Tensor, " n"]
    spikes: Spikes
    hint: float = 0.1

    def __post_init__(self) -> None:
        check_directions(self.direction, ndim=1)
        if not isinstance(self.spikes, Spikes):
            raise ValueError(f"spikes must be advnotes.defences.Spikes(order, width), got {self.spikes!r}")
        check_number("hint", self.hint, least=0.0)

    def sample(
        self, count: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "count coordinates"], Int[Tensor, " count"]]:
        """Inputs ``[count, 1 + n]``, the hint first, and labels 0 and 1, each as likely.

        Args:
            count: how many, at least 1.
            generator: where the randomness comes from, on the direction's device; None is the global one.
        """
        v = self.direction
        check_count("count", count)
        y = torch.randint(2, (count,), generator=generator, device=v.device)
        t = self.spikes.sample(y, generator).to(v)
        z = torch.randn(count, len(v), generator=generator, dtype=v.dtype, device=v.device)
        z += (t - z @ v)[:, None] * v
        return torch.cat([self.hint * (2 * y - 1).to(v)[:, None], z], dim=1), y

    def classifier(self) -> "StripeClassifier":
        """The robust classifier, which knows the secret."""
        return StripeClassifier(self.direction, self.spikes)


class StripeClassifier(nn.Module):
    r"""Says the class of the spike that is nearest to :math:`u^\top z`; whatever an adversary does, exactly.

    Its two logits are minus and plus the distance to the nearest cut between stripes, times the sign of the class. A
    perturbation of length :math:`\epsilon` moves :math:`u^\top z` by at most :math:`\epsilon`, and the one along
    :math:`\pm u` does: so a sample withstands everything within :math:`\epsilon` where it is right and the nearest cut
    is further away.

    Args:
        direction: :math:`u`, a unit vector ``[n]``. The input has :math:`1 + n` coordinates; the first is ignored.
        spikes: whose places and cuts are used.

    Raises:
        ValueError: where the direction is no unit vector; when called, where inputs do not fit it.
    """

    direction: Tensor

    def __init__(self, direction: Float[Tensor, " n"], spikes: Spikes) -> None:
        super().__init__()
        check_directions(direction, ndim=1)
        self.register_buffer("direction", direction)
        self.spikes = spikes

    def forward(self, x: Float[Tensor, "batch coordinates"]) -> Float[Tensor, "batch 2"]:
        """Two logits for each sample."""
        check_stripes(x, self.direction)
        score = self.spikes.room(
            x[:, 1:] @ self.direction, torch.ones(len(x), dtype=torch.int64, device=x.device)
        )
        return torch.stack([-score, score], dim=1)

    def withstands(
        self, x: Float[Tensor, "batch coordinates"], y: Int[Tensor, " batch"], eps: float
    ) -> Bool[Tensor, " batch"]:
        """Whether each sample is classified right after *every* perturbation of Euclidean length up to ``eps``."""
        return ~stripe_errors(x, y, self.direction[None], self.spikes, eps)[0]


def stripe_errors(
    x: Float[Tensor, "batch coordinates"],
    y: Int[Tensor, " batch"],
    directions: Float[Tensor, "candidates n"],
    spikes: Spikes,
    eps: float = 0.0,
) -> Bool[Tensor, "candidates batch"]:
    """Which samples the stripes across each candidate direction get wrong under the worst perturbation.

    The candidate with the fewest errors is what a learner finds that needs few samples: by a union bound, some
    multiple of the logarithm of the number of candidates. It needs time for all of them.

    Args:
        x, y: samples of :class:`HiddenStripes`; the hint is not looked at.
        directions: unit vectors.
        spikes: the two distributions, known to the learner.
        eps: the length of the worst perturbation; 0 is none.

    Raises:
        ValueError: where shapes, dtypes, devices, labels or ``eps`` do not fit, or an input is not finite.
    """
    check_directions(directions, ndim=2)
    check_stripes(x, directions[0])
    check_binary(y)
    if len(y) != len(x):
        raise ValueError(f"got {len(x)} inputs and {len(y)} labels: give one label for each input")
    if y.device != x.device:
        raise ValueError(
            f"inputs are on {x.device} and labels on {y.device}: bring them together, y.to(x.device)"
        )
    if not bool(x.isfinite().all()):
        raise ValueError("inputs must be finite: nothing can be said of NaN or infinity")
    check_number("eps", eps, least=0.0)
    parts = directions.split(max(1, CHUNK // len(x)))
    return torch.cat([spikes.room(part @ x[:, 1:].T, y) <= eps for part in parts])


def unit_directions(
    count: int, n: int, generator: torch.Generator | None = None, device: str | torch.device = "cpu"
) -> Float[Tensor, "count n"]:
    """Directions drawn uniformly from the sphere, ``[count, n]``, in float32."""
    check_count("count", count)
    check_count("n", n)
    return nn.functional.normalize(torch.randn(count, n, generator=generator, device=device), dim=1)


def mean_even_power(n: int, power: int) -> float:
    r"""The mean of :math:`(u^\top v)^p` over uniform unit vectors :math:`u` of :math:`\mathbb R^n`, for an even power.

    .. math:: \frac{1 \cdot 3 \cdots (p - 1)}{n (n + 2) \cdots (n + p - 2)}

    Raises:
        ValueError: where ``n`` is less than 1, or the power is odd or negative.
    """
    check_count("n", n)
    if check_count("power", power, least=0) % 2:
        raise ValueError(f"power must be even, as the mean of an odd one is 0, got {power}")
    return math.prod(range(1, power, 2)) / math.prod(range(n, n + power - 1, 2))


def check_directions(directions: object, ndim: int) -> None:
    """Raise ValueError for what is not finite unit vectors: one, ``[n]``, or several, ``[candidates, n]``."""
    shape = "[n]" if ndim == 1 else "[candidates, n]"
    if not isinstance(directions, Tensor) or directions.dtype not in (torch.float32, torch.float64):
        got = directions.dtype if isinstance(directions, Tensor) else type(directions).__name__
        raise ValueError(
            f"directions must be a floating-point tensor {shape} in float32 or float64, got {got}: half precision does "
            "not tell stripes apart"
        )
    if directions.ndim != ndim or 0 in directions.shape:
        raise ValueError(f"directions must have the shape {shape}, got {tuple(directions.shape)}")
    lengths = torch.linalg.vector_norm(directions.double(), dim=-1)
    if not bool(((lengths - 1).abs() < 1e-3).all()):
        raise ValueError(
            "directions must have the length 1: torch.nn.functional.normalize(directions, dim=-1)"
        )


def check_stripes(x: object, direction: Tensor) -> None:
    """Raise ValueError for inputs that have not a hint and as many coordinates as a direction."""
    if not isinstance(x, Tensor) or x.ndim != 2 or x.shape[1] != 1 + len(direction) or len(x) == 0:
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(
            f"inputs must be [batch, {1 + len(direction)}], the hint and then a coordinate for each of the direction's "
            f"{len(direction)}, got {got}"
        )
    if x.dtype != direction.dtype or x.device != direction.device:
        raise ValueError(
            f"inputs are {x.dtype} on {x.device}, directions {direction.dtype} on {direction.device}: bring them "
            "to one dtype and device, directions.to(x)"
        )
