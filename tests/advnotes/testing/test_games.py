"""``check_game``: every game of the package passes, and each broken one is told what it breaks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import Game
from advnotes.attacks import BIM, FGSM, PGD, Universal
from advnotes.audio import MelSpectrogram
from advnotes.decisions import (
    ActorCritic,
    ActorCriticGAN,
    Categorical,
    GuidedCostLearning,
    InverseRL,
    LSTMWriter,
    MaximumLikelihood,
    PathCost,
    SeqGAN,
    SequenceCritic,
    StartValue,
    TabularPolicy,
)
from advnotes.defences import Curtail, Defender, IntervalTraining
from advnotes.gan import (
    DRAGAN,
    EBGAN,
    FGAN,
    GAN,
    GMAN,
    LSGAN,
    R1,
    R2,
    WGAN,
    WGANGP,
    Alpha,
    Autoencoder,
    CalibratedGAN,
    FeatureMatchingGAN,
    GMANStar,
    HingeGAN,
    HistoricalAveraging,
    JensenShannon,
    Jury,
    LabelSmoothingGAN,
    MinibatchDiscrimination,
    MinimaxGAN,
    NegativeEntropy,
    ParticleGAN,
    Particles,
    Regulated,
    RelativisticGAN,
    SemiSupervisedGAN,
    TaskCostGAN,
    UnrolledGAN,
    VirtualBatchNorm,
    WithReference,
    dirac_gan,
)
from advnotes.generators import (
    CTGAN,
    DAGAN,
    DBM,
    DDPM,
    GSN,
    SRGAN,
    VAE,
    AdversarialStudent,
    AffineCoupling,
    Beside,
    BiGAN,
    CausalNetwork,
    ContrastiveDivergence,
    CoupledGAN,
    Flow,
    GaussianEncoder,
    HiFiGAN,
    Layout,
    PairDiscriminator,
    PeriodCritic,
    PixelCNN,
    RowGenerator,
    ScaleCritic,
    Student,
    Vocoder,
    linear_betas,
    row_critic,
    tie,
)
from advnotes.invariance import (
    DANN,
    AlternatingDANN,
    CategoricalDensity,
    CrossModal,
    MixtureDensity,
    Pivot,
)
from advnotes.messages import Cryptography, MixTransform, PublicKey, SelectiveProtection, random_bits
from advnotes.nets import mlp
from advnotes.robust import (
    TRADES,
    VAT,
    AdversarialTraining,
    FastAdversarialTraining,
    FictitiousPlay,
    FreeAdversarialTraining,
    GradientPenalty,
    MixedBatchTraining,
    SeveralThreats,
)
from advnotes.testing import check_game
from advnotes.threats import L2, Linf

DRAWN = torch.Generator().manual_seed(0)
X, Y = torch.rand(8, 3, generator=DRAWN), torch.arange(8) % 2
OTHERS = torch.rand(6, 3, generator=DRAWN)
IMAGES = torch.rand(8, 1, 8, 8, generator=DRAWN)


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))


def critic() -> nn.Module:
    return mlp(3, 8, 1)


class Matching(SemiSupervisedGAN, FeatureMatchingGAN):
    """What the paper classifies with."""


def referenced() -> nn.Module:
    layers = nn.Linear(2, 8), VirtualBatchNorm(8), nn.ReLU(), nn.Linear(8, 3)
    return WithReference(nn.Sequential(*layers), torch.rand(5, 2))


class NoiseOf(nn.Module):
    """What a diffusion model asks: the noise in a sample, given its step."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(4, 8, 3)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self.body(torch.cat([x, t[:, None] / 30], dim=1))


def batch_critic() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), MinibatchDiscrimination(8, 4, 2), nn.Linear(12, 1))


def pair_critic() -> nn.Module:
    return PairDiscriminator(nn.Identity(), mlp(5, 8, 1))


def coupled() -> CoupledGAN:
    generators, discriminators = [mlp(2, 8, 3), mlp(2, 8, 3)], [mlp(3, 8, 1), mlp(3, 8, 1)]
    return CoupledGAN(tie(generators, first=2), tie(discriminators, last=1), 2)


def vocoding() -> HiFiGAN:
    mel = MelSpectrogram(n_fft=64, hop=16, bands=8)
    critics = [PeriodCritic(3, (2, 4)), ScaleCritic(2, (2, 4), 5, 2)]
    return HiFiGAN(Vocoder(mel, width=4, blocks=1), critics, mel)


