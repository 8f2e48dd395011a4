from .attack import Attack, Classification, Model, NormAttack
from .fgsm import FGSM
from .only_add import OnlyAdd
from .pgd import BIM, PGD
from .square import Square

__all__ = ["BIM", "FGSM", "PGD", "Attack", "Classification", "Model", "NormAttack", "OnlyAdd", "Square"]
