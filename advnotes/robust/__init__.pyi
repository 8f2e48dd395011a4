from .adversarial import AdversarialTraining, Perturb

__all__ = ["AdversarialTraining", "Perturb"]
