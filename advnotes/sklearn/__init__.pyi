from .dann import DomainAdversarialClassifier
from .pivot import PivotClassifier
from .vat import VATClassifier

__all__ = ["DomainAdversarialClassifier", "PivotClassifier", "VATClassifier"]
