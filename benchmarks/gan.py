"""Steps of GANs beside loops as one writes them down and beside torchgan's, and metrics beside torch-fidelity's.

    .venv/bin/python benchmarks/gan.py [--threads 1] [--device cpu] [--repeats 15] [--parts plain games ring metrics]

Every round trains each contender for a few steps, in a random order, on the same batches, from the same weights and
the same noise; each contender's time is divided by that of the first one in the same round. What ``play`` does before
and after its steps is part of its time. Before anything is timed, each game is compared with the same method as one
writes it down, by what both have come to after the same steps. torchgan's steps come to other numbers: its gradient
penalty takes one length for the whole batch, and steps apart from the critic's loss. Its time is shown beside ours all
the same; README.md says how it is installed.
"""

import argparse
import importlib
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from peers import unused_imports
from steps import Batches, Training, batches_of, compare, descend, trained
from timing import Part, main, rounds, table
from torch import Tensor, nn
from torch.optim import Adam

from advnotes import gan, nets, play
from advnotes.data import ring
from advnotes.gan import GAN, R1, R2, WGANGP, RelativisticGAN
from advnotes.metrics import frechet_distance

LATENT = 64

#: From the generator's logits of real and generated samples to a player's loss.
Loss = Callable[[Tensor, Tensor], Tensor]

#: From the discriminator, real and generated samples to a penalty.
Penalty = Callable[[nn.Module, Tensor, Tensor], Tensor]


def dcgan() -> tuple[nn.Module, nn.Module]:
    """For 28×28 digits: convolutions with 4×4 kernels and batch normalisation (Radford et al. 2015, section 3)."""
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


def loop(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    batches: Batches,
    losses: tuple[Loss, Loss],
    penalty: Penalty | None = None,
    detach: bool = True,
    fused: bool = True,
) -> None:
    """A GAN as one writes it down: both losses are looked at, and the discriminator collects gradients in both turns.

    Without ``detach`` so does the generator.
    """
    mine = Adam(generator.parameters(), lr=2e-4, fused=fused)
    theirs = Adam(discriminator.parameters(), lr=2e-4, fused=fused)
    seen = []
    for real, _ in batches:
        fake = generator(torch.randn(len(real), LATENT, device=real.device))
        fake = fake.detach() if detach else fake
        loss = losses[0](discriminator(real), discriminator(fake))
        if penalty is not None:
            loss = loss + penalty(discriminator, real, fake)
        descend(theirs, loss)
        seen.append(loss.item())
        fake = generator(torch.randn(len(real), LATENT, device=real.device))
        loss = losses[1](discriminator(real), discriminator(fake))
        descend(mine, loss)
        seen.append(loss.item())


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    batches: Batches,
    kind: Callable[..., GAN],
    fused: bool = True,
) -> None:
    """Ours, with the optimizers of the loop."""
    players = {"generator": generator, "discriminator": discriminator}
    optimizers = {name: Adam(net.parameters(), lr=2e-4, fused=fused) for name, net in players.items()}
    play(kind(generator, discriminator, LATENT), batches, optimizers, epochs=1, progress=False)


def squared_slopes(discriminator: nn.Module, x: Tensor) -> Tensor:
    """The squared length of the gradient at each sample."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(dim=1)


def between(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """WGAN-GP's penalty."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    return 10 * (squared_slopes(discriminator, share * real + (1 - share) * fake).sqrt() - 1).square().mean()


