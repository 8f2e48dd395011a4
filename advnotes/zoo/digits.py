"""Classifiers of handwritten digits: chapter "Adversarial training" explains how they are trained."""

from dataclasses import dataclass

import torch
from torch import nn

from advnotes.nets import small_cnn
from advnotes.zoo.trained import Trained, read_weights, save_weights

__all__ = ["RECIPES", "Recipe", "mnist_features", "mnist_judge", "mnist_natural", "mnist_robust", "train"]


def mnist_natural() -> Trained:
    """A classifier of digits in [0, 1], trained as usual: high clean accuracy, none under attack."""
    return _load("mnist_natural")


def mnist_robust() -> Trained:
    """A classifier of digits, adversarially trained against Linf perturbations of 0.3 (Madry et al. 2017)."""
    return _load("mnist_robust")


def mnist_judge() -> Trained:
    """A classifier of digits with other seeds and shifted copies in its data, to score generated ones."""
    return _load("mnist_judge")


def mnist_features() -> nn.Module:
    """The judge's 100 hidden units: digits ``[batch, 1, 28, 28]`` in [0, 1] to features ``[batch, 100]``.

    What :func:`~advnotes.metrics.frechet_distance` and its like may be taken on.
    """
    network = mnist_judge().network
    return nn.Sequential(*list(network.children())[:-1]).eval()


@dataclass(frozen=True)
class Recipe:
    """How a network of the zoo is trained: chapter "Adversarial training" explains each line."""

    seed: int
    epochs: int
    robust: bool = False
    shifts: int = 0


RECIPES = {
    "mnist_natural": Recipe(seed=0, epochs=4),
    "mnist_robust": Recipe(seed=0, epochs=10, robust=True),
    "mnist_judge": Recipe(seed=1, epochs=2, shifts=1),
}


def train(name: str) -> Trained:
    """Train one of :data:`RECIPES` from its seed, measure it on the 10,000 test digits, and save it.

    Raises:
        ValueError: where there is no recipe of that name.
    """
    from advnotes.attacks import FGSM, PGD
    from advnotes.data import batches, mnist
    from advnotes.loop import play
    from advnotes.metrics import accuracy, robust_accuracy
    from advnotes.robust import AdversarialTraining
    from advnotes.seeds import seed_all, stamp
    from advnotes.threats import Linf

    if name not in RECIPES:
        raise ValueError(f"the zoo has {', '.join(RECIPES)}; got {name!r}")
    recipe = RECIPES[name]
    seed_all(recipe.seed)
    torch.set_num_threads(1)
    x, y = mnist("train")
    moves = [(0, 0), *((s, axis) for axis in (-2, -1) for s in (recipe.shifts, -recipe.shifts) if s)]
    loader = batches(torch.cat([x.roll(s, dims=a) for s, a in moves]), y.repeat(len(moves)))
    steps = recipe.epochs * len(loader)
    rise = int(0.4 * steps)

    game = AdversarialTraining(
        small_cnn(),
        attack=PGD(Linf(0.3), steps=3, step_size=0.15, best=False),
        share=float(recipe.robust),
        warmup=rise,
    )
    optimizer = torch.optim.Adam(game.model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda t: min(t / rise, (steps - t) / (steps - rise))
    )
    play(game, loader, optimizer, epochs=recipe.epochs, schedules=schedule)

    model = game.model.eval()
    test, threat = mnist("test"), Linf(0.3)
    attacks = {
        "clean": None,
        "FGSM": FGSM(threat),
        "PGD-40": PGD(threat, steps=40, step_size=0.01),
        "PGD-100, 5 restarts": PGD(threat, steps=100, step_size=0.01, restarts=5),
    }
    card = {
        "name": name,
        "network": "small_cnn",
        "data": "MNIST, the first 55,000 training digits",
        "recipe": vars(recipe),
        "threat": "L-inf 0.3",
        "accuracy": {
            attack: float(robust_accuracy(model, method, *test, generator=torch.Generator().manual_seed(0)))
            if method
            else float(accuracy(model, *test))
            for attack, method in attacks.items()
        },
        "made with": stamp(),
    }
    save_weights(name, model.state_dict(), card)
    return _load(name)


def _load(name: str) -> Trained:
    network = small_cnn()
    weights, card = read_weights(name)
    network.load_state_dict(weights)
    return Trained(network, card).eval()
