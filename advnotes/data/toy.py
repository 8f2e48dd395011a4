"""Toys: distributions in closed form, as many samples as wanted, from ``generator`` or the global RNG."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from advnotes.checks import check_count, check_number

__all__ = [
    "gaussians",
    "grid",
    "grid_centres",
    "line",
    "line_density",
    "moons",
    "ring",
    "ring_centres",
    "shifted_gaussians",
]

# The mixture on the line: two bumps of unlike width and weight, so that nothing follows from symmetry.
MEANS, SIGMAS, WEIGHTS = (-1.5, 1.0), (0.4, 0.8), (0.4, 0.6)


def moons(
    n: int, noise: float = 0.1, generator: torch.Generator | None = None
) -> tuple[Float[Tensor, "n 2"], Int64[Tensor, " n"]]:
    r"""Two interleaved half circles of radius 1, with Gaussian noise.

    Class 0 is :math:`(\cos t, \sin t)` and class 1 :math:`(1 - \cos t, \tfrac12 - \sin t)`, :math:`t`
    uniform on :math:`[0, \pi]`; each label is a fair coin flip.

    Args:
        n: number of points.
        noise: standard deviation of the noise on each coordinate, in units of the radius.
        generator: the source of randomness; the points lie on its device. None: the global one, on the CPU.

    Raises:
        ValueError: where ``n`` is no whole number of at least 1, or ``noise`` is negative or not finite.

    Source: the shape of scikit-learn's ``make_moons``.
    """
    check_count("n", n)
    check_number("noise", noise, least=0.0)
    device = device_of(generator)
    y = torch.randint(2, (n,), generator=generator, device=device)
    t = math.pi * torch.rand(n, generator=generator, device=device)
    sign = 1.0 - 2.0 * y
    x = torch.stack([y + sign * t.cos(), 0.5 * y + sign * t.sin()], dim=1)
    return x + noise * torch.randn(n, 2, generator=generator, device=device), y


def gaussians(
    n: int,
    means: Float[Tensor, "modes dim"],
    sigma: float,
    weights: Sequence[float] | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n dim"]:
    r"""Samples of the mixture :math:`\sum_k w_k\,\mathcal N(\mu_k, \sigma^2 I)`.

    Args:
        n: number of points.
        means: one centre in each row.
        sigma: standard deviation of every mode, in every direction; 0 puts all points on the centres.
        weights: positive, one for each mode, in any unit; None: all equal.
        generator: the source of randomness; the points lie on its device. None: the global one, on the CPU.

    Raises:
        ValueError: where ``n`` is no whole number of at least 1, ``means`` is no matrix of finite numbers, ``sigma`` is
            negative, or the weights are not positive or not as many as the modes.
    """
    check_count("n", n)
    check_number("sigma", sigma, least=0.0)
    if means.ndim != 2 or means.numel() == 0 or not bool(torch.isfinite(means).all()):
        raise ValueError(
            "means must be a matrix of finite numbers, one centre in each row;"
            f" got shape {tuple(means.shape)}"
        )
    mode = pick(n, check_weights(weights, len(means)), generator)
    device = device_of(generator)
    centres = means.to(device, torch.float32)[mode]
    return centres + sigma * torch.randn(centres.shape, generator=generator, device=device)


def shifted_gaussians(
    n: int, nuisance: float | None = None, generator: torch.Generator | None = None
) -> tuple[Float[Tensor, "n 2"], Int64[Tensor, " n"], Float[Tensor, " n"]]:
    r"""Two classes, one of which has no fixed place: a nuisance :math:`\nu` shifts its second coordinate.

    .. math::
        x \mid y = 0 \sim \mathcal N\Bigl(\begin{pmatrix} 0 \\ 0 \end{pmatrix},
            \begin{pmatrix} 1 & -1/2 \\ -1/2 & 1 \end{pmatrix}\Bigr), \qquad
        x \mid y = 1, \nu \sim \mathcal N\Bigl(\begin{pmatrix} 1 \\ 1 + \nu \end{pmatrix}, I\Bigr), \qquad
        \nu \sim \mathcal N(0, 1)

    Each label is a fair coin flip.

    Args:
        n: number of points.
        nuisance: the same :math:`\nu` for all; None draws one for each point, of either class.
        generator: the source of randomness; the points lie on its device. None: the global one, on the CPU.

    Returns:
        ``(x, y, nuisance)``.

    Raises:
        ValueError: where ``n`` is no whole number of at least 1, or ``nuisance`` is not finite.

    Source: the toy of Louppe, Kagan and Cranmer 2016, section 5.1.
    """
    check_count("n", n)
    if nuisance is not None and not math.isfinite(nuisance):
        raise ValueError(f"nuisance must be a finite number, or None to draw it; got {nuisance!r}")
    device = device_of(generator)
    y = torch.randint(2, (n,), generator=generator, device=device)
    shift = torch.randn(n, generator=generator, device=device)
    if nuisance is not None:
        shift = torch.full_like(shift, nuisance)
    first, second = torch.randn(2, n, generator=generator, device=device)
    below = torch.stack([first, -0.5 * first + math.sqrt(0.75) * second], dim=1)
    above = torch.stack([1 + first, 1 + shift + second], dim=1)
    return torch.where(y[:, None] == 0, below, above), y, shift


def ring_centres(modes: int = 8, radius: float = 2.0) -> Float[Tensor, "modes 2"]:
    """The centres of :func:`ring`: equally spaced on a circle, the first one at (radius, 0)."""
    check_count("modes", modes)
    check_number("radius", radius, least=0.0)
    angle = 2 * math.pi * torch.arange(modes) / modes
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def ring(
    n: int, modes: int = 8, radius: float = 2.0, sigma: float = 0.02, generator: torch.Generator | None = None
) -> Float[Tensor, "n 2"]:
    """Equal Gaussians of width ``sigma`` on a circle: the usual test of mode collapse.

    Arguments and errors as in :func:`gaussians` and :func:`ring_centres`. The defaults are those of Metz et
    al. 2017, Unrolled Generative Adversarial Networks.
    """
    return gaussians(n, ring_centres(modes, radius), sigma, generator=generator)


def grid_centres(side: int = 5, spacing: float = 2.0) -> Float[Tensor, "modes 2"]:
    """The ``side * side`` centres of :func:`grid`: a square lattice around the origin, row by row."""
    check_count("side", side)
    check_number("spacing", spacing, least=0.0)
    ticks = spacing * (torch.arange(side) - (side - 1) / 2)
    return torch.cartesian_prod(ticks, ticks)


def grid(
    n: int, side: int = 5, spacing: float = 2.0, sigma: float = 0.05, generator: torch.Generator | None = None
) -> Float[Tensor, "n 2"]:
    """Equal Gaussians of width ``sigma`` on a square lattice: 25 modes at the defaults.

    Arguments and errors as in :func:`gaussians` and :func:`grid_centres`. The defaults are those of
    Srivastava et al. 2017, VEEGAN.
    """
    return gaussians(n, grid_centres(side, spacing), sigma, generator=generator)


def line(
    n: int,
    means: Sequence[float] = MEANS,
    sigmas: Sequence[float] = SIGMAS,
    weights: Sequence[float] | None = WEIGHTS,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n 1"]:
    r"""Samples on a line from :math:`p(x) = \sum_k w_k\,\mathcal N(x; \mu_k, \sigma_k^2)`, as a column.

    Args:
        n: number of points.
        means: centre of each mode.
        sigmas: standard deviation of each mode, above 0.
        weights: positive, one for each mode, in any unit; None: all equal.
        generator: the source of randomness; the points lie on its device. None: the global one, on the CPU.

    Raises:
        ValueError: where ``n`` is no whole number of at least 1, or the three lists differ in length or hold a number
            out of range.
    """
    check_count("n", n)
    mean, sigma, weight = mixture(means, sigmas, weights)
    mode = pick(n, weight, generator)
    device = device_of(generator)
    noise = torch.randn(n, 1, generator=generator, device=device)
    column = torch.stack([mean, sigma], dim=1).to(device, torch.float32)[mode]
    return column[:, :1] + column[:, 1:] * noise


def line_density(
    x: Float[Tensor, "*shape"],
    means: Sequence[float] = MEANS,
    sigmas: Sequence[float] = SIGMAS,
    weights: Sequence[float] | None = WEIGHTS,
) -> Float[Tensor, "*shape"]:
    r"""The exact density of :func:`line`, :math:`\sum_k w_k\,\mathcal N(x; \mu_k, \sigma_k^2)`.

    Taken at every entry of ``x``, in its dtype and on its device. Differentiable in ``x``; the other
    arguments and the errors are those of :func:`line`.
    """
    mean, sigma, weight = (parameter.to(x) for parameter in mixture(means, sigmas, weights))
    z = (x[..., None] - mean) / sigma
    return (weight / (sigma * math.sqrt(2 * math.pi)) * torch.exp(-z.square() / 2)).sum(-1)


def mixture(
    means: Sequence[float], sigmas: Sequence[float], weights: Sequence[float] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The checked parameters of a mixture on the line, float64, its weights summing to one."""
    mean = torch.tensor(means, dtype=torch.float64)
    sigma = torch.tensor(sigmas, dtype=torch.float64)
    if mean.ndim != 1 or len(mean) == 0 or not bool(torch.isfinite(mean).all()):
        raise ValueError(f"means must be a list of finite numbers, one for each mode; got {means!r}")
    if sigma.shape != mean.shape or not bool((torch.isfinite(sigma) & (sigma > 0)).all()):
        raise ValueError(
            f"sigmas must be {len(mean)} finite numbers above 0, one for each mean; got {sigmas!r}"
        )
    return mean, sigma, check_weights(weights, len(mean))


def pick(n: int, weights: Float[Tensor, " modes"], generator: torch.Generator | None) -> Int64[Tensor, " n"]:
    """``n`` independent draws of a mode."""
    device = device_of(generator)
    return torch.multinomial(weights.to(device), n, replacement=True, generator=generator)


def device_of(generator: torch.Generator | None) -> torch.device:
    return torch.device("cpu") if generator is None else generator.device


def check_weights(weights: Sequence[float] | None, modes: int) -> Float[Tensor, " modes"]:
    """The weights as float64 that sum to one."""
    weight = (
        torch.ones(modes, dtype=torch.float64)
        if weights is None
        else torch.tensor(weights, dtype=torch.float64)
    )
    if weight.shape != (modes,) or not bool((torch.isfinite(weight) & (weight > 0)).all()):
        raise ValueError(
            f"weights must be {modes} finite numbers above 0, one for each mode; got {weights!r}"
        )
    return weight / weight.sum()
