"""An evaluation for the tests to start, kill and start again: `python slow_run.py FOLDER OUT [PAUSE]`.

What it found goes into OUT, by process.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import models
import torch
from torch import Tensor

from advnotes.attacks import PGD, Square
from advnotes.evaluation import evaluate
from advnotes.threats import Linf

PAUSE = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0


@dataclass(frozen=True)
class Slow(PGD):
    """Takes its time over every batch."""

    def perturb(self, model, x, y, generator=None):  # type: ignore[no-untyped-def]
        time.sleep(PAUSE)
        return super().perturb(model, x, y, generator)


def data() -> tuple[Tensor, Tensor]:
    """The samples, in an order of each process's own: nothing may depend on it."""
    x, y = models.points(60)
    order = torch.arange(60).roll(int(os.environ.get("RANK", "0")))
    return x[order], y[order]


def main(folder: str, out: str) -> None:
    torch.set_num_threads(1)
    threat = Linf(0.06)
    report = evaluate(
        models.Noisy().eval(),  # its verdicts want the same draws
        data(),
        threat,
        [Slow(threat, steps=1), Square(threat, queries=4), Slow(threat, steps=3, restarts=2)],
        folder=None if folder == "-" else folder,
        batch_size=4,
        keep=True,
        diagnose=False,
        progress=False,
    )
    rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
    assert report.adversarial is not None
    kept = report.adversarial.double().sum(dim=1).tolist()
    Path(f"{out}.{rank}").write_text(report.to_json() + "\n" + repr(kept))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
