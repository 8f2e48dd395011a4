"""An evaluation with a proof, for the tests to start in several processes: `python proof_run.py FOLDER OUT`."""

import os
import sys
from pathlib import Path

import torch

from advnotes.attacks import Square
from advnotes.evaluation import evaluate
from advnotes.nets import mlp
from advnotes.threats import Linf


def main(folder: str, out: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, x, threat = mlp(6, 16, 16, 2).eval(), torch.rand(40, 6), Linf(0.1)
    y = model(x).argmax(dim=1)
    order = torch.arange(40).roll(int(os.environ.get("RANK", "0")))
    report = evaluate(
        model,
        (x[order], y[order]),
        threat,
        [Square(threat, queries=1)],
        certify=True,
        folder=None if folder == "-" else folder,
        batch_size=4,
        curve=False,
        diagnose=False,
        progress=False,
    )
    rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
    Path(f"{out}.{rank}").write_text(report.to_json() + "\n")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
