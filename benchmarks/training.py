"""Steps of training beside loops as one writes them down: adversarial training in one step, TRADES, and GANs.

    .venv/bin/python benchmarks/training.py [--threads 1] [--device cpu] [--repeats 15] [--parts robust gan]

Every round trains each contender for a few steps, in a random order, on the same batches, from the same weights and
the same noise; each contender's time is divided by that of the first one in the same round: what else the machine
does then slows both. What ``play`` does before and after its steps is part of its time. Before anything is timed, each
game is compared with the same method as one writes it down, by what both have come to after the same steps.
"""

import argparse
import copy
import warnings
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from timing import rounds, table
from torch import Tensor, nn
from torch.optim import Adam

from advnotes import GAN, AdversarialTraining, Game, Linf, data, nets, play
from advnotes.robust import TRADES, FastAdversarialTraining

#: Batches of images in their natural range with their labels.
Batches = list[tuple[Tensor, Tensor]]

#: Trains the networks that it is given, in place, one step for each batch.
Training = Callable[..., None]

EPS = 0.3  # what digits are trained against
LATENT = 64


def descend(optimizer: Adam, loss: Tensor) -> None:
    """One step down the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


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


def gan_loop(
    generator: nn.Module, discriminator: nn.Module, *, batches: Batches, detach: bool, fused: bool = False
) -> None:
    """A GAN as one writes it down: both losses are looked at, and the discriminator collects gradients in both turns.

    Without ``detach`` so does the generator.
    """
    mine = Adam(generator.parameters(), lr=2e-4, fused=fused)
    theirs = Adam(discriminator.parameters(), lr=2e-4, fused=fused)
    losses = []
    for real, _ in batches:
        fake = generator(torch.randn(len(real), LATENT, device=real.device))
        fake = fake.detach() if detach else fake
        loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
        descend(theirs, loss)
        losses.append(loss.item())
        fake = generator(torch.randn(len(real), LATENT, device=real.device))
        loss = F.softplus(-discriminator(fake)).mean()
        descend(mine, loss)
        losses.append(loss.item())


def classifier_game(make: Callable[[nn.Module], Game], model: nn.Module, *, batches: Batches) -> None:
    """Ours: the only training loop there is."""
    optimizer = Adam(model.parameters(), lr=1e-3, fused=True)
    play(make(model), batches, optimizer, epochs=1, progress=False)


def gan_game(generator: nn.Module, discriminator: nn.Module, *, batches: Batches, fused: bool) -> None:
    """Ours, with the optimizers of the loop."""
    players = {"generator": generator, "discriminator": discriminator}
    optimizers = {name: Adam(net.parameters(), lr=2e-4, fused=fused) for name, net in players.items()}
    play(GAN(generator, discriminator, LATENT), batches, optimizers, epochs=1, progress=False)


#: By the loop's name, the loop and the game that is the same method.
CLASSIFIERS: dict[str, tuple[Training, Callable[[nn.Module], Game]]] = {
    "standard": (standard_loop, lambda model: AdversarialTraining(model, None, share=0)),
    "fast": (fast_loop, lambda model: FastAdversarialTraining(model, Linf(EPS))),
    "TRADES-10": (trades_loop, lambda model: TRADES(model, Linf(EPS), steps=10)),
}


def dcgan() -> tuple[nn.Module, nn.Module]:
    """For 28 x 28 digits: convolutions with 4 x 4 kernels and batch normalisation (Radford et al. 2015, section 3)."""
    generator = nn.Sequential(
        nn.Linear(LATENT, 128 * 7 * 7, bias=False),
        nn.Unflatten(1, (128, 7, 7)),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(128 * 7 * 7, 1),
    )
    return generator, discriminator


def trained(training: Training, networks: tuple[nn.Module, ...], batches: Batches) -> tuple[nn.Module, ...]:
    """Copies of some networks after training from a fixed seed."""
    mine = copy.deepcopy(networks)
    torch.manual_seed(0)
    training(*mine, batches=batches)
    return mine


def compare(title: str, first: Tensor, second: Tensor) -> None:
    """Stop where two trainings of one method did not come to the same numbers."""
    if not torch.allclose(first, second, rtol=0.02, atol=1e-4):
        raise SystemExit(f"{title}: the game comes to {first.tolist()}, the loop to {second.tolist()}")


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
        calls["fast, limit"] = partial(trained, fast_limit, networks, batches)
        title = f"{build.__name__}, batch 128, {steps} steps"
        print("\n" + table(title, rounds(calls, x, options.repeats), "standard, loop"), flush=True)


def gan(options: argparse.Namespace) -> None:
    """GANs: a step of both players beside the naive loop's."""
    torch.manual_seed(0)
    mlps = nets.digit_generator(LATENT), nets.digit_discriminator()
    for title, pair, steps in (("MLP", mlps, 32), ("DCGAN", dcgan(), 8)):
        batches = batches_of(64, steps, options.device)
        real = batches[0][0]
        networks = tuple(net.to(options.device) for net in pair)
        contenders: dict[str, Training] = {
            "naive loop": partial(gan_loop, detach=False),
            "loop with detach": partial(gan_loop, detach=True),
            "loop with detach, fused Adam": partial(gan_loop, detach=True, fused=True),
            "advnotes": partial(gan_game, fused=False),
            "advnotes, fused Adam": partial(gan_game, fused=True),
        }
        logits = []
        for contender in contenders.values():
            _, discriminator = trained(contender, networks, batches)
            logits.append(discriminator(real).mean().detach())
        for value in logits[1:]:
            compare(title, value, logits[0])
        calls: dict[str, Callable[[], object]] = {
            label: partial(trained, contender, networks, batches) for label, contender in contenders.items()
        }
        heading = f"GAN, {title}, batch 64, {steps} steps"
        print("\n" + table(heading, rounds(calls, real, options.repeats), "naive loop"), flush=True)


def batches_of(size: int, steps: int, device: str) -> Batches:
    """Digits, on the device before the clock starts."""
    x, y = (part.to(device) for part in data.mnist("train", size=size * steps))
    return list(zip(x.split(size), y.split(size), strict=True))


PARTS = {"robust": robust, "gan": gan}


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=15, help="rounds, at least 2")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    print(
        f"torch {torch.__version__}, {options.device}, threads: {options.threads}, rounds: {options.repeats}"
    )
    for part in options.parts:
        PARTS[part](options)


if __name__ == "__main__":
    main()
