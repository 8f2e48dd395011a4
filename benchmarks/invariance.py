"""Domain-adversarial training on turned crescents beside other libraries and beside the loop as one writes it down.

    .venv/bin/python benchmarks/invariance.py [--threads 1] [--repeats 7] [--steps 1000]

The setting of the book's chapter: crescents turned by 35 degrees, 15 hidden units, Adam with 3e-3. Every round has a
seed of its own for the points, the weights and the batches, and trains each contender once from the same ones, in a
random order; its time is divided by the plain loop's of the same round. Drawing the batches, and what a library does
before and after its steps, is part of the time. Before anything is timed, each contender that takes its batches from
outside has to come to the plain loop's weights in 50 steps; in the end, to its accuracy on the target. That holds up
to some 1000 steps: after 2000, the last bits of the first weights decide where a run has come to.
"""

import argparse
import copy
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import mean

import torch
import torch.nn.functional as F
from timing import main, seconds, table
from torch import Tensor, nn
from torch.optim import Adam

from advnotes import accuracy, data, nets, play
from advnotes.invariance import DANN, growing_strength, reverse_gradient

#: Features, label head and domain head.
Parts = tuple[nn.Sequential, nn.Linear, nn.Sequential]

#: ``(x, y, x_target)``, drawn while they are read.
Batches = data.Stream

SIZE, BATCH, RATE = 1000, 128, 3e-3  # points of each domain, of each domain in a batch; Adam's

#: Draws other batches than the others do, so that only the mean over the seeds can be compared.
OWN = "skada, its own loader"

POINTS, SPREAD = 0.05, 0.1  # of accuracy, by which one training and such a mean may differ
SAME = 1000  # steps up to which trainings on the same batches stay together


@dataclass(frozen=True)
class Task:
    """A labelled source, a target without labels, and held-out points of the target."""

    x: Tensor
    y: Tensor
    x_target: Tensor
    test: tuple[Tensor, Tensor]

    def batches(self, steps: int) -> Batches:
        """Both domains, with replacement, by the global generator."""

        def sample(n: int) -> tuple[Tensor, ...]:
            rows = torch.randint(len(self.x), (n,))
            return self.x[rows], self.y[rows], self.x_target[torch.randint(len(self.x_target), (n,))]

        return data.Stream(sample, BATCH, steps)


#: Trains the networks that it is given, in place.
Training = Callable[[Parts, Task, int], None]


def turned(x: Tensor, degrees: float = 35.0) -> Tensor:
    """Points turned around the middle of the two crescents."""
    angle, middle = math.radians(degrees), torch.tensor([0.5, 0.25])
    cos, sin = math.cos(angle), math.sin(angle)
    return (x - middle) @ torch.tensor([[cos, sin], [-sin, cos]]) + middle


def task_of(seed: int) -> Task:
    draw = torch.Generator().manual_seed(seed)
    (x, y), (x_target, _), (x_test, y_test) = (data.moons(n, 0.05, draw) for n in (SIZE, SIZE, 2000))
    return Task(x, y, turned(x_target), (turned(x_test), y_test))


def parts_of(seed: int) -> Parts:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 15), nn.ReLU()), nn.Linear(15, 2), nets.mlp(15, 15, 1)


def adam(parts: Parts, fused: bool = False) -> Adam:
    """One optimizer for all three networks."""
    return Adam(nn.ModuleList(parts).parameters(), lr=RATE, fused=fused)


def loop(parts: Parts, task: Task, steps: int, *, fused: bool = False) -> None:
    """The method as one writes it down, the strength of the reversed gradient growing all the way."""
    features, label_head, domain_head = parts
    optimizer = adam(parts, fused)
    domain = torch.arange(2).repeat_interleave(BATCH).float()
    for step, (x, y, x_target) in enumerate(task.batches(steps)):
        h = features(torch.cat([x, x_target]))
        guess = domain_head(reverse_gradient(h, growing_strength(step / steps))).flatten()
        loss = F.cross_entropy(label_head(h[:BATCH]), y) + F.binary_cross_entropy_with_logits(guess, domain)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def ours(parts: Parts, task: Task, steps: int, *, fused: bool = False) -> None:
    play(DANN(*parts, warmup=steps), task.batches(steps), adam(parts, fused), steps=steps, progress=False)


def pytorch_adapt() -> dict[str, Training]:
    """Its hook, with the mean over the two domains; the strength is set at each step, since it has no schedule."""
    from pytorch_adapt.hooks import DANNHook, GradientReversalHook
    from pytorch_adapt.weighters import MeanWeighter

    def train(parts: Parts, task: Task, steps: int) -> None:
        features, label_head, domain_head = parts
        models = {"G": features, "C": label_head, "D": nn.Sequential(domain_head, nn.Flatten(0))}
        # From its default, the int 1, it would cut every later strength down to a whole number.
        reversal = GradientReversalHook(1.0, apply_to=["src_imgs_features", "target_imgs_features"])
        halves = {"src_domain_loss": 0.5, "target_domain_loss": 0.5}
        # It takes the mean of its three losses: three times that is their sum.
        weighter = MeanWeighter(weights=halves, scale=3)
        hook = DANNHook(opts=[adam(parts)], weighter=weighter, gradient_reversal=reversal)
        here, there = torch.zeros(BATCH), torch.ones(BATCH)
        for step, (x, y, x_target) in enumerate(task.batches(steps)):
            reversal.fn.update_weight(growing_strength(step / steps))
            batch = {"src_imgs": x, "src_labels": y, "src_domain": here}
            hook({**models, **batch, "target_imgs": x_target, "target_domain": there})

    return {"pytorch-adapt": train}


