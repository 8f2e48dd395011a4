"""What is measured: robust accuracy, a generator's coverage and fidelity, the domains' distance, and what is found."""

from advnotes.metrics.a_distance import proxy_a_distance
from advnotes.metrics.accuracy import Proportion, accuracy, robust_accuracy
from advnotes.metrics.classifier_score import ClassifierScore, classifier_score
from advnotes.metrics.coverage import Coverage, effective_modes, mode_coverage
from advnotes.metrics.density_coverage import DensityCoverage, density_coverage
from advnotes.metrics.fidelity import PrecisionRecall, frechet_distance, frechet_gaussians, precision_recall
from advnotes.metrics.fooling import fooling_rate
from advnotes.metrics.frechet_limit import FrechetLimit, frechet_limit
from advnotes.metrics.kernel import KernelDistance, kernel_distance
from advnotes.metrics.likeness import psnr, ssim
from advnotes.metrics.nearest import NearestRecords, nearest_records
from advnotes.metrics.path_length import path_length, slerp
from advnotes.metrics.retrieval import mean_average_precision

__all__ = [
    "ClassifierScore",
    "Coverage",
    "DensityCoverage",
    "FrechetLimit",
    "KernelDistance",
    "NearestRecords",
    "PrecisionRecall",
    "Proportion",
    "accuracy",
    "classifier_score",
    "density_coverage",
    "effective_modes",
    "fooling_rate",
    "frechet_distance",
    "frechet_gaussians",
    "frechet_limit",
    "kernel_distance",
    "mean_average_precision",
    "mode_coverage",
    "nearest_records",
    "path_length",
    "precision_recall",
    "proxy_a_distance",
    "psnr",
    "robust_accuracy",
    "slerp",
    "ssim",
]
