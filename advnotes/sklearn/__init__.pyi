from .dann import DomainAdversarialClassifier
from .pivot import PivotClassifier
from .semi_supervised_gan import SemiSupervisedGANClassifier
from .sequence_clustering import SequenceClusterer
from .table_generator import TableGenerator
from .vat import VATClassifier

__all__ = [
    "DomainAdversarialClassifier",
    "PivotClassifier",
    "SemiSupervisedGANClassifier",
    "SequenceClusterer",
    "TableGenerator",
    "VATClassifier",
]