def tables() -> CTGAN:
    layout = Layout(1, (2,), (2,))
    return CTGAN(RowGenerator(layout, 2, (8,)), row_critic(layout, 2, (8,)), 2, pack=2, every=2)


def srgan() -> SRGAN:
    return SRGAN(mlp(3, 8, 3), critic(), nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.2)), adversarial=0.1)


def walking() -> InverseRL:
    world, start = torch.rand(3, 2, 3, generator=DRAWN), torch.full((3,), 1 / 3)
    policy = TabularPolicy(world / world.sum(dim=2, keepdim=True), start, 4)
    return InverseRL(policy, PathCost(3), log_z=StartValue(3))


def cryptography(copies: int | None = None) -> Cryptography:
    pair = MixTransform(8, 4, copies), MixTransform(8, 4, copies)
    return Cryptography(*pair, MixTransform(4, 4, copies), 4)


def public_key() -> PublicKey:
    return PublicKey(MixTransform(4, 4), *(MixTransform(8, 4) for _ in range(3)), 4)


def selective() -> SelectiveProtection:
    return SelectiveProtection(mlp(5, 8, 2), mlp(4, 8, 1), mlp(2, 8, 1), mlp(2, 8, 1))


SECRETS = random_bits(8, 4, generator=DRAWN), random_bits(8, 4, generator=DRAWN)
LABELLED, REAL, THREE = (X, Y), (X,), (X, Y, OTHERS)
WORDS = torch.randint(4, (8, 3), generator=DRAWN)
STARTS = X, X.flip(0), X.flip(1)
GAMES = {
    "AdversarialTraining": (
        lambda: AdversarialTraining(model(), BIM(Linf(0.1), steps=2), warmup=2),
        LABELLED,
    ),
    "without an attack": (lambda: AdversarialTraining(model(), None, share=0.0), LABELLED),
    "the mix": (lambda: AdversarialTraining(model(), FGSM(Linf(0.1)), share=0.5), LABELLED),
    "Fast": (lambda: FastAdversarialTraining(model(), Linf(0.1), warmup=3), LABELLED),
    "Free": (lambda: FreeAdversarialTraining(model(), Linf(0.1), (8, 3)), LABELLED),
    "Intervals": (lambda: IntervalTraining(mlp(3, 8, 2), Linf(0.1), warmup=2), LABELLED),
    "Curtail": (lambda: Curtail(Defender(model(), mlp(2, 2), 2, 2), 0.1), LABELLED),
    "MixedBatch": (lambda: MixedBatchTraining(model(), FGSM(Linf(0.1))), LABELLED),
    "Several": (lambda: SeveralThreats(model(), [FGSM(Linf(0.1)), FGSM(L2(0.2))], warmup=2), LABELLED),
    "Fictitious": (
        lambda: FictitiousPlay(model(), Universal(Linf(0.1), steps=2, batch_size=4), X, Y, rounds=2, every=2),
        LABELLED,
    ),
    "GradientPenalty": (lambda: GradientPenalty(model(), Linf(0.1)), LABELLED),
    "TRADES": (lambda: TRADES(model(), PGD(Linf(0.1), steps=2)), LABELLED),
    "VAT": (lambda: VAT(model(), 0.5, entropy=0.1), THREE),
    "VAT, all labelled": (lambda: VAT(model(), 0.5), LABELLED),
    "ContrastiveDivergence": (lambda: ContrastiveDivergence(DBM(X.mean(dim=0), (4, 2)), chains=3), REAL),
    "GSN": (lambda: GSN(mlp(3, 8, 3)), REAL),
    "GAN": (lambda: GAN(mlp(2, 8, 3), critic(), 2), REAL),
    "RelativisticGAN": (lambda: RelativisticGAN(mlp(2, 8, 3), critic(), 2, penalties=[R1(), R2()]), REAL),
    "MinimaxGAN": (lambda: MinimaxGAN(mlp(2, 8, 3), critic(), 2), REAL),
    "FGAN": (lambda: FGAN(mlp(2, 8, 3), critic(), 2, Alpha(1.0), ratio=JensenShannon()), REAL),
    "LSGAN": (lambda: LSGAN(mlp(2, 8, 3), critic(), 2), REAL),
    "HingeGAN": (lambda: HingeGAN(mlp(2, 8, 3), critic(), 2), REAL),
    "GAN, two penalties": (lambda: GAN(mlp(2, 8, 3), critic(), 2, penalties=[R1(every=2), R2(0.1)]), REAL),
    "WGANGP": (lambda: WGANGP(mlp(2, 8, 3), critic(), 2), REAL),
    "WGAN": (lambda: WGAN(mlp(2, 8, 3), critic(), 2), REAL),
    "GAN, DRAGAN": (lambda: GAN(mlp(2, 8, 3), critic(), 2, penalties=[DRAGAN()]), REAL),
    "EBGAN": (lambda: EBGAN(mlp(2, 8, 3), Autoencoder(mlp(3, 8, 2), mlp(2, 8, 3)), 2, margin=0.5), REAL),
    "CalibratedGAN": (lambda: CalibratedGAN(mlp(2, 8, 3), critic(), 2, convex=NegativeEntropy(3)), REAL),
    "GMAN": (lambda: GMAN(mlp(2, 8, 3), Jury([critic(), mlp(3, 4, 1)]), 2, strictness=1.0), REAL),
    "GMANStar": (lambda: GMANStar(Regulated(mlp(2, 8, 3)), Jury([critic(), critic()]), 2), REAL),
    "TaskCostGAN": (lambda: TaskCostGAN(mlp(2, 8, 3), critic(), 2, pi=0.1), REAL),
    "HistoricalAveraging": (lambda: HistoricalAveraging(GAN(mlp(2, 8, 3), critic(), 2)), REAL),
    "LabelSmoothingGAN": (lambda: LabelSmoothingGAN(mlp(2, 8, 3), critic(), 2), REAL),
    "FeatureMatchingGAN": (lambda: FeatureMatchingGAN(mlp(2, 8, 3), critic(), 2), REAL),
    "SemiSupervisedGAN": (lambda: SemiSupervisedGAN(mlp(2, 8, 3), mlp(3, 8, 2), 2), THREE),
    "SemiSupervisedGAN, matching": (lambda: Matching(mlp(2, 8, 3), mlp(3, 8, 2), 2), THREE),
    "VirtualBatchNorm, MinibatchDiscrimination": (lambda: GAN(referenced(), batch_critic(), 2), REAL),
    "ParticleGAN": (lambda: ParticleGAN(Particles(OTHERS, 0.5), critic()), REAL),
    "DAGAN": (lambda: DAGAN(Beside(mlp(5, 8, 3)), Beside(mlp(6, 8, 1)), 2, penalties=R1()), (X, 1 - X)),
    "BiGAN": (lambda: BiGAN(mlp(3, 8, 2), mlp(2, 8, 3), pair_critic(), 2, (3,), penalties=R1()), REAL),
    "ALI": (lambda: BiGAN(GaussianEncoder(mlp(3, 8, 4)), mlp(2, 8, 3), pair_critic(), 2, (3,)), REAL),
    "CoupledGAN": (coupled, (X, OTHERS)),
    "CTGAN": (tables, (torch.rand(8, 5, generator=DRAWN), F.one_hot(Y, 2).float())),
    "HiFiGAN": (vocoding, (2 * torch.rand(4, 1, 128, generator=DRAWN) - 1,)),
    "VAE": (lambda: VAE(mlp(3, 8, 4), mlp(2, 8, 3), 2), REAL),
    "PixelCNN": (lambda: PixelCNN(CausalNetwork(4, 1, 3), 8, 8), ((IMAGES > 0.5).float(),)),
    "Flow": (
        lambda: Flow([AffineCoupling(mlp(1, 8, 2)), AffineCoupling(mlp(1, 8, 2), odd=True)], (2,)),
        (X[:, :2],),
    ),
    "DDPM": (lambda: DDPM(NoiseOf(), linear_betas(30), (3,)), REAL),
    "Student": (lambda: Student(mlp(3, 8, 3)), STARTS),
    "AdversarialStudent": (lambda: AdversarialStudent(mlp(3, 8, 3), critic(), 3, penalties=R1()), STARTS),
    "SRGAN": (srgan, (torch.rand(8, 3), X)),
    "ActorCritic": (
        lambda: ActorCritic(mlp(3, 8, 2), mlp(5, 8, 1)),
        (X, X[:, :2], X[:, 2], 1 - X, Y.float()),
    ),
    "ActorCriticGAN": (
        lambda: ActorCriticGAN(
            mlp(2, 8, 3), critic(), 2, target_rate=0.1, regulariser=NegativeEntropy(3), penalties=R1()
        ),
        (X, Y.float()),
    ),
    "InverseRL": (lambda: InverseRL(Categorical(3), nn.Embedding(3, 1), log_z=0.5), (Y + 1,)),
    "InverseRL, trajectories": (walking, (torch.stack([Y, 1 - Y], dim=1).view(4, 4, 1).repeat(1, 1, 2),)),
    "GuidedCostLearning": (lambda: GuidedCostLearning(Categorical(3), nn.Embedding(3, 1)), (Y + 1,)),
    "MaximumLikelihood": (lambda: MaximumLikelihood(LSTMWriter(4, 3, 6, 5)), (WORDS,)),
    "SeqGAN": (lambda: SeqGAN(LSTMWriter(4, 3, 6, 5), SequenceCritic(4, 3), rollouts=2), (WORDS,)),
    "Dirac": (lambda: dirac_gan(GAN, penalties=[R1()]), (torch.zeros(1, 1),)),
    "Cryptography": (cryptography, SECRETS),
    "Cryptography, side by side": (
        lambda: cryptography(2),
        (random_bits(8, 4, 2, generator=DRAWN), random_bits(8, 4, 2, generator=DRAWN)),
    ),
    "PublicKey": (public_key, SECRETS),
    "SelectiveProtection": (
        selective,
        (X[:, :2], X[:, 2:], X.sum(dim=1, keepdim=True), random_bits(8, 2, generator=DRAWN)),
    ),
    "DANN": (lambda: DANN(mlp(3, 8, 4), nn.Linear(4, 2), mlp(4, 8, 1), warmup=3), THREE),
    "AlternatingDANN": (lambda: AlternatingDANN(mlp(3, 8, 4), nn.Linear(4, 2), mlp(4, 8, 1)), THREE),
    "CrossModal": (
        lambda: CrossModal(mlp(3, 8, 4), mlp(2, 8, 4), nn.Linear(4, 2), mlp(4, 8, 1), warmup=3),
        (X, Y, 1 - X[:6, :2], torch.tensor([0, 1, -1, -1, 1, 0])),
    ),
    "Pivot": (lambda: Pivot(model(), CategoricalDensity(2), 1.0, adversary_steps=2), (X, Y, 1 - Y)),
    "Pivot, continuous": (lambda: Pivot(model(), MixtureDensity(2, 2), 1.0), (X, Y, torch.rand(8, 2))),
}


