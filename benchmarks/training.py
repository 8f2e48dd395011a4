"""Steps of training beside loops as one writes them down: adversarial training in one step, and TRADES.

    .venv/bin/python benchmarks/training.py [--threads 1] [--device cpu] [--repeats 15] [--parts robust recipe]

Every round trains each contender for a few steps, in a random order, on the same batches, from the same weights and
the same noise; each contender's time is divided by that of the first one in the same round: what else the machine
does then slows both. What ``play`` does before and after its steps is part of its time. Before anything is timed, each
game is compared with the same method as one writes it down, by what both have come to after the same steps.

The part ``recipe`` is ten epochs of all digits, as they are published: a round is an epoch, and ``--repeats`` is not
for it. It takes some minutes.
"""

import argparse
import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from steps import Batches, Training, batches_of, compare, descend, trained
from timing import Part, main, rounds, table
from torch import nn
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from advnotes import PGD, AdversarialTraining, Game, Linf, data, nets, play, robust_accuracy
from advnotes.robust import TRADES, FastAdversarialTraining

EPS = 0.3  # what digits are trained against


def standard_loop(model: nn.Module, *, batches: Batches) -> None:
    """Ordinary training as one writes it down: the unit of all classifiers' times."""
    optimizer = Adam(model.parameters(), lr=1e-3, fused=True)
    for x, y in batches:
        descend(optimizer, F.cross_entropy(model(x), y))


def fast_limit(model: nn.Module, *, batches: Batches) -> None:
    """What one step against one gradient of the input cannot do without: the gradient, and an ordinary step."""
    optimizer = Adam(model.parameters(), lr=1e-3, fused=True)
    for x, y in batches:
        x = x.detach().requires_grad_()
        torch.autograd.grad(F.cross_entropy(model(x), y), x)
        descend(optimizer, F.cross_entropy(model(x.detach()), y))


def fast_loop(model: nn.Module, *, batches: Batches) -> None:
    """One step from a random start (Wong et al. 2020, algorithm 3); the step's backward pass fills the weights' too."""
    optimizer = Adam(model.parameters(), lr=1e-3, fused=True)
    for x, y in batches:
        delta = (EPS * (2 * torch.rand_like(x) - 1)).requires_grad_()
        F.cross_entropy(model(x + delta), y).backward()
        slope = delta.grad
        assert slope is not None
        moved = (delta.detach() + 1.25 * EPS * slope.sign()).clamp(-EPS, EPS)
        descend(optimizer, F.cross_entropy(model((x + moved).clamp(0, 1)), y))


#: Of the code that was published with fast adversarial training: epochs, digits in a batch, highest learning rate.
EPOCHS, BATCH, PEAK = 10, 100, 5e-3

WANTED = 0.8  # of the test digits withstand PGD: the result that contenders are to come to

#: Trains the network that it is given, in place, an epoch for each ``next``.
Epochs = Iterator[None]


def rate_at(epoch: float) -> float:
    """Of learning: up for four epochs, then down to 0."""
    return PEAK * max(0.0, min(epoch / 4, (EPOCHS - epoch) / (EPOCHS - 4)))


def published(model: nn.Module, batches: Batches | DataLoader[Any]) -> Epochs:
    """The recipe of fast_adversarial for MNIST, which asks for the loss and the hits of every batch."""
    optimizer = Adam(model.parameters())
    for epoch in range(EPOCHS):
        loss_sum, right = 0.0, 0
        for step, (x, y) in enumerate(batches, start=1):
            optimizer.param_groups[0]["lr"] = rate_at(epoch + step / len(batches))
            delta = (EPS * (2 * torch.rand_like(x) - 1)).requires_grad_()
            F.cross_entropy(model(x + delta), y).backward()
            slope = delta.grad
            assert slope is not None
            moved = (delta.detach() + 1.25 * EPS * slope.sign()).clamp(-EPS, EPS)
            moved = torch.maximum(torch.minimum(moved, 1 - x), -x)
            logits = model((x + moved).clamp(0, 1))
            loss = F.cross_entropy(logits, y)
            descend(optimizer, loss)
            loss_sum += len(y) * loss.item()
            right += int((logits.argmax(dim=1) == y).sum().item())
        yield


def played(model: nn.Module, batches: Batches | DataLoader[Any], *, fused: bool) -> Epochs:
    """Ours, with the recipe's optimizer and schedule."""
    optimizer = Adam(model.parameters(), lr=PEAK, fused=fused)
    schedule = LambdaLR(optimizer, lambda step: rate_at((step + 1) / len(batches)) / PEAK)
    game = FastAdversarialTraining(model, Linf(EPS))
    for _ in range(EPOCHS):
        play(game, batches, optimizer, schedules=schedule, epochs=1, progress=False)
        yield


def trades_loop(model: nn.Module, *, batches: Batches) -> None:
    """TRADES (Zhang et al. 2019) with a clean pass, and its graph, in every step of the adversary."""
    optimizer = Adam(model.parameters(), lr=1e-3, fused=True)
    divergence = nn.KLDivLoss(reduction="sum")
    for x, y in batches:
        x_adv = (x + 0.001 * torch.randn_like(x)).clamp(0, 1)
        for _ in range(10):
            x_adv = x_adv.detach().requires_grad_()
            away = divergence(model(x_adv).log_softmax(dim=1), model(x).softmax(dim=1))
            (slope,) = torch.autograd.grad(away, x_adv)
            x_adv = (x_adv.detach() + EPS / 4 * slope.sign()).clamp(x - EPS, x + EPS).clamp(0, 1)
        logits = model(x)
        away = divergence(model(x_adv).log_softmax(dim=1), logits.softmax(dim=1)) / len(x)
        descend(optimizer, F.cross_entropy(logits, y) + 6 * away)


