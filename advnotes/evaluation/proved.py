"""What an evaluation proved: pure data."""

from dataclasses import dataclass, field

__all__ = ["Proof"]


@dataclass(frozen=True)
class Proof:
    """What is proved of the samples: that nothing within the threat and the bounds moves them out of their class.

    Args:
        proved: for each sample; False where it is misread or fooled, and where the bounds are too wide to tell.
        how: by which bounds and how much was tried, in words.
        refusal: why nothing can be proved of this model; empty where something can.
        seconds: the time it took, of all processes together.
    """

    proved: tuple[bool, ...] = field(repr=False)
    how: str
    refusal: str = ""
    seconds: float = field(default=0.0, compare=False)
