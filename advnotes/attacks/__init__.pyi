from .apgd import APGD, TargetedAPGD
from .attack import Attack, Model, NormAttack
from .autoattack import AutoAttack
from .bpda import BPDA
from .carlini_wagner import CarliniWagner
from .deepfool import DeepFool
from .eot import EOT
from .fab import FAB, TargetedFAB
from .fgsm import FGSM
from .mifgsm import MIFGSM
from .objective import Classification
from .only_add import OnlyAdd
from .patch import Patch
from .pgd import BIM, PGD
from .pose import GridPose, PlanePose, Pose, RandomPose
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
    "MIFGSM",
    "PGD",
    "Attack",
    "AutoAttack",
    "CarliniWagner",
    "Classification",
    "DeepFool",
    "GridPose",
    "Model",
    "NormAttack",
    "OnlyAdd",
    "Patch",
    "PlanePose",
    "Pose",
    "RandomPose",
    "Square",
    "TargetedAPGD",
    "TargetedFAB",
    "Transfer",
    "Universal",
]
