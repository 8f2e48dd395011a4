from .advgan import AdvGAN, Perturber
from .conditional import ConditionalGAN, Conditioned
from .dirac import Point, dirac_eigenvalues, dirac_gan
from .dragan import DRAGAN
from .particles import ParticleGAN, Particles
from .penalty import Penalty
from .r1 import R1, R2, r1_penalty
from .standard import GAN, MinimaxGAN
from .unrolled import UnrolledGAN
from .wasserstein import WGAN, WGANGP, SlopePenalty, gradient_norm_penalty

__all__ = [
    "DRAGAN",
    "GAN",
    "R1",
    "R2",
    "WGAN",
    "WGANGP",
    "AdvGAN",
    "ConditionalGAN",
    "Conditioned",
    "MinimaxGAN",
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
    "r1_penalty",
]
