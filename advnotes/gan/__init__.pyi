from .advgan import AdvGAN, Perturber
from .calibrated_energy import CalibratedGAN, HalfSquaredNorm, NegativeEntropy, knn_entropy
from .conditional import ConditionalGAN, Conditioned
from .dirac import Point, dirac_eigenvalues, dirac_gan
from .divergences import Alpha, Divergence, JensenShannon, NonSaturating
from .dragan import DRAGAN
from .energy import EBGAN, Autoencoder, pulling_away
from .f_gan import FGAN
from .feature_matching import FeatureMatchingGAN
from .hinge import HingeGAN
from .historical_averaging import HistoricalAveraging
from .jury import Jury, Regulated, critic_weights
from .label_smoothing import LabelSmoothingGAN
from .least_squares import LSGAN
from .many_critics import GMAN, GMANStar
from .minibatch_discrimination import MinibatchDiscrimination
from .particles import ParticleGAN, Particles
from .penalty import Penalty
from .r1 import R1, R2, r1_penalty
from .relativistic import RelativisticGAN
from .semi_supervised import SemiSupervisedGAN
from .standard import GAN, MinimaxGAN
from .task_cost import TaskCostGAN
from .unrolled import UnrolledGAN
from .virtual_batch_norm import VirtualBatchNorm, WithReference
from .wasserstein import WGAN, WGANGP, SlopePenalty, gradient_norm_penalty

__all__ = [
    "DRAGAN",
    "EBGAN",
    "FGAN",
    "GAN",
    "GMAN",
    "LSGAN",
    "R1",
    "R2",
    "WGAN",
    "WGANGP",
    "AdvGAN",
    "Alpha",
    "Autoencoder",
    "CalibratedGAN",
    "ConditionalGAN",
    "Conditioned",
    "Divergence",
    "FeatureMatchingGAN",
    "GMANStar",
    "HalfSquaredNorm",
    "HingeGAN",
    "HistoricalAveraging",
    "JensenShannon",
    "Jury",
    "LabelSmoothingGAN",
    "MinibatchDiscrimination",
    "MinimaxGAN",
    "NegativeEntropy",
    "NonSaturating",
    "ParticleGAN",
    "Particles",
    "Penalty",
    "Perturber",
    "Point",
    "Regulated",
    "RelativisticGAN",
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
