from .apgd import APGD, TargetedAPGD
from .attack import Attack, Classification, Model, NormAttack
from .bpda import BPDA
from .eot import EOT
from .fgsm import FGSM
from .only_add import OnlyAdd
from .pgd import BIM, PGD
from .square import Square
from .transfer import Transfer

__all__ = [
    "APGD",
    "BIM",
    "BPDA",
    "EOT",
    "FGSM",
    "PGD",
    "Attack",
    "Classification",
    "Model",
    "NormAttack",
    "OnlyAdd",
    "Square",
    "TargetedAPGD",
    "Transfer",
]
