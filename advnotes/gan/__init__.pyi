from .advgan import AdvGAN, Perturber
from .dirac import Point, dirac_eigenvalues, dirac_gan
from .dragan import DRAGAN
from .particles import ParticleGAN, Particles
from .r1 import R1GAN, R2GAN, r1_penalty
from .standard import GAN, MinimaxGAN
from .unrolled import UnrolledGAN
from .wasserstein import WGAN, WGANGP, slope_penalty

__all__ = [
    "DRAGAN",
    "GAN",
    "R1GAN",
    "R2GAN",
    "WGAN",
    "WGANGP",
    "AdvGAN",
    "MinimaxGAN",
    "ParticleGAN",
    "Particles",
    "Perturber",
    "Point",
    "UnrolledGAN",
    "dirac_eigenvalues",
    "dirac_gan",
    "r1_penalty",
    "slope_penalty",
]
