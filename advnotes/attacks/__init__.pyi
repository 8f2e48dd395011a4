from .adversarial_set import AdversarialSet, attack_all
from .apgd import APGD, TargetedAPGD
from .attack import Attack, Model, NormAttack
from .autoattack import AutoAttack
from .black_boxes import BlackBox, black_box
from .bpda import BPDA
from .carlini_wagner import CarliniWagner
from .deepfool import DeepFool
from .eot import EOT
from .evading import Evading
from .fab import FAB, TargetedFAB
from .fgsm import FGSM
from .hopskipjump import HopSkipJump
from .mifgsm import MIFGSM
from .objective import Classification
from .only_add import OnlyAdd
from .parts.decisions import NoStartWarning
from .patch import Patch
from .pgd import BIM, PGD
from .pose import AffineAttack, GridPose, Pose, RandomPose
from .quantized import Quantized
from .square import Square
from .targets import least_likely, random_targets
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
    "AdversarialSet",
    "AffineAttack",
    "Attack",
    "AutoAttack",
    "BlackBox",
    "CarliniWagner",
    "Classification",
    "DeepFool",
    "Evading",
    "GridPose",
    "HopSkipJump",
    "Model",
    "NoStartWarning",
    "NormAttack",
    "OnlyAdd",
    "Patch",
    "Pose",
    "Quantized",
    "RandomPose",
    "Square",
    "TargetedAPGD",
    "TargetedFAB",
    "Transfer",
    "Universal",
    "attack_all",
    "black_box",
    "least_likely",
    "random_targets",
]
