"""The small named networks that chapters use. Inputs are in their natural range; normalisation is a layer."""

from advnotes.nets.digits import digit_discriminator, digit_generator, madry_cnn, small_cnn
from advnotes.nets.layers import Normalize, TwoLogits, mlp
from advnotes.nets.logits import check_logit_network, input_gradients, one_logit
from advnotes.nets.pictures import Projection, conv_discriminator, conv_features, conv_generator

__all__ = [
    "Normalize",
    "Projection",
    "TwoLogits",
    "check_logit_network",
    "conv_discriminator",
    "conv_features",
    "conv_generator",
    "digit_discriminator",
    "digit_generator",
    "input_gradients",
    "madry_cnn",
    "mlp",
    "one_logit",
    "small_cnn",
]
