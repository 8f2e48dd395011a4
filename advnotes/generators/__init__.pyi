from .augmentation import DAGAN, Beside, pairs_of_a_class
from .boltzmann import DBM
from .columns import Categories, Modes
from .conditions import Conditions
from .contrastive_divergence import ContrastiveDivergence
from .coupled import CoupledGAN
from .ctgan import CTGAN
from .diffusion import DDPM, linear_betas
from .flow import Flow, dequantise
from .frames import Encoder
from .generative_stochastic_network import GSN
from .inference import BiGAN, GaussianEncoder, PairDiscriminator
from .parts.annealed_importance import LogPartition, log_partition
from .parts.bend import Bend, random_affine
from .parts.couplings import AdditiveCoupling, AffineCoupling, Logit, Scaling
from .parts.diffusion_bound import diffusion_bound
from .parts.likelihoods import BernoulliPixels, GaussianPixels
from .parts.modulation import AdaIN, ModulatedConv, NoiseInput
from .parts.synthesis import StyleLayer, Synthesis
from .parts.tied import Tied, tie
from .parts.upscaling import SRResNet, enlarge, shrink
from .parts.voice_networks import PeriodCritic, PhaseShuffle, ScaleCritic, SoundCritic, Vocoder
from .pixel_cnn import CausalNetwork, MaskedConv2d, PixelCNN
from .student import AdversarialStudent, Student
from .style import Mapping, StyleGenerator, mix_styles, truncate
from .super_resolution import SRGAN
from .table_networks import Layout, RowGenerator, row_critic
from .vae import VAE, kl_from_prior
from .voice import HiFiGAN

__all__ = [
    "CTGAN",
    "DAGAN",
    "DBM",
    "DDPM",
    "GSN",
    "SRGAN",
    "VAE",
    "AdaIN",
    "AdditiveCoupling",
    "AdversarialStudent",
    "AffineCoupling",
    "Bend",
    "BernoulliPixels",
    "Beside",
    "BiGAN",
    "Categories",
    "CausalNetwork",
    "Conditions",
    "ContrastiveDivergence",
    "CoupledGAN",
    "Encoder",
    "Flow",
    "GaussianEncoder",
    "GaussianPixels",
    "HiFiGAN",
    "Layout",
    "LogPartition",
    "Logit",
    "Mapping",
    "MaskedConv2d",
    "Modes",
    "ModulatedConv",
    "NoiseInput",
    "PairDiscriminator",
    "PeriodCritic",
    "PhaseShuffle",
    "PixelCNN",
    "RowGenerator",
    "SRResNet",
    "ScaleCritic",
    "Scaling",
    "SoundCritic",
    "Student",
    "StyleGenerator",
    "StyleLayer",
    "Synthesis",
    "Tied",
    "Vocoder",
    "dequantise",
    "diffusion_bound",
    "enlarge",
    "kl_from_prior",
    "linear_betas",
    "log_partition",
    "mix_styles",
    "pairs_of_a_class",
    "random_affine",
    "row_critic",
    "shrink",
    "tie",
    "truncate",
]
