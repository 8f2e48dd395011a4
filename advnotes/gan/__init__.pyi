from .advgan import AdvGAN, Perturber
from .conditional import ConditionalGAN, Conditioned
from .dirac import Point, dirac_eigenvalues, dirac_gan
from .dragan import DRAGAN
from .particles import ParticleGAN, Particles
from .r1 import R1GAN, R2GAN, r1_penalty
from .standard import GAN, MinimaxGAN
from .unrolled import UnrolledGAN
from .wasserstein import WGAN, WGANGP, gradient_norm_penalty

__all__ = [
    "DRAGAN",
    "GAN",
    "R1GAN",
    "R2GAN",
    "WGAN",
    "WGANGP",
    "AdvGAN",
    "ConditionalGAN",
    "Conditioned",
    "MinimaxGAN",
    "ParticleGAN",
    "Particles",
    "Perturber",
    "Point",
    "UnrolledGAN",
    "dirac_eigenvalues",
    "dirac_gan",
    "gradient_norm_penalty",
    "r1_penalty",
]
