"""Attacks of advnotes beside other libraries' and beside the limit: exactly 20 forward passes with input gradients.

    .venv/bin/python benchmarks/attacks.py [--threads 1] [--device cpu] [--repeats 15] [--parts pgd early auto]

Every round runs the limit and each contender once, in a random order, and each contender's time is divided by the
limit's of the same round: what else the machine does then slows both. Before anything is timed, what each
contender returns is checked: inside the ball and the range, and at the loss that the plain loop reaches. What
prepares a model for an attack is part of the attack's time.
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from peers import STEPS, Contender, autoattack_of_torchattacks, pgd_of_peers
from timing import Part, main, rounds, table
from torch import Tensor, nn

from advnotes import PGD, Linf, attacks, data, zoo
from advnotes.nets import Normalize


class Block(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016, figure 2)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False) if before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both ways, rectified."""
        return F.relu(self.body(x) + self.shortcut(x))


def small_resnet(x: Tensor) -> nn.Sequential:
    """For 32 x 32 colour images: three blocks with 16, 32 and 64 channels, their weights as they are drawn.

    Batch normalisation has seen ``x``; without it, the logits would hardly depend on the image.
    """
    model = nn.Sequential(
        Normalize([0.5] * 3, [0.25] * 3),
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        Block(16, 16, 1),
        Block(16, 32, 2),
        Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the statistics are those of the batches seen, not mixed with 0 and 1
    with torch.no_grad():
        model(x)
    return model.eval()


def gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """One forward pass and the gradient of the input."""
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)
    return g


