"""The steps of a network whose outputs can be bounded: affine ones, rectifiers, and maxima over windows."""

from advnotes.defences.parts.steps.functions import Average, Constant, Reshape, Scale, Shift, Sum
from advnotes.defences.parts.steps.layers import BatchNorm, Convolution, Dense
from advnotes.defences.parts.steps.step import Affine, Corner, Maximum, Rectifier, Step

__all__ = [
    "Affine", "Average", "BatchNorm", "Constant", "Convolution", "Corner", "Dense", "Maximum", "Rectifier", "Reshape",
    "Scale", "Shift", "Step", "Sum",
]  # fmt: skip
