"""Times of contenders side by side: round by round, and the ratios within each round; and what scripts are told."""

import argparse
import random
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Part", "main", "rounds", "seconds", "table"]

#: Measures and prints something, told what the command line says.
Part = Callable[[argparse.Namespace], None]


def main(description: str, parts: dict[str, Part], repeats: int = 15, **more: tuple[int | str, str]) -> None:
    """Measure what the command line asks for; ``more`` are a script's own options: their defaults and what they are."""
    options = dict(threads=(1, "of torch"), repeats=(repeats, "rounds, at least 2"), **more)
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=layout)
    for name, (default, what) in options.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{what} ({default})")
    if len(parts) > 1:
        parser.add_argument("--parts", nargs="+", choices=parts)
    parser.set_defaults(parts=list(parts))
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    warnings.filterwarnings("ignore")
    said = ", ".join(f"{name}: {getattr(told, name)}" for name in options)
    print(f"torch {torch.__version__}, {said}", flush=True)
    for part in told.parts:
        parts[part](told)


def seconds(attack: Callable[[], object], x: Tensor) -> float:
    """What one call takes: of the process where it is one thread, else by the clock."""
    one_thread = x.device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if one_thread else time.perf_counter
    wait = torch.cuda.synchronize if x.device.type == "cuda" else lambda: None
    wait()
    started = clock()
    attack()
    wait()
    return clock() - started


def rounds(contenders: dict[str, Callable[[], object]], x: Tensor, repeats: int) -> dict[str, list[float]]:
    """The seconds of each contender, round by round."""
    took: dict[str, list[float]] = {name: [] for name in contenders}
    order = random.Random(0)
    for _ in range(repeats):
        for name in order.sample(sorted(contenders), len(contenders)):
            took[name].append(seconds(contenders[name], x))
    return took


def table(title: str, took: dict[str, list[float]], against: str) -> str:
    """Median of the paired ratios, with its quartiles."""
    lines = [f"| {title} | ms | ratio to {against} | quartiles |", "| --- | ---: | ---: | :---: |"]
    for name, times in took.items():
        ratios = [mine / least for mine, least in zip(times, took[against], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        spread = "" if name == against else f"{low:.3f} to {high:.3f}"
        lines.append(f"| {name} | {1e3 * statistics.median(times):.0f} | {middle:.3f} | {spread} |")
    return "\n".join(lines)
