"""Games against attacks: a model that is trained on what an adversary makes of its inputs."""

from advnotes.robust.adversarial import AdversarialTraining

__all__ = ["AdversarialTraining"]
