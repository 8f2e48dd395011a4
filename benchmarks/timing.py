"""Times of contenders side by side: round by round, and the ratios within each round."""

import random
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["rounds", "seconds", "table"]


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