@pytest.mark.parametrize("name", GAMES)
def test_the_package_s_games_keep_what_a_game_promises(name):
    factory, batch = GAMES[name]
    check_game(factory, batch)


def unrolled() -> UnrolledGAN:
    discriminator = critic()
    return UnrolledGAN(
        mlp(2, 8, 3), discriminator, 2, optimizer=torch.optim.SGD(discriminator.parameters(), 0.1), unroll=2
    )


def test_a_game_that_imitates_an_optimizer_is_played_with_that_one():
    def optimizers(game: UnrolledGAN) -> dict[str, torch.optim.Optimizer]:
        return {
            "discriminator": game.optimizer,
            "generator": torch.optim.Adam(game.generator.parameters(), 1e-3),
        }

    check_game(unrolled, REAL, optimizers)


class Fit(Game):
    """A plain game, which the broken ones below change in one place."""

    turns = ("model",)

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        self.judge = nn.Linear(2, 1)
        self.count = 0

    def model_loss(self, x, y):
        return nn.functional.cross_entropy(self.model(x), y)


class NoLoss(Fit):
    turns = ("model", "judge")


class NoPlayer(Fit):
    turns = ("nobody",)

    def nobody_loss(self, x, y):
        return self.model(x).mean()


class NoParameters(Fit):
    def __init__(self) -> None:
        super().__init__()
        self.model = nn.ReLU()


