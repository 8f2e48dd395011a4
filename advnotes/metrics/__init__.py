"""What is measured: robust accuracy with its uncertainty, and how much of a distribution a generator covers."""

from advnotes.metrics.accuracy import Proportion, accuracy, robust_accuracy
from advnotes.metrics.coverage import Coverage, mode_coverage

__all__ = ["Coverage", "Proportion", "accuracy", "mode_coverage", "robust_accuracy"]
