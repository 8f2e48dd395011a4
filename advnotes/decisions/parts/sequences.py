"""What writers and critics of sequences ask of them, and how a token is drawn."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from advnotes.checks import check_count
from advnotes.precision import at_least_float32

__all__ = ["check_sequences", "draw"]


def check_sequences(x: Tensor, tokens: int, length: int, what: str = "sequences") -> None:
    """Raise ValueError for what is not a batch of sequences of this length over this alphabet.

    Args:
        x: a row for each sequence, of int64 token numbers.
        tokens: the size of the alphabet, whose tokens are 0 to ``tokens - 1``.
        length: of each sequence.
        what: the rows' name in messages.
    """
    if not isinstance(x, Tensor):
        raise ValueError(
            f"{what} must be a tensor of token numbers, got {type(x).__name__}: torch.tensor(rows), all of one length"
        )
    if x.dtype != torch.int64:
        advice = "x.argmax(dim=-1) for one-hot rows or logits, " if x.is_floating_point() else ""
        raise ValueError(f"{what} must be int64 token numbers, got {x.dtype}: {advice}x.long() for numbers")
    if x.ndim != 2 or len(x) == 0:
        advice = "leave an empty batch out" if x.ndim == 2 else "add the batch's dimension to one, x[None]"
        raise ValueError(f"{what} must be a batch [n, {length}], got the shape {tuple(x.shape)}: {advice}")
    if x.shape[1] != length:
        raise ValueError(
            f"{what} must have {length} tokens each, got {x.shape[1]}: cut them, fill them up with a token of its own, "
            f"or make the networks with length={x.shape[1]}"
        )
    if length and (int(x.min()) < 0 or int(x.max()) >= tokens):
        bad = int(((x < 0) | (x >= tokens)).any(dim=1).nonzero()[0, 0])
        raise ValueError(
            f"{what} must have tokens from 0 to {tokens - 1}, got {int(x[bad].min())} to {int(x[bad].max())} in row "
            f"{bad}: do they count from 1, or come from another alphabet?"
        )


def draw(
    logits: Float[Tensor, "*rows tokens"], generator: torch.Generator | None = None
) -> Int64[Tensor, "*rows"]:
    """One token for each row of logits, with its softmax as the probabilities: the first that the running sum passes.

    Args:
        logits: numbers, of which some, but not all, may be minus infinity; half precision is drawn from in float32.
        generator: where the numbers come from, on whatever device; None: the global generator of the logits' device.

    Raises:
        ValueError: where a row is no distribution: with NaN, infinity, or nothing but minus infinity.
    """
    logits = at_least_float32(logits)  # in bfloat16 chances and their sums have three digits
    source = logits.device if generator is None else generator.device
    chance = torch.rand(logits.shape[:-1], generator=generator, device=source, dtype=logits.dtype)
    sums = logits.softmax(dim=-1).cumsum(dim=-1)
    if bool(sums[..., -1].isnan().any()):
        raise ValueError(
            "tokens cannot be drawn from logits that are NaN or infinite: has the writer's training diverged? Begin "
            "again with a smaller learning rate"
        )
    # The last sum may be rounded to less than 1, and then a chance may lie beyond it.
    beyond = sums <= (chance.to(logits.device) * sums[..., -1])[..., None]
    return beyond.sum(dim=-1).clamp_max(check_count("tokens", logits.shape[-1]) - 1)
