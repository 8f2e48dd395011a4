"""Bits as -1 and 1: how they are drawn, counted and looked at."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count

__all__ = ["bits_wrong", "check_bits", "mean_of_each", "random_bits", "rows_of"]


def random_bits(
    n: int, bits: int, copies: int | None = None, generator: torch.Generator | None = None
) -> Float[Tensor, "*copies n bits"]:
    """Fair coins as -1 and 1, ``[n, bits]`` or ``[copies, n, bits]``.

    Args:
        n: how many messages or keys.
        bits: the length of each.
        copies: for how many games side by side; None: for one, without a dimension in front.
        generator: the source of randomness; the bits lie on its device. None: the global one, on the CPU.

    Raises:
        ValueError: where a number is no whole number of at least 1.
    """
    front = () if copies is None else (check_count("copies", copies),)
    shape = (*front, check_count("n", n), check_count("bits", bits))
    device = torch.device("cpu") if generator is None else generator.device
    return 2.0 * torch.randint(2, shape, generator=generator, device=device) - 1.0


def bits_wrong(
    message: Float[Tensor, "*copies batch bits"], answer: Float[Tensor, "*copies batch bits"]
) -> Float[Tensor, "*copies batch"]:
    r"""How many bits of each message an answer has wrong, :math:`\tfrac12 \lVert P - Q \rVert_1`.

    An answer in [-1, 1] may commit itself in part: 0 is half a bit wrong whatever the bit is. ``answer.sign()`` counts
    whole bits.

    Raises:
        ValueError: where the two are no tensors of one shape.
    """
    if not isinstance(message, Tensor) or not isinstance(answer, Tensor) or message.shape != answer.shape:
        got = [list(getattr(x, "shape", [])) or type(x).__name__ for x in (message, answer)]
        raise ValueError(f"messages and answers must be tensors of one shape, got {got[0]} and {got[1]}")
    return (message - answer).abs().sum(dim=-1) / 2


def rows_of(who: str, network: nn.Module, shown: Float[Tensor, "*copies batch shown"]) -> Tensor:
    """What a network makes of rows; raise ValueError where that is not one row for each."""
    made = call_model(network, shown)
    if made.shape[:-1] != shown.shape[:-1]:
        raise ValueError(
            f"{who}'s network makes the shape {list(made.shape)} of rows of shape {list(shown.shape)}: let it give one "
            "row of numbers for each"
        )
    return made


def mean_of_each(loss: Float[Tensor, "*copies batch"]) -> Float[Tensor, ""]:
    """The mean over the batch, added up over the games side by side."""
    return loss.mean(dim=-1).sum()


def check_bits(what: str, x: Tensor, length: int) -> None:
    """Raise ValueError for what is not rows of ``length`` numbers that are -1 or 1."""
    if not isinstance(x, Tensor):
        raise ValueError(f"{what} must be a tensor of rows, got {type(x).__name__}: torch.tensor(rows)")
    if not x.is_floating_point():
        raise ValueError(
            f"{what} are floating-point numbers, -1 or 1, got {x.dtype}: 2.0 * x - 1 for bits 0 and 1"
        )
    if x.ndim < 2 or x.shape[-1] != length or x.numel() == 0:
        raise ValueError(
            f"{what} of this game are rows of {length} bits, got the shape {list(x.shape)}: cut or draw them to that "
            "length, or make the game with bits= and key_bits= as long as yours"
        )
    if not bool((x.abs() == 1).all()):
        raise ValueError(
            f"{what} are bits, -1 or 1, got numbers from {float(x.min()):g} to {float(x.max()):g}: 2 * x - 1 for bits "
            "0 and 1, x.sign() for numbers that mean bits"
        )
