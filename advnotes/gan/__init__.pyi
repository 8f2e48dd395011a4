from .advgan import AdvGAN, Perturber
from .calibrated_energy import CalibratedGAN, HalfSquaredNorm, NegativeEntropy, knn_entropy
from .conditional import ConditionalGAN, Conditioned
from .dirac import Point, dirac_eigenvalues, dirac_gan
from .dragan import DRAGAN
from .energy import EBGAN, Autoencoder, pulling_away
from .particles import ParticleGAN, Particles
from .penalty import Penalty
from .r1 import R1, R2, r1_penalty
from .standard import GAN, MinimaxGAN
from .unrolled import UnrolledGAN
from .wasserstein import WGAN, WGANGP, SlopePenalty, gradient_norm_penalty

__all__ = [
    "DRAGAN",
    "EBGAN",
    "GAN",
    "R1",
    "R2",
    "WGAN",
    "WGANGP",
    "AdvGAN",
    "Autoencoder",
    "CalibratedGAN",
    "ConditionalGAN",
    "Conditioned",
    "HalfSquaredNorm",
    "MinimaxGAN",
    "NegativeEntropy",
    "ParticleGAN",
    "Particles",
    "Penalty",
    "Perturber",
    "Point",
    "SlopePenalty",
    "UnrolledGAN",
    "dirac_eigenvalues",
    "dirac_gan",
    "gradient_norm_penalty",
    "knn_entropy",
    "pulling_away",
    "r1_penalty",
]
