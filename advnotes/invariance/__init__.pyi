from .density import CategoricalDensity, ChainDensity, MixtureDensity
from .fresh import Recovered, fresh_adversary
from .pivot import Pivot

__all__ = ["CategoricalDensity", "ChainDensity", "MixtureDensity", "Pivot", "Recovered", "fresh_adversary"]
