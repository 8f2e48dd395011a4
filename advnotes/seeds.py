"""Randomness: one seed call for a chapter, one argument for a function, and the stamp that says where it ran."""

import os
import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor

from advnotes import rng
from advnotes.environment import environment, machine

__all__ = ["Source", "content_seeds", "own_seeds", "rows_of", "seed_all", "stamp", "start", "uniform"]

#: Where a function takes its randomness from. ``None`` is torch's global generator; a ``torch.Generator`` leaves
#: the global one untouched; an int64 tensor holds one seed for each sample, and then what happens to a sample
#: depends on nothing but the sample and its seed: not on the batch's size or order, nor on the device.
Source = torch.Generator | Tensor | None


def seed_all(seed: int) -> None:
    """Seed Python, NumPy and torch (every device).

    Raises:
        ValueError: where the seed is not a whole number that NumPy takes, from 0 to 2**32 - 1.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(
            f"a seed is a whole number from 0 to 2**32 - 1, got {seed!r} "
            "(papermill takes a list of seeds as -y 'seeds: [0, 1]', not as -p)"
        )
    rng.seed(seed)


def start(seed: int, threads: int = 1) -> torch.device:
    """Begin a chapter: seed everything, fix what the bits depend on, set the figures' style, say where we are.

    Sums on a processor depend on the number of threads, and convolutions on a GPU on the algorithm that is
    picked; both are fixed here, so that the same processor gives the same bits again. On a GPU some sums are still
    taken in whatever order they come. Warnings are shown without a path, so that one which a single machine meets
    does not name that machine's folders in a published page.

    Returns:
        The device to compute on: the GPU where there is one.
    """
    from advnotes import plots

    seed_all(seed)
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    plots.use_style()
    warnings.formatwarning = _without_path
    print(stamp())
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _without_path(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning's text without the place in the package that gave it, which is another on each machine."""
    return f"{category.__name__}: {message}\n"


def stamp() -> str:
    """What the bits of a result depend on: versions, processor or device, threads."""
    from importlib.metadata import version

    where = environment()
    return (
        f"advnotes {version('advnotes')}, torch {where['torch']}, Python {where['python']}, {where['system']}, "
        f"{machine(where)}"
    )


def uniform(
    like: Float[Tensor, "batch ..."], size: int, source: Source = None, stream: int = 0
) -> Float[Tensor, "batch size"]:
    """Uniform numbers in the open interval (0, 1): ``size`` of them for each sample of ``like``.

    Args:
        like: gives the number of samples, the device and the dtype: float64, or float32 for any other, since the
            numbers of a half precision are too few, and the highest of them would be rounded to 1.
        size: how many numbers each sample gets.
        source: see :data:`Source`.
        stream: with one seed for each sample, which independent draw to take; otherwise unused, as a generator
            moves on by itself.

    Raises:
        ValueError: where per-sample seeds are not an int64 tensor with one seed for each sample.
    """
    shape, dtype = (len(like), size), torch.promote_types(like.dtype, torch.float32)
    if isinstance(source, Tensor):
        if source.dtype != torch.int64 or source.shape != (len(like),):
            raise ValueError(
                f"per-sample seeds must be an int64 tensor of shape ({len(like)},), "
                f"got {source.dtype} of shape {tuple(source.shape)}"
            )
        return _hashed(source.to(like.device), size, stream).to(dtype)
    device = like.device if source is None else source.device
    numbers = torch.rand(shape, generator=source, dtype=dtype, device=device)
    # rand may return 0, whose logarithm and normal quantile are infinite.
    return numbers.clamp_min(torch.finfo(dtype).eps / 4).to(like.device)


def rows_of(source: Source, rows: Tensor | slice) -> Source:
    """The randomness of some samples: their seeds, where each has its own; otherwise the same generator."""
    return source[rows] if isinstance(source, Tensor) else source


def own_seeds(source: Source, x: Float[Tensor, "batch ..."]) -> Int[Tensor, " batch"]:
    """One seed for each sample, drawn from a generator where they are not given.

    What draws with them may drop samples, or take them in any order, without a change for the others.
    """
    if isinstance(source, Tensor):
        return source.to(x.device)
    device = x.device if source is None else source.device
    return torch.randint(-(2**63), 2**63 - 1, (len(x),), generator=source, device=device).to(x.device)


def content_seeds(
    x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], seed: int = 0
) -> Int[Tensor, " batch"]:
    """One seed for each sample, made of what the sample is: equal wherever and beside whatever it stands.

    Args:
        x, y: samples and their labels; the hash is of their bits, so that it depends on the dtype.
        seed: mixed in, for several independent runs.
    """
    words = {2: torch.int16, 4: torch.int32, 8: torch.int64}[x.element_size()]
    bits = x.detach().contiguous().view(words).flatten(1).long()
    place = _mix(torch.arange(1, bits.shape[1] + 1, device=x.device) * _signed(0x9E3779B97F4A7C15))
    return _mix(_mix(bits + place).sum(dim=1) + _mix(y + _mix(torch.tensor(seed, device=x.device))))


def _hashed(seeds: Tensor, size: int, stream: int) -> Tensor:
    """SplitMix64 (Steele et al. 2014) of (seed, stream, position): random access instead of a state to carry."""
    golden = _signed(0x9E3779B97F4A7C15)
    key = _mix(seeds * _signed(0xD1342543DE82EF95) + _mix(torch.tensor(stream, device=seeds.device) + golden))
    position = torch.arange(1, size + 1, device=seeds.device)
    bits = _mix(key[:, None] + position * golden)
    # The top 23 bits, centred in their cells: never 0 or 1, and exact in float32.
    return ((_shift(bits, 41)).float() + 0.5) / 2**23


def _mix(z: Tensor) -> Tensor:
    z = (z ^ _shift(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shift(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _shift(z, 31)


def _shift(z: Tensor, bits: int) -> Tensor:
    """Logical shift to the right: torch's own drags the sign along."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _signed(z: int) -> int:
    return z - 2**64 if z >= 2**63 else z
