"""Kernels that lose the race for their ports are started again."""

from collections.abc import Callable
from typing import TypeVar

__all__ = ["start_with_retries"]

Started = TypeVar("Started")


def start_with_retries(start: Callable[[], Started], tries: int = 3) -> Started:
    """What ``start()`` returns, after up to ``tries`` attempts to start a kernel.

    Jupyter finds free ports for a kernel, lets go of them and tells the kernel, which takes them a second later. Where
    another process has been faster, the kernel ends at once: seen once in some hundred starts side by side.
    """
    for attempt in range(1, tries + 1):
        try:
            return start()
        except RuntimeError as error:
            if attempt == tries or "Kernel died before replying" not in str(error):
                raise
    raise ValueError(f"tries must be at least 1, got {tries}")
