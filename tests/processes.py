"""Scripts that tests run in processes of their own: one, or several that find each other."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["command", "environment"]


def command(script: Path, processes: int, *arguments: object) -> list[str]:
    """A command line for a script in so many processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [sys.executable, *(launcher if processes > 1 else []), str(script), *map(str, arguments)]


def environment() -> dict[str, str]:
    """One thread for each process, on the CPU, as a launcher of its own would find it."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ACCELERATE_", "TORCHELASTIC"))
    }
    return own | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
