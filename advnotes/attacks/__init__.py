"""Attacks on inputs: one file a method, each called as ``attack(model, x, y)``."""

from advnotes.attacks.attack import Attack, Model
from advnotes.attacks.fgsm import FGSM
from advnotes.attacks.pgd import BIM, PGD

__all__ = ["BIM", "FGSM", "PGD", "Attack", "Model"]