def classifier_game(make: Callable[[nn.Module], Game], model: nn.Module, *, batches: Batches) -> None:
    """Ours: the only training loop there is."""
    optimizer = Adam(model.parameters(), lr=1e-3, fused=True)
    play(make(model), batches, optimizer, epochs=1, progress=False)


#: By the loop's name, the loop and the game that is the same method.
CLASSIFIERS: dict[str, tuple[Training, Callable[[nn.Module], Game]]] = {
    "standard": (standard_loop, lambda model: AdversarialTraining(model, None, share=0)),
    "fast": (fast_loop, lambda model: FastAdversarialTraining(model, Linf(EPS))),
    "TRADES-10": (trades_loop, lambda model: TRADES(model, PGD(Linf(EPS), steps=10, best=False))),
}


def robust(options: argparse.Namespace) -> None:
    """Classifiers: each method's game and loop beside a standard step."""
    for build, steps in ((nets.small_cnn, 32), (nets.madry_cnn, 4)):
        torch.manual_seed(0)
        networks = (build().to(options.device),)
        batches = batches_of(128, steps, options.device)
        x, y = batches[0]
        calls: dict[str, Callable[[], object]] = {}
        for name, (loop, make) in CLASSIFIERS.items():
            contenders: dict[str, Training] = {
                f"{name}, loop": loop,
                f"{name}, advnotes": partial(classifier_game, make),
            }
            after = [trained(contender, networks, batches)[0] for contender in contenders.values()]
            values = [F.cross_entropy(model(x), y).detach() for model in after]
            compare(name, *values)
            for label, contender in contenders.items():
                calls[label] = partial(trained, contender, networks, batches)
        calls["fast, eager limit"] = partial(trained, fast_limit, networks, batches)
        title = f"{build.__name__}, batch 128, {steps} steps"
        print("\n" + table(title, rounds(calls, x, options.repeats), "standard, loop"), flush=True)


def recipe(options: argparse.Namespace) -> None:
    """All epochs of the published recipe, and how many digits withstand PGD after each of them."""

    def first_epoch(start: Callable[..., Epochs], model: nn.Module, *, batches: Batches) -> None:
        next(start(model, batches))

    def epoch(training: Epochs, model: nn.Module, kept: list[nn.Module]) -> None:
        next(training)
        kept.append(copy.deepcopy(model))

    torch.manual_seed(options.seed)
    network = nets.small_cnn()[1:].to(options.device)  # theirs does not normalise
    x, y = (part.to(options.device) for part in data.mnist("train"))
    x_test, y_test = (part.to(options.device) for part in data.mnist("test", size=500))
    contenders: dict[str, Callable[..., Epochs]] = {
        "recipe": published,
        "advnotes": partial(played, fused=False),
        "advnotes, fused Adam": partial(played, fused=True),
    }
    short = batches_of(BATCH, 32, options.device)
    before = nn.utils.parameters_to_vector(network.parameters())
    moved = {}
    for name, start in contenders.items():
        (model,) = trained(partial(first_epoch, start), (network,), short)
        moved[name] = nn.utils.parameters_to_vector(model.parameters()).detach() - before.detach()
        apart = float((moved[name] - moved["recipe"]).norm() / moved["recipe"].norm())
        if not apart < 0.01:
            raise SystemExit(
                f"{name}: after {len(short)} steps the weights are {apart:.0%} off the recipe's way"
            )
    torch.manual_seed(options.seed)
    kept: dict[str, list[nn.Module]] = {name: [] for name in contenders}
    calls: dict[str, Callable[[], object]] = {}
    for name, start in contenders.items():
        model = copy.deepcopy(network)
        order = torch.Generator().manual_seed(options.seed)  # the same digits in each batch
        loader = data.batches(x, y, batch_size=BATCH, generator=order)
        calls[name] = partial(epoch, start(model, loader), model, kept[name])
    took = rounds(calls, x, EPOCHS)
    title = f"fast, the network of its paper, an epoch of {len(x)} digits, batch {BATCH}"
    print("\n" + table(title, took, "recipe") + "\n")
    judge = PGD(Linf(EPS), steps=50, step_size=0.01, early_stop=True)
    seeds = torch.arange(len(x_test), device=x_test.device)
    for name, models in kept.items():
        stand = [robust_accuracy(model, judge, x_test, y_test, generator=seeds).value for model in models]
        first = next((k for k, share in enumerate(stand, start=1) if share >= WANTED), None)
        needs = "never" if first is None else f"after {first} epochs, {sum(took[name][:first]):.1f} s"
        shares = ", ".join(f"{share:.0%}" for share in stand)
        print(f"{name}: {WANTED:.0%} withstand PGD-50 {needs} (after each epoch: {shares})", flush=True)


PARTS: dict[str, Part] = {"robust": robust, "recipe": recipe}

if __name__ == "__main__":
    main(__doc__, PARTS, device=("cpu", "where networks and data are"), seed=(0, "of the recipe"))
