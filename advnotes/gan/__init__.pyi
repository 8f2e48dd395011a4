from .r1 import R1GAN, r1_penalty
from .standard import GAN, MinimaxGAN

__all__ = ["GAN", "R1GAN", "MinimaxGAN", "r1_penalty"]