def limit(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """What no attack by 20 gradients can do without: the gradients alone, no step taken."""
    for _ in range(STEPS):
        gradient(model, x, y)
    return x


def loop(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """The attack as one writes it down, without a check."""
    x_adv = (x + eps * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
    for _ in range(STEPS):
        x_adv = x_adv + 2.5 * eps / STEPS * gradient(model, x_adv, y).sign()
        x_adv = (x + (x_adv - x).clamp(-eps, eps)).clamp(0, 1)
    return x_adv


def ours(**settings: object) -> Contender:
    """PGD of advnotes."""
    return lambda model, x, y, eps: PGD(Linf(eps), steps=STEPS, **settings)(model, x, y)  # type: ignore[arg-type]


#: ``best`` evaluates every step, the last one too (one forward pass more), and returns each sample's best point;
#: without it the last point is returned, which is what most of the other libraries do.
OURS: dict[str, Contender] = {
    "advnotes, best=False": ours(best=False),
    "advnotes": ours(),
    "advnotes, best=False, bfloat16": ours(best=False, precision=torch.bfloat16),
    "advnotes, bfloat16": ours(precision=torch.bfloat16),
    "advnotes, best=False, fast=False": ours(best=False, fast=False),
    "advnotes, fast=False": ours(fast=False),
}


def fault(contender: Contender, model: nn.Module, x: Tensor, y: Tensor, eps: float) -> str | None:
    """What is wrong with the result of an attack: outside the threat, or weaker than the plain loop's."""

    def loss(point: Tensor) -> float:
        with torch.no_grad():
            return F.cross_entropy(model(point), y).item()

    torch.manual_seed(0)
    x_adv = contender(model, x, y, eps)
    if not ((x_adv - x).abs().max() <= eps + 1e-6 and x_adv.min() >= 0 and x_adv.max() <= 1):
        return "leaves the ball or the range"
    torch.manual_seed(0)
    reached, wanted = loss(x_adv), loss(loop(model, x, y, eps))
    if not reached > 0.98 * wanted > loss(x):
        return f"reaches a loss of {reached:.4f}, the plain loop {wanted:.4f}"
    return None


def pgd(options: argparse.Namespace) -> None:
    """PGD-20 on both networks, a table for each."""
    torch.manual_seed(0)
    digits = data.mnist("test", size=128)
    colours = torch.rand(32, 3, 32, 32)
    resnet = small_resnet(colours)
    cases = {
        "MNIST, small_cnn, batch 128": (zoo.mnist_natural(), digits, 0.1),
        "32 x 32, small ResNet, batch 32": (resnet, (colours, resnet(colours).argmax(dim=1)), 8 / 255),
    }
    peers, missing = pgd_of_peers()
    for name, reason in missing.items():
        print(f"not measured: {name}, which cannot be imported: {reason}")
    for title, (network, batch, eps) in cases.items():
        model = network.to(options.device)
        x, y = (tensor.to(options.device) for tensor in batch)
        everyone = {"limit": limit, "plain loop": loop, **OURS, **peers}
        for name, contender in list(everyone.items())[1:]:
            wrong = fault(contender, model, x, y, eps)
            if wrong is not None and name not in peers:
                raise SystemExit(f"{name} {wrong}")
            if wrong is not None:
                print(f"{title}: {name} {wrong}")
        calls = {
            name: lambda contender=contender, model=model, x=x, y=y, eps=eps: contender(model, x, y, eps)
            for name, contender in everyone.items()
        }
        print("\n" + table(title, rounds(calls, x, options.repeats), "limit"), flush=True)


def early(options: argparse.Namespace) -> None:
    """Robust accuracy of a model that stands on about half of the digits: samples that are fooled leave."""
    model = zoo.mnist_natural().to(options.device)
    x, y = (tensor.to(options.device) for tensor in data.mnist("test", size=500))
    seeds = torch.arange(len(x), device=x.device)
    fixed = PGD(Linf(HALF), steps=STEPS)
    stopping = PGD(Linf(HALF), steps=STEPS, early_stop=True)
    half = PGD(Linf(HALF), steps=STEPS, early_stop=True, precision=torch.bfloat16)
    stands = [model(attack(model, x, y, seeds)).argmax(dim=1) == y for attack in (fixed, stopping, half)]
    standing = stands[0].float().mean()
    print(f"\nstanding at eps {HALF}: {standing:.1%}; other verdicts with early_stop: ", end="")
    print(
        f"{int((stands[0] != stands[1]).sum())} of {len(x)}, in bfloat16 {int((stands[0] != stands[2]).sum())}"
    )
    calls = {
        "every step for all": lambda: fixed(model, x, y, seeds),
        "early_stop": lambda: stopping(model, x, y, seeds),
        "early_stop, bfloat16": lambda: half(model, x, y, seeds),
    }
    title = f"MNIST, {len(x)} digits, eps {HALF}"
    print("\n" + table(title, rounds(calls, x, options.repeats), "every step for all"), flush=True)


def ensembles(model: nn.Module, eps: float) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """The standard ensembles, with as many steps as the paper's and as torchattacks' come with."""

    def ours(steps: int) -> Callable[[Tensor, Tensor], Tensor]:
        attack = attacks.AutoAttack(Linf(eps), steps=steps)
        return lambda x, y: attack(model, x, y, torch.arange(len(x), device=x.device))

    return {
        "torchattacks": autoattack_of_torchattacks(model, eps, steps=100),
        "advnotes": ours(100),
        "torchattacks as it comes, 10 steps": autoattack_of_torchattacks(model, eps),
        "advnotes, 10 steps": ours(10),
    }


def auto(options: argparse.Namespace) -> None:
    """The standard ensemble beside torchattacks', on models that stand on some of the samples."""
    torch.manual_seed(0)
    colours = torch.rand(options.samples // 3, 3, 32, 32)
    resnet = small_resnet(colours)
    cases = {
        "MNIST, robust small_cnn": (zoo.mnist_robust(), data.mnist("test", size=options.samples), ROBUST),
        "32 x 32, small ResNet": (resnet, (colours, resnet(colours).argmax(dim=1)), FAINT),
    }
    for title, (network, batch, eps) in cases.items():
        model = network.to(options.device)
        x, y = (tensor.to(options.device) for tensor in batch)
        found: dict[str, Tensor] = {}

        def run(name: str, attack: Callable[..., Tensor], kept: dict[str, Tensor], *batch: Tensor) -> None:
            kept[name] = attack(*batch)

        contenders = ensembles(model, eps).items()
        calls = {name: partial(run, name, attack, found, x, y) for name, attack in contenders}
        took = rounds(calls, x, max(2, options.repeats // 5))
        print("\n" + table(f"AutoAttack, {title}, {len(x)} samples, eps {eps:.3f}", took, "torchattacks"))
        stands = {name: model(x_adv).argmax(dim=1) == y for name, x_adv in found.items()}
        for name, x_adv in found.items():
            inside = bool((x_adv - x).abs().max() <= eps + 1e-6)
            other = int((stands[name] != stands["torchattacks"]).sum())
            print(
                f"{name}: {int(stands[name].sum())} stand, {other} other verdicts; inside the ball: {inside}"
            )


#: Radii at which the zoo's natural network stands on half of the digits, its robust one on most of them, and the
#: ResNet, whose weights are random, on most of its colours.
HALF, ROBUST, FAINT = 0.0875, 0.3, 1 / 255

PARTS: dict[str, Part] = {"pgd": pgd, "early": early, "auto": auto}


if __name__ == "__main__":
    main(
        __doc__,
        PARTS,
        device=("cpu", "where models and data are"),
        samples=(50, "digits for AutoAttack, which takes a fifth of the rounds"),
    )
