"""Every number that a class or a function takes: the smallest and the largest that are allowed, and what is refused.

Each case is a function of one number. It is called with numbers at the very ends of what the documentation allows,
which must be taken, and with numbers just beyond, which must be refused by name before anything is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from advnotes import (
    attacks,
    audio,
    data,
    decisions,
    defences,
    gan,
    generators,
    invariance,
    messages,
    metrics,
    nets,
    robust,
)
from advnotes.nets import mlp
from advnotes.sklearn import TableGenerator
from advnotes.threats import L1, L2, Linf

DIFFUSION = generators.DDPM(nn.Identity(), generators.linear_betas(21), (1,))
LINF, L2_BALL = Linf(0.1), L2(0.5)
ONE_DIRECTION = torch.tensor([1.0, 0.0])
NAN, INF = math.nan, math.inf


@dataclass(frozen=True)
class Limits:
    """Which numbers are taken and which are refused."""

    taken: tuple[Any, ...]
    refused: tuple[Any, ...]


def count(least: int = 1) -> Limits:
    return Limits((least, least + 1), (least - 1,))


POSITIVE = Limits((1e-6, 1.0, 100.0), (0.0, -1e-6, NAN, INF))
NOT_NEGATIVE = Limits((0.0, 1e-6, 0.5, 100.0), (-1e-6, NAN, INF))
SHARE = Limits((0.0, 1e-6, 0.5, 1.0), (-1e-6, 1 + 1e-6, NAN))


def of(kind: Any, *first: Any, **settings: Any) -> Callable[[str], Callable[[Any], object]]:
    """What calls ``kind`` with one more argument, by its name."""
    return lambda argument: lambda value: kind(*first, **settings | {argument: value})


def model() -> nn.Module:
    return mlp(3, 4, 2)


def table_of(**settings: Any) -> TableGenerator:
    """A small table that is learnt."""
    few: dict[str, Any] = dict(steps=1, batch_size=2, hidden=2, latent_size=2)
    return TableGenerator(**few | settings).fit(np.array([[1.0, 2.0], [2.0, 1.0]] * 2))


def mean_of(x: torch.Tensor) -> torch.Tensor:
    return x.mean(dim=1)


WORLD = torch.eye(2)[:, None]  # two states that one stays in, and one action
X, Y = torch.rand(8, 3, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 2
EYE, ONE = mlp(2, 4, 3), mlp(3, 4, 1)
TABLES = generators.Layout(1, (2,), (2,))
PICTURES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
AUTOENCODER = gan.Autoencoder(mlp(3, 4, 2), mlp(2, 4, 3))
LOADER = data.batches(X, Y, batch_size=4)
FGSM, UNIVERSAL = attacks.FGSM(LINF), attacks.Universal(LINF, steps=2, batch_size=4)
TABLE: list[tuple[Any, dict[str, Limits]]] = [
    (of(attacks.PGD, LINF), {"steps": count(), "restarts": count()}),
    (of(attacks.APGD, LINF), {"steps": count(), "restarts": count()}),
    (of(attacks.TargetedAPGD, LINF), {"targets": count()}),
    (of(attacks.FAB, LINF), {"steps": count(), "restarts": count()}),
    (of(attacks.TargetedFAB, LINF), {"targets": count()}),
    (
        of(attacks.Square, LINF),
        {"queries": count(), "restarts": count(), "share": Limits((1e-6, 1.0), (0.0, 1 + 1e-6, NAN))},
    ),
    (of(attacks.AutoAttack, LINF), {"samples": count()}),
    (
        of(attacks.DeepFool, LINF),
        {
            "steps": count(),
            "overshoot": Limits((0.0, 0.5), (-1e-6,)),
            "candidates": Limits((2, None), (1, 0)),
        },
    ),
    (
        of(attacks.CarliniWagner, L2_BALL),
        {
            "steps": count(),
            "searches": count(),
            "step_size": POSITIVE,
            "initial_c": POSITIVE,
            "confidence": NOT_NEGATIVE,
        },
    ),
    (of(attacks.HopSkipJump, LINF), {"steps": count(), "directions": count(2)}),
    (
        of(attacks.Universal, LINF),
        {
            "steps": count(),
            "starts": count(),
            "batch_size": count(),
            "step_size": POSITIVE,
            "cap": Limits((1e-6, INF), (0.0, -1.0, NAN)),
        },
    ),
    (
        of(attacks.Patch),
        {
            "size": count(),
            "steps": count(),
            "batch_size": count(),
            "step_size": POSITIVE,
            "rotation": NOT_NEGATIVE,
        },
    ),
    (of(attacks.Pose), {"steps": count(), "restarts": count(), "step_size": POSITIVE}),
    (of(attacks.RandomPose), {"tries": count()}),
    (of(attacks.OnlyAdd, 2), {"shortlist": count()}),
    (of(attacks.OnlyAdd), {"budget": Limits((1, torch.tensor([1, 2])), (0, -1, torch.tensor([1, 0])))}),
    (of(attacks.EOT, FGSM), {"samples": count()}),
    (of(attacks.Quantized, FGSM), {"levels": count(2)}),
    (of(attacks.Evading, FGSM, ONE), {"threshold": Limits((-5.0, 0.0, 1e6), (NAN, INF, -INF))}),
    (of(gan.FGAN, EYE, ONE, 2, gan.Alpha(1.0)), {"limit": POSITIVE}),
    (of(gan.Alpha), {"alpha": Limits((-2.0, 0.0, 1.0), (NAN, INF))}),
    (of(gan.GAN, EYE, ONE), {"latent_size": count()}),
    (of(gan.R1), {"gamma": NOT_NEGATIVE, "every": count(), "samples": count()}),
    (of(gan.R2), {"gamma": NOT_NEGATIVE, "every": count(), "samples": count()}),
    (
        of(gan.DRAGAN),
        {"weight": NOT_NEGATIVE, "noise": NOT_NEGATIVE, "slope": NOT_NEGATIVE, "every": count()},
    ),
    (
        of(gan.SlopePenalty),
        {"weight": NOT_NEGATIVE, "slope": NOT_NEGATIVE, "every": count(), "samples": count()},
    ),
    (of(gan.WGAN, EYE, ONE, 2), {"clip": POSITIVE, "moves": count()}),
    (of(gan.WGANGP, EYE, ONE, 2), {"weight": NOT_NEGATIVE, "moves": count()}),
    (of(gan.Particles, X), {"coupling": SHARE}),
    (of(gan.LabelSmoothingGAN, EYE, ONE, 2), {"real": Limits((0.5 + 1e-6, 1.0), (0.5, 1 + 1e-6, NAN))}),
    (of(gan.MinibatchDiscrimination, 3), {"kernels": count(), "size": count()}),
    (of(gan.MinibatchDiscrimination), {"features": count()}),
    (of(gan.VirtualBatchNorm, 3), {"eps": POSITIVE}),
    (of(gan.VirtualBatchNorm), {"features": count()}),
    (of(gan.HistoricalAveraging, gan.GAN(EYE, ONE, 2)), {"weight": NOT_NEGATIVE}),
    (of(gan.EBGAN, EYE, AUTOENCODER, 2, margin=1.0), {"margin": NOT_NEGATIVE, "pull_away": NOT_NEGATIVE}),
    (of(gan.NegativeEntropy), {"neighbours": count(), "weight": NOT_NEGATIVE}),
    (of(gan.HalfSquaredNorm), {"bandwidth": POSITIVE}),
    (of(gan.knn_entropy, X), {"neighbours": count()}),
    (of(gan.Conditioned, EYE), {"classes": count(2)}),
    (of(gan.GMAN, EYE, gan.Jury([ONE]), 2), {"strictness": NOT_NEGATIVE}),
    (of(gan.Regulated, EYE), {"start": POSITIVE}),
    (of(gan.GMANStar, gan.Regulated(EYE), gan.Jury([ONE]), 2), {"reward": NOT_NEGATIVE}),
    (of(gan.TaskCostGAN, EYE, ONE, 2), {"pi": Limits((1e-6, 0.5, 1 - 1e-6), (0.0, 1.0, -1e-6, NAN))}),
    (
        of(gan.UnrolledGAN, EYE, ONE, 2, optimizer=torch.optim.SGD(ONE.parameters(), 0.1)),
        {"unroll": count(0)},
    ),
    (
        of(gan.AdvGAN, mlp(3, 4, 3), ONE, model(), LINF),
        {
            "confidence": NOT_NEGATIVE,
            "alpha": NOT_NEGATIVE,
            "beta": NOT_NEGATIVE,
            "size": NOT_NEGATIVE,
            "target": count(0),
        },
    ),
    (of(generators.BiGAN, mlp(3, 2), EYE, ONE, shape=(3,)), {"latent_size": count()}),
    (of(generators.BiGAN, mlp(3, 2), EYE, ONE, 2), {"shape": Limits(((1,), (1, 2, 2)), ((0,), (1, -1)))}),
    (
        of(generators.CoupledGAN, generators.Tied([EYE, mlp(2, 4, 3)]), generators.Tied([ONE, mlp(3, 4, 1)])),
        {"latent_size": count()},
    ),
    (of(generators.DAGAN, EYE, ONE), {"latent_size": count()}),
    (of(generators.RowGenerator, TABLES), {"latent_size": count(), "temperature": POSITIVE}),
    (
        of(generators.CTGAN, generators.RowGenerator(TABLES, 2), generators.row_critic(TABLES, 1), 2),
        {"pack": count(), "weight": NOT_NEGATIVE, "every": count(), "moves": count()},
    ),
    (
        of(table_of),
        {
            **{name: count() for name in ("epochs", "steps", "latent_size", "moves", "every")},
            "batch_size": count(2),
            **{name: count() for name in ("modes", "levels")},
            "pack": Limits((1, 2), (0,)),
            "max_categories": Limits((2, 3), (0,)),
            "learning_rate": Limits((1e-6, 0.1), (0.0, -1e-6, NAN, INF)),
            "average": SHARE,
            "drop": Limits((0.0, 0.9), (-1e-6, 0.91, NAN)),
        },
    ),
    (
        of(generators.Bend, (4, 4)),
        {"latent_size": count(), "knots": count(2), "width": count(), "reach": NOT_NEGATIVE},
    ),
    (of(generators.Bend), {"shape": Limits(((1, 1), (2, 3)), ((0, 1), (2, -1)))}),
    (
        of(generators.random_affine, torch.zeros(2, 1, 4, 4)),
        {
            "rotation": NOT_NEGATIVE,
            "translation": NOT_NEGATIVE,
            "scale": Limits((1.0, 1.5), (0.999, NAN)),
        },
    ),
    (of(generators.VAE, mlp(3, 4), EYE), {"latent_size": count()}),
    (of(generators.GaussianPixels), {"sigma": POSITIVE}),
    (of(generators.CausalNetwork), {"channels": count(), "blocks": count(0)}),
    (of(generators.MaskedConv2d, 1, 1, mask="A"), {"side": Limits((1, 3), (0, 2))}),
    (of(generators.PixelCNN, generators.CausalNetwork(2, 1, 3), 2), {"width": count()}),
    (of(generators.Scaling), {"size": count()}),
    (of(generators.Logit), {"alpha": Limits((1e-6, 0.05, 0.499), (0.0, 0.5, NAN))}),
    (of(generators.dequantise, X.round()), {"levels": count(2)}),
    (of(generators.linear_betas), {"steps": count(21)}),
    (of(generators.AdversarialStudent, EYE, ONE, 2), {"weight": NOT_NEGATIVE}),
    (of(generators.AdversarialStudent, EYE, ONE), {"latent_size": count()}),
    (of(generators.StyleGenerator, (3, 8, 8), width=2), {"depth": count(), "mixing": SHARE}),
    (of(generators.Synthesis, (3, 8, 8)), {"style_size": count(), "width": count()}),
    (of(generators.Mapping, 3), {"style_size": count()}),
    (of(generators.ModulatedConv, 2, 2), {"style_size": count()}),
    (of(generators.NoiseInput), {"side": count()}),
    (of(generators.AdaIN, 2), {"style_size": count()}),
    (of(generators.tie, [mlp(2, 4, 3), mlp(2, 4, 3)]), {"first": count(0), "last": count(0)}),
    (of(generators.HiFiGAN, EYE, [], EYE), {"mel_weight": NOT_NEGATIVE, "feature_weight": NOT_NEGATIVE}),
    (of(generators.PeriodCritic), {"period": count()}),
    (of(generators.ScaleCritic), {"scale": count(), "shuffle": count(0)}),
    (of(generators.PhaseShuffle), {"n": count(0)}),
    (of(generators.Vocoder, audio.MelSpectrogram()), {"width": count(), "blocks": count(0)}),
    (of(audio.MelSpectrogram), {"rate": count(), "bands": count(), "floor": POSITIVE}),
    (of(gan.dirac_eigenvalues), {"gamma": NOT_NEGATIVE}),
    (of(gan.dirac_eigenvalues, 1.0), {"slope": POSITIVE}),
    (of(robust.AdversarialTraining, model(), FGSM), {"share": SHARE, "warmup": count(0)}),
    (of(robust.FastAdversarialTraining, model(), LINF), {"step": POSITIVE, "warmup": count(0)}),
    (of(robust.FreeAdversarialTraining, model(), LINF, (4, 3)), {"step": POSITIVE}),
    (of(robust.Replay, LOADER), {"times": count()}),
    (of(robust.TRADES, model(), attacks.PGD(LINF)), {"beta": NOT_NEGATIVE}),
    (
        of(robust.MixedBatchTraining, model(), FGSM),
        {
            "adversarial": count(),
            "weight": Limits((1e-6, 1.0), (0.0, -1.0, NAN)),
            "spread": Limits((1e-6, 1.0, None), (0.0, -1.0, NAN)),
        },
    ),
    (of(robust.SeveralThreats, model(), [FGSM]), {"warmup": count(0)}),
    (
        of(robust.FictitiousPlay, model(), UNIVERSAL, X, Y),
        {"rounds": count(), "every": count(), "memory": count(0)},
    ),
    (of(robust.VAT, model()), {"eps": NOT_NEGATIVE}),
    (
        of(robust.VAT, model(), 0.5),
        {"weight": NOT_NEGATIVE, "entropy": NOT_NEGATIVE, "xi": POSITIVE, "steps": count(0)},
    ),
    (of(robust.OverfittingWatch, X, Y, LINF), {"steps": count(2), "patience": count()}),
    (
        of(invariance.DANN, mlp(3, 4, 4), nn.Linear(4, 2), mlp(4, 4, 1)),
        {"strength": NOT_NEGATIVE, "warmup": count(0)},
    ),
    (
        of(invariance.CrossModal, mlp(3, 4, 4), mlp(2, 4, 4), nn.Linear(4, 2), mlp(4, 4, 1)),
        {"strength": NOT_NEGATIVE, "warmup": count(0)},
    ),
    (of(invariance.Pivot, model(), invariance.CategoricalDensity(2)), {"strength": NOT_NEGATIVE}),
    (of(invariance.Pivot, model(), invariance.CategoricalDensity(2), 1.0), {"adversary_steps": count()}),
    (
        of(invariance.fresh_adversary, X, Y, steps=1),
        {"steps": count(), "batch_size": count(), "tries": count(), "learning_rate": POSITIVE},
    ),
    (of(generators.SRGAN, EYE, ONE, EYE), {"adversarial": NOT_NEGATIVE, "scale": POSITIVE}),
    (
        of(generators.SRResNet, kernel=3),
        {"channels": count(), "blocks": count(), "factor": Limits((2, 4, 8), (1, 0, 6)), "fine": count()},
    ),
    (of(generators.SRResNet, 4, 1), {"kernel": Limits((1, 3), (0, 2, 4))}),
    (of(generators.shrink, PICTURES), {"factor": count()}),
    (of(generators.enlarge, PICTURES), {"factor": count()}),
    (of(data.patches, list(PICTURES), size=4), {"count": count()}),
    (of(data.patches, list(PICTURES), 3), {"size": count()}),
    (of(metrics.ssim, PICTURES, PICTURES), {"sigma": Limits((0.1, 0.9), (0.0, -1e-6, NAN, INF))}),
    (of(metrics.mode_coverage, X, X), {"radius": POSITIVE}),
    (of(metrics.proxy_a_distance, X, X + 1), {"c": POSITIVE}),
    (of(metrics.precision_recall, X, X), {"neighbours": count()}),
    (of(metrics.classifier_score, X), {"splits": count()}),
    (of(metrics.density_coverage, X, X), {"neighbours": count()}),
    (of(metrics.kernel_distance, X, X, subset_size=2), {"subsets": count()}),
    (of(metrics.kernel_distance, X, X, subsets=1), {"subset_size": count(2)}),
    (
        of(metrics.path_length, mlp(2, 3), torch.relu, 2, n=3),
        {"batch_size": count(), "step": Limits((1e-6, 0.5), (0.0, 0.6, NAN))},
    ),
    (of(metrics.path_length, nn.Identity(), torch.relu), {"latent_size": count()}),
    (of(metrics.accuracy, model(), X, Y), {"batch_size": count()}),
    (of(metrics.robust_accuracy, model(), FGSM, X, Y), {"batch_size": count()}),
    (of(metrics.fooling_rate, model(), X, X), {"batch_size": count()}),
    (of(attacks.random_targets, Y), {"classes": count(2)}),
    (of(attacks.attack_all, FGSM, model(), (X, Y)), {"batch_size": count()}),
    (of(data.batches, X), {"batch_size": count()}),
    (of(data.moons), {"n": count()}),
    (of(data.moons, 4), {"noise": NOT_NEGATIVE}),
    (of(data.ring), {"n": count()}),
    (of(data.ring, 4), {"modes": count(), "radius": NOT_NEGATIVE, "sigma": NOT_NEGATIVE}),
    (of(data.grid, 4), {"side": count(), "spacing": NOT_NEGATIVE, "sigma": NOT_NEGATIVE}),
    (of(data.line), {"n": count()}),
    (of(data.shifted_gaussians), {"n": count()}),
    (of(nets.conv_generator, (1, 8, 8)), {"latent_size": count(), "width": count()}),
    (of(nets.conv_discriminator, (1, 8, 8)), {"width": count()}),
    (of(nets.Projection, mlp(3, 4), 4), {"classes": count(2)}),
    (of(nets.Projection, mlp(3, 4), classes=2), {"size": count()}),
    (
        of(decisions.Gridworld, ["S."], {}),
        {"horizon": count()},
    ),
    (of(decisions.Gridworld, ["S."], {}, horizon=2), {"slip": SHARE}),
    (
        of(messages.Cryptography, EYE, EYE, EYE, bits=2),
        {"bits": count(), "key_bits": Limits((1, 3, None), (0,))},
    ),
    (
        of(messages.PublicKey, EYE, EYE, EYE, EYE, bits=2),
        {"bits": count(), "key_bits": Limits((1, None), (0,))},
    ),
    (of(messages.SelectiveProtection, EYE, EYE, EYE, EYE), {"secrecy": NOT_NEGATIVE}),
    (
        of(messages.MixTransform, inputs=2, bits=2),
        {"inputs": count(), "bits": count(), "copies": Limits((1, 3, None), (0,))},
    ),
    (
        of(messages.random_bits, n=2, bits=2),
        {"n": count(), "bits": count(), "copies": Limits((1, None), (0,))},
    ),
    (
        of(decisions.ActorCritic, mlp(2, 1), mlp(3, 1)),
        {"discount": SHARE, "target_rate": Limits((1e-6, 1.0), (0.0, 1 + 1e-6, NAN))},
    ),
    (
        of(decisions.ActorCriticGAN, EYE, ONE, 2),
        {"target_rate": Limits((1e-6, 1.0), (0.0, 1 + 1e-6, NAN))},
    ),
    (of(decisions.DuelingNetwork, ONE, ONE, ONE), {"share": Limits((1e-6, 1.0), (0.0, 1 + 1e-6, NAN))}),
    (
        of(decisions.dueling_mlp, inputs=2, actions=2),
        {"inputs": count(), "actions": count(), "hidden": count(), "stream": count()},
    ),
    (of(decisions.ReplayBuffer), {"capacity": count()}),
    (of(decisions.Corridor), {"actions": count(5), "sides": count(2), "middle": count(0)}),
    (of(decisions.Corridor().optimal_q), {"discount": Limits((1e-6, 0.99), (0.0, 1.0, NAN))}),
    (of(decisions.Corridor().near_greedy, discount=0.9), {"epsilon": SHARE}),
    (
        of(decisions.DoubleDQN, mlp(2, 5), decisions.Corridor()),
        {name: count() for name in ("capacity", "batch_size", "copy_every", "first", "fade")}
        | {"discount": SHARE, "epsilon": SHARE, "learning_rate": POSITIVE, "clip": POSITIVE},
    ),
    (of(decisions.TargetNetwork, ONE), {"rate": Limits((1e-6, 1.0), (0.0, 1 + 1e-6, NAN))}),
    (of(decisions.RealOrMade, X), {"chance": Limits((1e-6, 1 - 1e-6), (0.0, 1.0, NAN))}),
    (of(decisions.best_critic, torch.ones(2), torch.ones(2)), {"chance": SHARE}),
    (of(decisions.Regulator), {"step_size": POSITIVE, "horizon": count(), "limit": POSITIVE}),
    (of(decisions.Regulator().best), {"discount": Limits((1e-6, 0.9), (0.0, 1.0, NAN))}),
    (
        of(decisions.Experience, decisions.Regulator(), mlp(2, 1), decisions.ReplayBuffer(4), 2, 2),
        {"noise": NOT_NEGATIVE, "moves": count(), "warmup": count()},
    ),
    (
        of(decisions.Showings, decisions.RealOrMade(X), torch.rand, 2, 2),
        {"share": SHARE},
    ),
    (of(decisions.plan, WORLD, torch.zeros(2)), {"horizon": count()}),
    (of(decisions.plan, WORLD, torch.zeros(2), 2), {"temperature": NOT_NEGATIVE}),
    (of(decisions.TabularPolicy, WORLD, torch.tensor([0.5, 0.5])), {"horizon": count()}),
    (
        of(decisions.sample_paths, WORLD, torch.ones(3, 2, 1), torch.tensor([0.5, 0.5])),
        {"n": count()},
    ),
    (of(decisions.Categorical), {"size": count()}),
    (of(decisions.PathCost), {"states": count()}),
    (of(decisions.PathCost, 2), {"actions": Limits((1, 3, None), (0,))}),
    (of(decisions.StartValue), {"states": count()}),
    (
        of(decisions.InverseRL, decisions.Categorical(2), nn.Embedding(2, 1)),
        {"log_z": Limits((-3.0, 0.0, 1.5), (NAN, INF))},
    ),
    (of(decisions.LSTMWriter, tokens=3, length=2), {"tokens": count(), "length": count()}),
    (of(decisions.LSTMWriter, 3, 2), {"width": count(), "embedding": count()}),
    (of(decisions.random_oracle, 3, 2), {"width": count()}),
    (of(decisions.LSTMWriter(3, 2).sample), {"n": count()}),
    (of(decisions.LSTMWriter(3, 2).sample, 2), {"temperature": POSITIVE}),
    (of(decisions.SequenceCritic, 3, 3), {"channels": count(), "embedding": count()}),
    (of(decisions.SequenceCritic, 3, 2), {"kernels": Limits(((1,), (2, 2)), ((0,), (3,), ()))}),
    (of(decisions.SeqGAN, decisions.LSTMWriter(3, 2), ONE), {"rollouts": count()}),
    (
        of(defences.exact_margin, model(), X, Y, LINF),
        {
            "tolerance": POSITIVE,
            "max_unstable": Limits((1000,), (-1,)),
            "budget": Limits((1, 5, None), (0, -1)),
        },
    ),
    (
        of(defences.certify, model(), X, Y, LINF),
        {"seconds": Limits((0.0, 0.1, None), (-1e-6, NAN, INF)), "branches": Limits((0, 1, None), (-1,))},
    ),
    (of(defences.linear_margins, model(), X, Y, LINF), {"steps": count(0)}),
    (of(defences.IntervalTraining, model(), LINF), {"kappa": SHARE, "warmup": count(0)}),
    (of(defences.Smoothed, model()), {"sigma": Limits((0.01, 1.0, 100.0), (0.0, -1e-6, NAN, INF))}),
    (
        of(defences.Smoothed, model(), 1.0),
        {"grid": Limits((2.0**-20, 2.0**-10, 1.0), (0.0, -1.0, 0.3, 2.0, NAN)), "batch_size": count()},
    ),
    (
        of(defences.Smoothed(model(), 1.0).predict, X),
        {"n": count(), "alpha": Limits((1e-9, 0.5), (0.0, 0.6, NAN))},
    ),
    (
        of(defences.Smoothed(model(), 1.0).certify, X),
        {"n0": count(), "n": count(), "alpha": Limits((1e-9, 0.5), (0.0, 0.6, NAN))},
    ),
    (of(defences.DenoiseOnce, DIFFUSION), {"start": Limits((1, 21), (0, 22))}),
    (of(defences.DiffPure, DIFFUSION, 5), {"passes": Limits((1, 5, None), (0, 6))}),
    (of(defences.Defender, EYE, ONE, classes=2, size=2), {"classes": count(2), "size": count()}),
    (of(defences.Curtail, defences.Defender(EYE, ONE, 2, 2)), {"weight": NOT_NEGATIVE}),
    (of(defences.Detector(mean_of).calibrate, X), {"batch_size": count()}),
    (
        of(defences.Detector(mean_of).calibrate(X).threshold),
        {"false_positives": Limits((0.0, 0.05, 1 - 1e-6), (-1e-6, 1.0, NAN))},
    ),
    (of(defences.InputDensity, EYE, X, Y), {"size": Limits((1, 3), (0, 4))}),
    (
        of(defences.LatentDensity, model(), defences.Defender(mlp(3, 4), mlp(4, 2), 2, 4), X, Y, size=2),
        {"size": Limits((1, 4), (0, 5)), "ridge": POSITIVE},
    ),
    (
        of(defences.SynthesisClassifier, gan.Conditioned(mlp(4, 4, 3), 2), latent_size=2, classes=2),
        {
            "latent_size": count(),
            "classes": Limits((2,), (1,)),
            "steps": count(),
            "restarts": count(),
            "step_size": POSITIVE,
        },
    ),
    (
        of(
            defences.SynthesisClassifier(gan.Conditioned(mlp(4, 4, 3), 2), 2, classes=2, steps=1).calibrate,
            X,
            keep=0.5,
        ),
        {"keep": Limits((1e-12, 0.5), (0.0, 1.0, NAN)), "batch_size": count()},
    ),
    (of(defences.ucb), {"sigma": POSITIVE}),
    (of(defences.epsilon_greedy), {"arms": count()}),
    (
        of(defences.shape_rewards, defences.ucb(0.1), [0.5, 0.4], 1, rounds=3, runs=1),
        {
            "runs": count(),
            "rounds": count(2),
            "sigma": POSITIVE,
            "gap": NOT_NEGATIVE,
            "delta": Limits((1e-6, 1 - 1e-6), (0.0, 1.0, NAN)),
        },
    ),
    (
        of(
            defences.online_regression,
            X.double(),
            Y.double(),
            wish=torch.ones(3).double(),
            rate=0.1,
            goal=0.0,
            weight=1.0,
        ),
        {"rate": POSITIVE, "weight": POSITIVE, "goal": Limits((-3.0, 0.0), (NAN, INF))},
    ),
    (of(defences.plan_by_gradient, torch.sum, torch.ones(2, 1)), {"steps": count()}),
    (
        of(defences.Spikes, order=2, width=0.1),
        {"order": Limits((1, 16), (0, 17)), "width": Limits((0.0, 0.1, 1 - 1e-6), (-1e-6, 1.0, NAN))},
    ),
    (of(defences.Spikes(2, 0.1).moments), {"degree": count(0)}),
    (of(defences.Spikes(2, 0.1).robust_accuracy), {"eps": NOT_NEGATIVE}),
    (of(defences.HiddenStripes, ONE_DIRECTION, defences.Spikes(2, 0.1)), {"hint": NOT_NEGATIVE}),
    (of(defences.HiddenStripes(ONE_DIRECTION, defences.Spikes(2, 0.1)).sample), {"count": count()}),
    (of(defences.unit_directions, count=2, n=2), {"count": count(), "n": count()}),
    (of(defences.mean_even_power, n=2, power=2), {"n": count(), "power": Limits((0, 2), (-1, 1))}),
    (
        of(defences.SecretParity, torch.tensor([True])),
        {
            "repeats": Limits((1, 3), (0, 2)),
            "noise": Limits((0.0, 0.5 - 1e-6), (-1e-6, 0.5, NAN)),
            "hint": NOT_NEGATIVE,
        },
    ),
    (of(defences.SecretParity(torch.tensor([True])).sample), {"count": count()}),
    (of(data.quatrains, "test"), {"size": Limits((1, 472), (0, 473))}),
    (of(data.verse_lines, "test"), {"size": Limits((1, 2008), (0, 2009))}),
    (of(Linf), {"eps": Limits((0.0, 0.5, INF), (-1e-6, NAN))}),
    (of(L1, 1.0), {"share": Limits((1e-6, 1.0), (0.0, 1 + 1e-6, NAN))}),
]
CASES = {
    f"{index} {argument}": (make(argument), limits)
    for index, (make, table) in enumerate(TABLE)
    for argument, limits in table.items()
}


@pytest.mark.parametrize("case", CASES)
def test_numbers_at_the_ends_are_taken(case):
    make, limits = CASES[case]
    for value in limits.taken:
        make(value)


@pytest.mark.parametrize("case", CASES)
def test_numbers_beyond_the_ends_are_refused_by_name(case):
    make, limits = CASES[case]
    for value in limits.refused:
        with pytest.raises(ValueError, match=case.split()[1]):
            make(value)


CLASHES = [
    (attacks.PGD, {"restarts": 1, "random_start": False}, {"restarts": 2, "random_start": False}),
    (attacks.PGD, {"restarts": 1, "best": False}, {"restarts": 2, "best": False}),
    (attacks.PGD, {"early_stop": True}, {"early_stop": True, "best": False}),
    (attacks.PGD, {"best": False}, {"early_stop": True, "best": False}),
    (attacks.HopSkipJump, {"targeted": True, "starts": X}, {"targeted": True}),
    (attacks.DeepFool, {"targeted": False}, {"targeted": True}),
    (attacks.TargetedAPGD, {"targeted": False}, {"targeted": True}),
]


@pytest.mark.parametrize(("kind", "fits", "clashes"), CLASHES)
def test_options_that_do_not_go_together_are_refused_and_each_alone_is_taken(kind, fits, clashes):
    kind(LINF, **fits)
    with pytest.raises(ValueError, match=next(iter(clashes))):
        kind(LINF, **clashes)
