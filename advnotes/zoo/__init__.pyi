from .diffusion import DiffusionRecipe, DigitDenoiser, mnist_diffusion, train_diffusion
from .digits import mnist_features, mnist_judge, mnist_natural, mnist_robust
from .portraits import (
    PortraitRecipe,
    play_portraits,
    portrait_generator,
    portrait_styles,
    style_generator,
    train_portraits,
)
from .trained import Trained

__all__ = [
    "DiffusionRecipe",
    "DigitDenoiser",
    "PortraitRecipe",
    "Trained",
    "mnist_diffusion",
    "mnist_features",
    "mnist_judge",
    "mnist_natural",
    "mnist_robust",
    "play_portraits",
    "portrait_generator",
    "portrait_styles",
    "style_generator",
    "train_diffusion",
    "train_portraits",
]
