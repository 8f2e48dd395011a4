from .advgan import AdvGAN, Perturber
from .calibrated_energy import CalibratedGAN, HalfSquaredNorm, NegativeEntropy, knn_entropy
from .conditional import ConditionalGAN, Conditioned
from .dirac import Point, dirac_eigenvalues, dirac_gan
from .dragan import DRAGAN
from .energy import EBGAN, Autoencoder, pulling_away
from .feature_matching import FeatureMatchingGAN
from .historical_averaging import HistoricalAveraging
from .jury import Jury, critic_weights
from .label_smoothing import LabelSmoothingGAN
from .many_critics import GMAN, GMANStar, Regulated
from .minibatch_discrimination import MinibatchDiscrimination
from .particles import ParticleGAN, Particles
from .penalty import Penalty
from .r1 import R1, R2, r1_penalty
from .semi_supervised import SemiSupervisedGAN
from .standard import GAN, MinimaxGAN
from .task_cost import TaskCostGAN
from .unrolled import UnrolledGAN
from .virtual_batch_norm import VirtualBatchNorm, WithReference
from .wasserstein import WGAN, WGANGP, SlopePenalty, gradient_norm_penalty

__all__ = [
    "DRAGAN",
    "EBGAN",
    "GAN",
    "GMAN",
    "R1",
    "R2",
    "WGAN",
    "WGANGP",
    "AdvGAN",
    "Autoencoder",
    "CalibratedGAN",
    "ConditionalGAN",
    "Conditioned",
    "FeatureMatchingGAN",
    "GMANStar",
    "HalfSquaredNorm",
    "HistoricalAveraging",
    "Jury",
    "LabelSmoothingGAN",
    "MinibatchDiscrimination",
    "MinimaxGAN",
    "NegativeEntropy",
    "ParticleGAN",
    "Particles",
    "Penalty",
    "Perturber",
    "Point",
    "Regulated",
    "SemiSupervisedGAN",
    "SlopePenalty",
    "TaskCostGAN",
    "UnrolledGAN",
    "VirtualBatchNorm",
    "WithReference",
    "critic_weights",
    "dirac_eigenvalues",
    "dirac_gan",
    "gradient_norm_penalty",
    "knn_entropy",
    "pulling_away",
    "r1_penalty",
]
