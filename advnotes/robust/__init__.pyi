from .adversarial import AdversarialTraining, Perturb
from .fast import CatastrophicOverfittingWarning, FastAdversarialTraining, OverfittingWatch
from .fictitious import FictitiousPlay
from .free import FreeAdversarialTraining, Replay
from .gradient_penalty import GradientPenalty
from .mixed_batch import MixedBatchTraining
from .several_threats import SeveralThreats
from .smoothness import VirtualAdversary, virtual_adversarial_loss, virtual_adversary
from .trades import TRADES
from .vat import VAT

__all__ = [
    "TRADES",
    "VAT",
    "AdversarialTraining",
    "CatastrophicOverfittingWarning",
    "FastAdversarialTraining",
    "FictitiousPlay",
    "FreeAdversarialTraining",
    "GradientPenalty",
    "MixedBatchTraining",
    "OverfittingWatch",
    "Perturb",
    "Replay",
    "SeveralThreats",
    "VirtualAdversary",
    "virtual_adversarial_loss",
    "virtual_adversary",
]