class PerSample(Fit):
    def model_loss(self, x, y):
        return nn.functional.cross_entropy(self.model(x), y, reduction="none")


class NotANumber(Fit):
    def model_loss(self, x, y):
        return super().model_loss(x, y) * torch.nan


class PythonNumber(Fit):
    def model_loss(self, x, y):
        return super().model_loss(x, y).item()


class NoGraph(Fit):
    def model_loss(self, x, y):
        return super().model_loss(x, y).detach()


class Counts(Fit):
    def model_loss(self, x, y):
        return (self.model(x).argmax(dim=1) == y).sum()


class OfAnother(Fit):
    turns = ("judge",)

    def judge_loss(self, x, y):
        return self.judge(self.model(x)).detach().mean() + (x.clone().requires_grad_() ** 2).mean()


class InfiniteSlope(Fit):
    def model_loss(self, x, y):
        return super().model_loss(x, y) + (0 * self.model[2].weight.sum()).sqrt()


class Backward(Fit):
    def model_loss(self, x, y):
        super().model_loss(x, y).backward()
        return super().model_loss(x, y)


class Steps(Fit):
    def model_loss(self, x, y):
        with torch.no_grad():
            self.judge.weight += 0.1
        return super().model_loss(x, y)


class Unfreezes(Fit):
    def model_loss(self, x, y):
        self.judge.requires_grad_(True)
        return super().model_loss(x, y)


