from .adversarial import AdversarialTraining, Perturb
from .fictitious import FictitiousPlay

__all__ = ["AdversarialTraining", "FictitiousPlay", "Perturb"]
