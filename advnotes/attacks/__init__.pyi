from .apgd import APGD, TargetedAPGD
from .attack import Attack, Classification, Model, NormAttack
from .bpda import BPDA
from .eot import EOT
from .fab import FAB, TargetedFAB
from .fgsm import FGSM
from .only_add import OnlyAdd
from .pgd import BIM, PGD
from .square import Square
from .transfer import Transfer
from .universal import Universal

__all__ = [
    "APGD",
    "BIM",
    "BPDA",
    "EOT",
    "FAB",
    "FGSM",
    "PGD",
    "Attack",
    "Classification",
    "Model",
    "NormAttack",
    "OnlyAdd",
    "Square",
    "TargetedAPGD",
    "TargetedFAB",
    "Transfer",
    "Universal",
]
