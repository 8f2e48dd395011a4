from .annealed_importance import LogPartition, log_partition
from .augmentation import DAGAN, Beside, pairs_of_a_class
from .bend import Bend, random_affine
from .boltzmann import DBM
from .columns import Categories, Modes
from .conditions import Conditions
from .contrastive_divergence import ContrastiveDivergence
from .coupled import CoupledGAN
from .couplings import AdditiveCoupling, AffineCoupling, Logit, Scaling
from .ctgan import CTGAN, Layout, RowGenerator, row_critic
from .diffusion import DDPM, linear_betas
from .diffusion_bound import diffusion_bound
from .flow import Flow, dequantise
from .frames import Encoder
from .generative_stochastic_network import GSN
from .inference import BiGAN, GaussianEncoder, PairDiscriminator
from .likelihoods import BernoulliPixels, GaussianPixels
from .modulation import AdaIN, ModulatedConv, NoiseInput
from .pixel_cnn import CausalNetwork, MaskedConv2d, PixelCNN
from .student import AdversarialStudent, Student
from .style import Mapping, StyleGenerator, mix_styles, truncate
from .super_resolution import SRGAN
from .synthesis import StyleLayer, Synthesis
from .tied import Tied, tie
from .upscaling import SRResNet, enlarge, shrink
from .vae import VAE, kl_from_prior
from .voice import HiFiGAN
from .voice_networks import PeriodCritic, PhaseShuffle, ScaleCritic, SoundCritic, Vocoder

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
