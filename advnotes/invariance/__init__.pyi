from .cross_modal import CrossModal
from .dann import DANN, AlternatingDANN
from .density import CategoricalDensity, ChainDensity, MixtureDensity
from .fresh import Recovered, fresh_adversary
from .gradient_reversal import GradientReversal, growing_strength, reverse_gradient
from .pivot import Pivot

__all__ = [
    "DANN",
    "AlternatingDANN",
    "CategoricalDensity",
    "ChainDensity",
    "CrossModal",
    "GradientReversal",
    "MixtureDensity",
    "Pivot",
    "Recovered",
    "fresh_adversary",
    "growing_strength",
    "reverse_gradient",
]
