"""What is measured: robust accuracy and fooling rates, with their uncertainty, and a generator's coverage."""

from advnotes.metrics.accuracy import Proportion, accuracy, robust_accuracy
from advnotes.metrics.coverage import Coverage, mode_coverage
from advnotes.metrics.fooling import fooling_rate

__all__ = ["Coverage", "Proportion", "accuracy", "fooling_rate", "mode_coverage", "robust_accuracy"]
