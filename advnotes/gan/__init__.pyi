from .advgan import AdvGAN, Perturber
from .r1 import R1GAN, r1_penalty
from .standard import GAN, MinimaxGAN

__all__ = ["GAN", "R1GAN", "AdvGAN", "MinimaxGAN", "Perturber", "r1_penalty"]
