"""Generative adversarial networks: one file a paper."""

from advnotes.gan.r1 import R1GAN, r1_penalty
from advnotes.gan.standard import GAN, MinimaxGAN

__all__ = ["GAN", "R1GAN", "MinimaxGAN", "r1_penalty"]
