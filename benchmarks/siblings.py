"""Seconds that each sibling of the chapter "The siblings" trains, and that it takes for a digit.

    .venv/bin/python benchmarks/siblings.py [--threads 1] [--repeats 3]

The chapter's own cells are run up to the one that trains, so that what is timed is what the chapter plays. The page
itself states no seconds: it is executed twice, and both must say the same.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import nbformat
import torch
from timing import main, seconds

CHAPTER = Path(__file__).parents[1] / "book" / "generators" / "siblings.ipynb"


def until(cells: list[str], name: str, found: dict[str, Any]) -> None:
    """Run the cells that come first, up to the one after which ``name`` is known."""
    while name not in found:
        exec(compile(cells.pop(0), str(CHAPTER), "exec"), found)


def siblings(told: argparse.Namespace) -> None:
    """A table of both."""
    notebook = nbformat.read(CHAPTER, 4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code" and "%pip" not in cell.source]
    chapter: dict[str, Any] = {}
    until(code, "profile", chapter)
    chapter["seeds"] = [0]
    until(code, "siblings", chapter)
    chapter["seeds"] = []  # nothing is trained yet
    until(code, "trained", chapter)
    torch.set_num_threads(told.threads)
    models, x = {}, torch.empty(0)
    trains: dict[str, list[float]] = {name: [] for name in chapter["siblings"]}
    draws: dict[str, list[float]] = {name: [] for name in trains}
    for repeat in range(told.repeats):
        for name, took in trains.items():
            took.append(seconds(lambda name=name: models.update({name: chapter["trained"](name, 0)}), x))
        if repeat == 0:
            chapter.update(models={name: [model] for name, model in models.items()}, seeds=[0])
            until(code, "made", chapter)
        for name, took in draws.items():
            took.append(seconds(lambda name=name: chapter["drawn_by"](name, 0, models[name]), x))
    print("| | training, s | a digit, ms |\n| --- | ---: | ---: |")
    for name in trains:
        each = 1000 * statistics.median(draws[name]) / chapter["drawn"]
        print(f"| {name} | {statistics.median(trains[name]):.1f} | {each:.3f} |")


if __name__ == "__main__":
    main(__doc__, {"siblings": siblings}, repeats=3)
