"""Counters of games: buffers, which are saved and resumed, and which can be read without waiting for a GPU."""

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

__all__ = ["add_one", "number_of"]

#: For a counter's buffer, torch's number of its last change and what it held then.
_seen: WeakIdKeyDictionary = WeakIdKeyDictionary()


def number_of(buffer: Tensor) -> int:
    """The number that a counter's buffer holds, read from its device only after someone else has changed it.

    ``int(buffer)`` waits until a GPU has done all its work. torch numbers a tensor's changes in place, so that a
    buffer that was loaded from a checkpoint, moved or set by hand is noticed.
    """
    version, number = _seen.get(buffer, (None, 0))
    if version != buffer._version:
        number = int(buffer)
        _seen[buffer] = (buffer._version, number)
    return number


def add_one(buffer: Tensor) -> None:
    """Add one to a counter."""
    number = number_of(buffer)
    buffer += 1
    _seen[buffer] = (buffer._version, number + 1)
