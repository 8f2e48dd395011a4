from .adversarial import AdversarialTraining, Perturb
from .fictitious import FictitiousPlay
from .gradient_penalty import GradientPenalty, dual_norm

__all__ = ["AdversarialTraining", "FictitiousPlay", "GradientPenalty", "Perturb", "dual_norm"]