class Growing(nn.Module):
    """Reverses the gradient with a strength that grows from call to call: skada leaves both to the domain head."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps, self.calls = steps, 0

    def forward(self, h: Tensor) -> Tensor:
        """The features themselves."""
        progress = min(self.calls / self.steps, 1.0)
        self.calls += 1
        return reverse_gradient(h, growing_strength(progress))


def skada() -> dict[str, Training]:
    """Its estimator, with our batches handed over, and with its own loader: a full pass over the points an epoch."""
    from skada import deep

    def handed(batches: Batches, *_: object, **__: object) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        for x, y, x_target in batches:
            domain = torch.tensor([1, -2]).repeat_interleave(BATCH)
            both = {"X": torch.cat([x, x_target]), "sample_domain": domain}
            yield both, torch.cat([y, torch.full_like(y, -1)])

    def train(parts: Parts, task: Task, steps: int, *, loader: bool) -> None:
        features, label_head, domain_head = parts
        estimator = deep.DANN(
            nn.Sequential(features, label_head),
            layer_name="0",
            reg=0.5,  # the mean over the two domains, which it adds up
            domain_classifier=nn.Sequential(Growing(steps), domain_head, nn.Flatten(0)),
            domain_criterion=nn.BCEWithLogitsLoss(),
            optimizer=Adam,
            lr=RATE,
            batch_size=BATCH,
            max_epochs=round(steps / (SIZE // BATCH)) if loader else 1,
            train_split=None,
            verbose=0,
        )
        if not loader:
            estimator.set_params(iterator_train=partial(handed, task.batches(steps)))
        x, domain = torch.cat([task.x, task.x_target]), torch.tensor([1, -2]).repeat_interleave(SIZE)
        y = torch.cat([task.y, torch.full_like(task.y, -1)])
        estimator.fit(x.numpy(), y.numpy(), domain.numpy())

    return {"skada": partial(train, loader=False), OWN: partial(train, loader=True)}


def contenders() -> dict[str, Training]:
    """Everyone who can be imported; the others are named."""
    found: dict[str, Training] = {
        "plain loop": loop,
        "plain loop, fused Adam": partial(loop, fused=True),
        "advnotes": ours,
        "advnotes, fused Adam": partial(ours, fused=True),
    }
    for name, make in {"pytorch-adapt": pytorch_adapt, "skada": skada}.items():
        try:
            found |= make()
        except ImportError as error:
            print(f"not measured: {name}, which cannot be imported: {error}")
    return found


def compare(everyone: dict[str, Training]) -> None:
    """Stop where weights are not the plain loop's after the first steps on the same batches."""
    task, parts = task_of(0), parts_of(0)
    after: dict[str, Tensor] = {}
    for name, training in everyone.items():
        if name != OWN:
            mine = copy.deepcopy(parts)
            torch.manual_seed(0)
            training(mine, task, 50)
            after[name] = nn.utils.parameters_to_vector(nn.ModuleList(mine).parameters()).detach()
    for name, weights in after.items():
        apart = (weights - after["plain loop"]).abs().max().item()
        if not apart < 1e-3:
            raise SystemExit(f"{name}: after 50 steps a weight is {apart:.1e} from the plain loop's")


def measure(
    everyone: dict[str, Training], options: argparse.Namespace
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """The seconds of each contender and its accuracy on the target, round by round."""
    took: dict[str, list[float]] = {name: [] for name in everyone}
    right: dict[str, list[float]] = {name: [] for name in everyone}
    order = random.Random(0)
    for seed in range(options.repeats):
        task, parts = task_of(seed), parts_of(seed)
        for name in order.sample(sorted(everyone), len(everyone)):
            mine = copy.deepcopy(parts)
            torch.manual_seed(seed)
            took[name].append(seconds(partial(everyone[name], mine, task, options.steps), task.x))
            right[name].append(accuracy(nn.Sequential(*mine[:2]).eval(), *task.test).value)
    return took, right


def fault(name: str, values: list[float], wanted: list[float]) -> str | None:
    """What is wrong with the accuracies that were reached, beside the plain loop's."""
    if name == OWN:
        apart, most = abs(mean(values) - mean(wanted)), SPREAD
    else:
        apart, most = max(abs(one - two) for one, two in zip(values, wanted, strict=True)), POINTS
    return f"is {apart:.3f} from the plain loop's accuracy" if apart > most else None


def crescents(options: argparse.Namespace) -> None:
    """Times, and what was reached."""
    everyone = contenders()
    compare(everyone)
    took, right = measure(everyone, options)
    title = f"DANN, crescents turned by 35 degrees, batch 128 + 128, {options.steps} steps"
    print("\n" + table(title, took, "plain loop") + "\n")
    for name, values in right.items():
        each = ", ".join(f"{value:.3f}" for value in values)
        print(f"{name}: {mean(values):.3f} of the target right ({each})")
    faults = [
        f"{name} {wrong}"
        for name, values in right.items()
        if (wrong := fault(name, values, right["plain loop"]))
    ]
    if faults and options.steps <= SAME:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main(__doc__, {"crescents": crescents}, repeats=7, steps=(SAME, f"accuracies are compared up to {SAME}"))
