"""A few small trained networks, so that a chapter need not train what another one teaches.

``model = zoo.mnist_robust()`` is a network in eval mode; ``model.card`` says how it was trained and what was measured.
``python -m advnotes.zoo`` trains all of them again (``python -m advnotes.zoo mnist_natural`` one of them) and says
what the new ones reach; on the same machine and versions the bits come out the same.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load, save_file
from torch import Tensor, nn

from advnotes.nets import small_cnn

__all__ = ["Trained", "mnist_features", "mnist_judge", "mnist_natural", "mnist_robust"]

FOLDER = Path(__file__).parent / "weights"


class Trained(nn.Module):
    """A trained network with its card: recipe, data, and measured accuracies."""

    def __init__(self, network: nn.Module, card: dict[str, Any]) -> None:
        super().__init__()
        self.network = network
        self.card = card

    def forward(self, x: Float[Tensor, "batch 1 28 28"]) -> Float[Tensor, "batch 10"]:
        """Logits for digits in [0, 1]."""
        return self.network(x)


def mnist_natural() -> Trained:
    """A classifier of digits, trained as usual: high clean accuracy, none under attack."""
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


def save_weights(name: str, weights: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Write the weights of that name and their card, whole or not at all."""
    FOLDER.mkdir(exist_ok=True)
    unfinished = FOLDER / f"{name}.unfinished"
    save_file(weights, unfinished, metadata={"card": json.dumps(card)})
    unfinished.replace(FOLDER / f"{name}.safetensors")


def read_weights(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights of that name, and their card."""
    # Read by Python, unlike what safetensors opens itself: so the record of an execution sees that it was read.
    packed = (FOLDER / f"{name}.safetensors").read_bytes()
    size = int.from_bytes(packed[:8], "little")  # of the header, which is JSON
    return load(packed), json.loads(json.loads(packed[8 : 8 + size])["__metadata__"]["card"])


def _load(name: str) -> Trained:
    network = small_cnn()
    weights, card = read_weights(name)
    network.load_state_dict(weights)
    return Trained(network, card).eval()


if __name__ == "__main__":
    for wanted in sys.argv[1:] or RECIPES:
        print(json.dumps(train(wanted).card, indent=2))