class StaysInEval(Fit):
    def model_loss(self, x, y):
        self.judge.eval()
        return super().model_loss(x, y)


class CountsInEval(Fit):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("moves", torch.zeros(()))

    def model_loss(self, x, y):
        self.moves += 1
        return super().model_loss(x, y)


class WritesIntoTheBatch(Fit):
    def model_loss(self, x, y):
        return super().model_loss(x.mul_(0.5), y)


class Forgets(Fit):
    """Its counter is no buffer."""

    def model_loss(self, x, y):
        self.count += self.training
        return super().model_loss(x, y) * (1 + self.count)


class ItsOwnGenerator(Fit):
    """Its generator is in no checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def model_loss(self, x, y):
        return super().model_loss(x + torch.rand(x.shape, generator=self.generator), y)


ONE = Fit()
BROKEN = [
    (NoLoss, "turns and losses to be complete: 'judge' moves in NoLoss.turns, so NoLoss needs its loss"),
    (NoPlayer, "needs a submodule of that name"),
    (NoParameters, "player 'model' to have parameters that require a gradient, got none"),
    (PerSample, r"model_loss in train mode to return one number \(a mean\), got the shape \(8,\)"),
    (NotANumber, "model_loss in train mode to be finite, got nan"),
    (PythonNumber, "to return a tensor, got float"),
    (NoGraph, "to be differentiable, got a loss without a graph"),
    (Counts, "to return a floating-point number, got torch.int64"),
    (OfAnother, "judge_loss in train mode to depend on the parameters of 'judge', got no gradient"),
    (InfiniteSlope, "finite gradients of model_loss in train mode"),
    (Backward, "model_loss in train mode to change nothing, but the .grad of model.0.weight"),
    (Steps, "to change nothing, but the parameter judge.weight"),
    (Unfreezes, "to change nothing, but the requires_grad of judge.weight"),
    (StaysInEval, "to change nothing, but the train/eval mode of judge"),
    (CountsInEval, "model_loss in eval mode to change nothing, but the buffer moves"),
    (WritesIntoTheBatch, "to leave the batch alone, but it wrote into it"),
    (Forgets, "resumed after 2 of 4 rounds .* keep what a game must remember in a buffer"),
    (ItsOwnGenerator, "draw from the global generators only"),
    (lambda: nn.Linear(3, 2), r"an advnotes Game \(derive from it\), got Linear"),
    (lambda: ONE, "to make a new game each time"),
]


def test_the_plain_game_passes():
    check_game(Fit, LABELLED)


@pytest.mark.parametrize(("factory", "message"), BROKEN, ids=[getattr(f, "__name__", "") for f, _ in BROKEN])
def test_a_broken_game_is_told_what_it_breaks(factory, message):
    x = X.clone()
    with pytest.raises(AssertionError, match=message):
        check_game(factory, (x, Y))


def test_the_check_leaves_the_global_generators_alone():
    state = torch.get_rng_state()
    check_game(Fit, LABELLED)
    assert torch.equal(torch.get_rng_state(), state)