def at_both(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """R1 and R2."""
    return 0.5 * sum(squared_slopes(discriminator, x).mean() for x in (real, fake))


#: The GAN's two losses, for the discriminator and the generator.
PLAIN: tuple[Loss, Loss] = (
    lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
    lambda _, fake: F.softplus(-fake).mean(),
)

#: By method: the two losses and the penalty of the loop, and the game that is the same.
METHODS: dict[str, tuple[tuple[Loss, Loss], Penalty | None, Callable[..., GAN]]] = {
    "R1": (
        PLAIN,
        lambda critic, real, _: 0.5 * squared_slopes(critic, real).mean(),
        partial(GAN, penalties=[R1()]),
    ),
    "WGAN-GP, one move": (
        (lambda real, fake: fake.mean() - real.mean(), lambda _, fake: -fake.mean()),
        between,
        partial(WGANGP, moves=1),
    ),
    "R3GAN": (
        (
            lambda real, fake: F.softplus(fake - real).mean(),
            lambda real, fake: F.softplus(real - fake).mean(),
        ),
        at_both,
        partial(RelativisticGAN, penalties=[R1(), R2()]),
    ),
}


def torchgan_steps(generator: nn.Module, discriminator: nn.Module, *, batches: Batches) -> None:
    """WGAN-GP by torchgan's own steps: the critic's loss, its penalty, the generator's loss."""
    from torchgan.losses import (
        WassersteinDiscriminatorLoss,
        WassersteinGeneratorLoss,
        WassersteinGradientPenalty,
    )

    for net in (generator, discriminator):
        net.label_type = "none"
    generator.encoding_dims = LATENT
    mine = Adam(generator.parameters(), lr=2e-4, fused=True)
    theirs = Adam(discriminator.parameters(), lr=2e-4, fused=True)
    critic, penalty, wish = (
        WassersteinDiscriminatorLoss(),
        WassersteinGradientPenalty(),
        WassersteinGeneratorLoss(),
    )
    for real, _ in batches:
        for part in (critic, penalty):
            part.train_ops(generator, discriminator, theirs, real, real.device)
        wish.train_ops(generator, discriminator, mine, real.device, len(real))


def has_torchgan() -> str | None:
    """Why torchgan cannot be imported, or None."""
    try:
        with unused_imports():
            importlib.import_module("torchgan.losses")
    except ImportError as error:
        return str(error)
    return None


def networks_of(device: str) -> dict[str, tuple[tuple[nn.Module, ...], int]]:
    """By name: generator and discriminator without normalisation across the batch, and how many steps."""
    torch.manual_seed(0)
    mlps = nets.mlp(LATENT, 512, 512, 784).append(nn.Unflatten(1, (1, 28, 28))), nets.digit_discriminator()
    convolutions = nets.conv_generator((1, 28, 28), LATENT), nets.conv_discriminator((1, 28, 28))
    return {
        "MLP": (tuple(net.to(device) for net in mlps), 32),
        "convolutions": (tuple(net.to(device) for net in convolutions), 8),
    }


def plain(options: argparse.Namespace) -> None:
    """The GAN of 2014: a step of both players beside the naive loop's."""
    torch.manual_seed(0)
    mlps = nets.digit_generator(LATENT), nets.digit_discriminator()
    for title, pair, steps in (("MLP", mlps, 32), ("DCGAN", dcgan(), 8)):
        batches = batches_of(64, steps, options.device)
        networks = tuple(net.to(options.device) for net in pair)
        contenders: dict[str, Training] = {
            "naive loop": partial(loop, losses=PLAIN, detach=False, fused=False),
            "loop with detach": partial(loop, losses=PLAIN, fused=False),
            "loop with detach, fused Adam": partial(loop, losses=PLAIN),
            "advnotes": partial(game, kind=GAN, fused=False),
            "advnotes, fused Adam": partial(game, kind=GAN),
        }
        show(f"GAN, {title}, batch 64, {steps} steps", contenders, networks, batches, options.repeats)


def games(options: argparse.Namespace) -> None:
    """The later ones: each beside its own loop."""
    missing = has_torchgan()
    for title, (networks, steps) in networks_of(options.device).items():
        batches = batches_of(64, steps, options.device)
        for name, (losses, penalty, kind) in METHODS.items():
            contenders: dict[str, Training] = {
                "loop with detach": partial(loop, losses=losses, penalty=penalty),
                "advnotes": partial(game, kind=kind),
            }
            others = {"torchgan": torchgan_steps} if "WGAN" in name and missing is None else {}
            show(
                f"{name}, {title}, batch 64, {steps} steps",
                contenders,
                networks,
                batches,
                options.repeats,
                others,
            )
    if missing is not None:
        print(f"\ntorchgan is left out: {missing}")


def ring_games() -> dict[str, Callable[[nn.Sequential, nn.Sequential], gan.GAN | gan.HistoricalAveraging]]:
    """The games of the table in the chapter "What of all this is needed today?", each from its two networks."""
    both = [R1(0.1), R2(0.1)]

    def jury(d: nn.Sequential) -> gan.Jury:
        return gan.Jury([d, nets.mlp(2, 64, 64, 1), nets.mlp(2, 64, 64, 1)])

    def seen(d: nn.Sequential) -> nn.Sequential:
        return nn.Sequential(*d[:-1], gan.MinibatchDiscrimination(64, 8, 3), nn.Linear(72, 1))

    def virtual(d: nn.Sequential) -> nn.Sequential:
        return nn.Sequential(d[0], gan.VirtualBatchNorm(64), *d[1:3], gan.VirtualBatchNorm(64), *d[3:])

    return {
        "GAN": lambda g, d: GAN(g, d, 16),
        "minimax": lambda g, d: gan.MinimaxGAN(g, d, 16),
        "least squares": lambda g, d: gan.LSGAN(g, d, 16),
        "hinge": lambda g, d: gan.HingeGAN(g, d, 16),
        "f-GAN, KL": lambda g, d: gan.FGAN(g, d, 16, gan.Alpha(1.0)),
        "label smoothing": lambda g, d: gan.LabelSmoothingGAN(g, d, 16),
        "task cost": lambda g, d: gan.TaskCostGAN(g, d, 16, pi=0.9),
        "pairs alone": lambda g, d: RelativisticGAN(g, d, 16),
        "feature matching": lambda g, d: gan.FeatureMatchingGAN(g, d, 16),
        "minibatch layer": lambda g, d: GAN(g, seen(d), 16),
        "virtual batch norm": lambda g, d: GAN(g, gan.WithReference(virtual(d), ring(64)), 16),
        "historical averaging": lambda g, d: gan.HistoricalAveraging(GAN(g, d, 16), weight=0.1),
        "EBGAN": lambda g, _: gan.EBGAN(
            g, gan.Autoencoder(nets.mlp(2, 64, 1), nets.mlp(1, 64, 2)), 16, margin=1.0
        ),
        "calibrated energy, R1": lambda g, d: gan.CalibratedGAN(g, d, 16, penalties=[R1(0.1)]),
        "jury of three": lambda g, d: gan.GMAN(g, jury(d), 16),
        "jury, strictness learnt": lambda g, d: gan.GMANStar(gan.Regulated(g), jury(d), 16),
        "DRAGAN": lambda g, d: GAN(g, d, 16, penalties=[gan.DRAGAN(1.0, noise=0.2)]),
        "R1": lambda g, d: GAN(g, d, 16, penalties=[R1(0.1)]),
        "R1 + R2": lambda g, d: GAN(g, d, 16, penalties=both),
        "R3GAN": lambda g, d: RelativisticGAN(g, d, 16, penalties=both),
        "WGAN, five moves": lambda g, d: gan.WGAN(g, d, 16, clip=0.1),
        "WGAN-GP, five moves": lambda g, d: WGANGP(g, d, 16, weight=1.0),
    }


def on_the_ring(options: argparse.Namespace) -> None:
    """A round of each game, on one task with small networks."""

    def rounds_of(make: Callable[..., nn.Module]) -> None:
        torch.manual_seed(0)
        one = make(nets.mlp(16, 64, 64, 2), nets.mlp(2, 64, 64, 1))
        optimizers = {
            name: Adam(net.parameters(), lr=6e-3, betas=(0.0, 0.99), fused=True)
            for name, net in one.players.items()
        }
        play(
            one,
            [real] * (100 * max(1, one.turns.count("discriminator"))),
            optimizers,
            steps=100,
            progress=False,
        )

    real = ring(128)
    calls: dict[str, Callable[[], object]] = {
        name: partial(rounds_of, make) for name, make in ring_games().items()
    }
    print(
        "\n" + table("on the ring, batch 128, 100 rounds", rounds(calls, real, options.repeats), "GAN"),
        flush=True,
    )


def show(
    title: str,
    same: dict[str, Training],
    networks: tuple[nn.Module, ...],
    batches: Batches,
    repeats: int,
    others: dict[str, Training] | None = None,
) -> None:
    """Look that contenders come to the ``same`` numbers, then print their times, and those of ``others``."""
    real = batches[0][0]
    logits = []
    for contender in same.values():
        _, discriminator = trained(contender, networks, batches)
        logits.append(discriminator(real).mean().detach())
    for value in logits[1:]:
        compare(title, value, logits[0])
    contenders = same | (others or {})
    calls: dict[str, Callable[[], object]] = {
        label: partial(trained, contender, networks, batches) for label, contender in contenders.items()
    }
    print("\n" + table(title, rounds(calls, real, repeats), next(iter(same))), flush=True)


def metrics(options: argparse.Namespace) -> None:
    """The Frechet distance beside torch-fidelity's, and beside the matrix operations that it cannot do without."""
    with unused_imports():
        from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    def theirs(real: Tensor, fake: Tensor) -> float:
        both = [fid_features_to_statistics(part) for part in (real, fake)]
        found = fid_statistics_to_metric(*both, verbose=False)
        return float(next(iter(found.values())))

    def limit(real: Tensor, fake: Tensor) -> None:
        """Two covariances, the eigenvectors of one and the eigenvalues of a product."""
        first, second = (part.double().T.cov() for part in (real, fake))
        values, vectors = torch.linalg.eigh(first)
        root = vectors * values.clamp_min(0).sqrt()
        torch.linalg.eigvalsh(root.T @ second @ root)

    for size, n in ((100, 10_000), (512, 5_000), (2048, 5_000)):
        torch.manual_seed(0)
        mix = torch.randn(size, size) / size**0.5
        real, fake = torch.randn(n, size) @ mix, 1.1 * torch.randn(n, size) @ mix + 0.1
        compare(
            f"FID of {size} features",
            torch.tensor(frechet_distance(real, fake)),
            torch.tensor(theirs(real, fake)),
        )
        calls: dict[str, Callable[[], object]] = {
            "limit": partial(limit, real, fake),
            "advnotes": partial(frechet_distance, real, fake),
            "torch-fidelity": partial(theirs, real, fake),
        }
        repeats = options.repeats if size < 2048 else min(options.repeats, 3)
        took = rounds(calls, real, repeats)
        print("\n" + table(f"FID, {n:,} samples of {size:,} features", took, "limit"), flush=True)


PARTS: dict[str, Part] = {"plain": plain, "games": games, "ring": on_the_ring, "metrics": metrics}

if __name__ == "__main__":
    main(__doc__, PARTS, device=("cpu", "where networks and data are"))
