from .attack import Attack, Classification, Model, NormAttack
from .fgsm import FGSM
from .pgd import BIM, PGD

__all__ = ["BIM", "FGSM", "PGD", "Attack", "Classification", "Model", "NormAttack"]
