from . import (
    data,
    decisions,
    defences,
    gan,
    generators,
    invariance,
    messages,
    metrics,
    nets,
    plots,
    robust,
    zoo,
)
from .attacks import APGD, BIM, FGSM, PGD, Attack, AutoAttack, NormAttack, Square, Universal
from .citations import cite
from .claims import Claims, at_least, at_most, between
from .evaluation import Report, evaluate
from .game import Game
from .gan import GAN, R1, MinimaxGAN
from .gradients import MaskedGradientWarning
from .invariance import DANN, Pivot, fresh_adversary
from .loop import History, NonFiniteLoss, StopPlaying, load, play
from .losses import cross_entropy, dlr, margin, margin_loss
from .metrics import accuracy, fooling_rate, mode_coverage, robust_accuracy
from .model_state import NonFiniteLogitsWarning
from .notebook import tell
from .robust import TRADES, VAT, AdversarialTraining, FastAdversarialTraining
from .seeds import seed_all, start
from .threats import L1, L2, Linf, Threat

__all__ = [
    "APGD",
    "BIM",
    "DANN",
    "FGSM",
    "GAN",
    "L1",
    "L2",
    "PGD",
    "R1",
    "TRADES",
    "VAT",
    "AdversarialTraining",
    "Attack",
    "AutoAttack",
    "Claims",
    "FastAdversarialTraining",
    "Game",
    "History",
    "Linf",
    "MaskedGradientWarning",
    "MinimaxGAN",
    "NonFiniteLogitsWarning",
    "NonFiniteLoss",
    "NormAttack",
    "Pivot",
    "Report",
    "Square",
    "StopPlaying",
    "Threat",
    "Universal",
    "accuracy",
    "at_least",
    "at_most",
    "between",
    "cite",
    "cross_entropy",
    "data",
    "decisions",
    "defences",
    "dlr",
    "evaluate",
    "fooling_rate",
    "fresh_adversary",
    "gan",
    "generators",
    "invariance",
    "load",
    "margin",
    "margin_loss",
    "messages",
    "metrics",
    "mode_coverage",
    "nets",
    "play",
    "plots",
    "robust",
    "robust_accuracy",
    "seed_all",
    "start",
    "tell",
    "zoo",
]
