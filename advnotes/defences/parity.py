"""Robust classes hidden by a parity: easy by elimination, and hard as soon as some labels lie."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from advnotes.checks import check_count, check_number
from advnotes.defences.parts.spikes import check_binary

__all__ = ["SecretParity", "search_parities", "solve_parity"]


@dataclass(frozen=True, eq=False)
class SecretParity:
    r"""The label is the parity of a secret subset of bits, each written several times, with a small hint beside.

    .. math:: y = \langle s, b\rangle \bmod 2, \qquad x = (\tau (2y - 1),\; \pm 1, \dots, \pm 1)

    The bits :math:`b` are fair coins, and each stands :math:`r` times in a row in :math:`x`, as -1 or +1: a code that
    corrects :math:`\lfloor (r - 1) / 2 \rfloor` changed signs in each block, whoever chooses them. Any two parities
    are uncorrelated, so an average over samples says nothing about :math:`s` unless it asks for :math:`s` itself.

    Args:
        secret: :math:`s`, ``[n]``, true for the bits that count; one at least does.
        repeats: :math:`r`, odd.
        noise: the probability that a label is turned, from 0 to below 1/2.
        hint: :math:`\tau`, at least 0; it always tells the label that the sample comes with.

    Raises:
        ValueError: where the secret is no vector of bools or is empty, or a number is out of range.

    Differs from the paper: Bubeck et al. 2018 hide the classes by a pseudo-random generator; Degwekar, Nakkiran and
    Vaikuntanathan 2019 build a task on learning parity with noise. The code by repetition is the plainest one.
    """

    secret: Bool[Tensor, " n"]
    repeats: int = 5
    noise: float = 0.0
    hint: float = 0.1

    def __post_init__(self) -> None:
        s = self.secret
        if not isinstance(s, Tensor) or s.dtype != torch.bool or s.ndim != 1 or not bool(s.any()):
            got = f"{s.dtype} of shape {tuple(s.shape)}" if isinstance(s, Tensor) else type(s).__name__
            raise ValueError(f"secret must be a bool tensor [n] with at least one True, got {got}")
        if check_count("repeats", self.repeats) % 2 == 0:
            raise ValueError(f"repeats must be odd, so that a vote has no ties, got {self.repeats}")
        if check_number("noise", self.noise, least=0.0, most=0.5) == 0.5:
            raise ValueError("noise must be below 1/2, where labels say nothing")
        check_number("hint", self.hint, least=0.0)

    def sample(
        self, count: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "count coordinates"], Int[Tensor, " count"]]:
        """Inputs ``[count, 1 + n repeats]``, the hint first, and labels.

        Args:
            count: how many, at least 1.
            generator: where the randomness comes from, on the secret's device; None is the global one.
        """
        check_count("count", count)
        device, shape = self.secret.device, (count, len(self.secret))
        bits = torch.randint(2, shape, generator=generator, device=device)
        lies = torch.rand(count, generator=generator, device=device) < self.noise
        y = ((bits * self.secret).sum(dim=1) + lies) % 2
        signs = (2 * bits - 1).repeat_interleave(self.repeats, dim=1)
        return torch.cat([self.hint * (2 * y - 1)[:, None], signs], dim=1).float(), y

    def decode(self, x: Float[Tensor, "batch coordinates"]) -> Int[Tensor, "batch n"]:
        """The bits of each input, by a vote in each block; the hint is ignored."""
        wanted = 1 + len(self.secret) * self.repeats
        if not isinstance(x, Tensor) or x.ndim != 2 or x.shape[1] != wanted:
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"inputs must be [batch, {wanted}], as sample(count) gives them, got {got}")
        if bool(x.isnan().any()):
            raise ValueError("inputs must not be NaN: a vote would count each as the sign -1")
        return ((x[:, 1:].unflatten(1, (-1, self.repeats)) > 0).sum(dim=2) > self.repeats // 2).long()


def solve_parity(bits: Int[Tensor, "batch n"], y: Int[Tensor, " batch"]) -> Bool[Tensor, " n"] | None:
    """The subset whose parity gives every label, by Gaussian elimination modulo 2; None where there is none.

    Bits that the samples leave open are taken to be outside the subset. With a few more samples than bits none
    are left open. A single turned label among them leaves no solution.

    Raises:
        ValueError: where bits or labels are not 0 and 1.
    """
    check_bits(bits, y)
    table = torch.cat([bits, y[:, None]], dim=1).bool().cpu()
    row, pivots = 0, []
    for column in range(table.shape[1] - 1):
        below = table[row:, column].nonzero()
        if len(below) == 0:
            continue
        table[[row, row + int(below[0])]] = table[[row + int(below[0]), row]]
        others = table[:, column].clone()
        others[row] = False
        table[others] ^= table[row]
        pivots.append(column)
        row += 1
        if row == len(table):
            break
    if bool(table[row:, -1].any()):  # 0 = 1
        return None
    secret = torch.zeros(bits.shape[1], dtype=torch.bool)
    secret[pivots] = table[: len(pivots), -1]
    return secret.to(bits.device)


def search_parities(bits: Int[Tensor, "batch n"], y: Int[Tensor, " batch"]) -> Bool[Tensor, " n"]:
    r"""The subset whose parity agrees with most labels, out of all :math:`2^n`, by a fast Walsh-Hadamard transform.

    Raises:
        ValueError: where bits or labels are not 0 and 1, or there are more than 24 bits.
    """
    check_bits(bits, y)
    n = bits.shape[1]
    if n > 24:
        raise ValueError(f"all 2**{n} subsets do not fit into memory: at most 24 bits")
    place = (bits << torch.arange(n, device=bits.device)).sum(dim=1)
    votes = torch.zeros(2**n, device=bits.device).index_add_(0, place, 1.0 - 2.0 * y)
    for k in range(n):
        pairs = votes.view(-1, 2, 2**k)
        votes = torch.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], dim=1).flatten()
    return (votes.argmax() >> torch.arange(n, device=bits.device)) & 1 == 1


def check_bits(bits: Shaped[Tensor, "..."], y: Tensor) -> None:
    """Raise ValueError for bits or labels that are not whole numbers 0 and 1, or do not fit each other."""
    if (
        not isinstance(bits, Tensor)
        or bits.dtype != torch.int64
        or bits.ndim != 2
        or 0 in bits.shape
        or not bool(((bits == 0) | (bits == 1)).all())
    ):
        got = (
            f"{bits.dtype} of shape {tuple(bits.shape)}" if isinstance(bits, Tensor) else type(bits).__name__
        )
        raise ValueError(f"bits must be an int64 tensor [batch, n] of 0 and 1, got {got}")
    check_binary(y)
    if len(y) != len(bits):
        raise ValueError(f"got {len(bits)} rows of bits and {len(y)} labels: give one label for each row")
    if y.device != bits.device:
        raise ValueError(
            f"bits are on {bits.device} and labels on {y.device}: bring them together, y.to(bits.device)"
        )
