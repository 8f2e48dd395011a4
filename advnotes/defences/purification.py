"""Purification: a diffusion model cleans the input before a classifier sees it (Nie et al. 2022, "DiffPure")."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_bounds, check_count, check_floating, check_model
from advnotes.generators.diffusion import DDPM
from advnotes.model_state import Model
from advnotes.threats import Bounds

__all__ = ["DenoiseOnce", "DiffPure", "Purified"]


class DenoiseOnce(nn.Module):
    r"""The diffusion model's guess at the clean input, in one pass and without chance.

    With :math:`t` the step ``start`` and the input :math:`x` spread over [-1, 1]:

    .. math:: \hat x = \hat x_0(\sqrt{\bar\alpha_t}\, x, t)

    This is a denoising autoencoder for noise of the size :attr:`sigma`, by the diffusion model of Ho, Jain and Abbeel
    2020. It takes the input to be noisy already.

    Args:
        diffusion: a model of the clean inputs, trained on samples in [-1, 1].
        start: how noisy the input is said to be, from 1 to all of the model's steps.
        bounds: the range of the input, to which what comes out is clipped.

    Raises:
        ValueError: where ``diffusion`` is none, or ``start`` or ``bounds`` is not as said; when called, where inputs
            are not floating point, or not of the diffusion model's shape.
    """

    def __init__(self, diffusion: DDPM, start: int, bounds: Bounds = (0.0, 1.0)) -> None:
        super().__init__()
        if not isinstance(diffusion, DDPM):
            raise ValueError(
                f"diffusion must be an advnotes.generators.DDPM, got {type(diffusion).__name__}: its network alone "
                "does not know its steps"
            )
        if check_count("start", start) > diffusion.steps:
            raise ValueError(
                f"start must be at most the diffusion model's {diffusion.steps} steps, got {start}"
            )
        self.diffusion, self.start, self.bounds = diffusion, start, check_bounds(bounds)

    @property
    def sigma(self) -> float:
        r"""The noise at ``start`` beside the input: :math:`\sqrt{1/\bar\alpha_t - 1}`, times half the range."""
        lowest, highest = self.bounds
        return float((1 / self.diffusion.signal[self.start - 1].double() - 1).sqrt()) * (highest - lowest) / 2

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The guess, within ``bounds``."""
        step = self.start - 1
        return self.gather(self.clean_of(self.diffusion.signal[step].sqrt() * self.spread(x), step))

    def spread(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """From ``bounds`` to [-1, 1]."""
        check_floating(x, self.bounds)
        self.diffusion.check_shape(x)
        lowest, highest = self.bounds
        return (x - lowest) * (2 / (highest - lowest)) - 1

    def gather(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """From [-1, 1] to ``bounds``, clipped."""
        lowest, highest = self.bounds
        return (lowest + (x + 1) * ((highest - lowest) / 2)).clamp(lowest, highest)

    def clean_of(self, x_t: Float[Tensor, "batch ..."], step: int) -> Float[Tensor, "batch ..."]:
        r""":math:`\hat x_0`, at the same step for all."""
        return self.diffusion.clean_of(x_t, torch.full((len(x_t),), step, device=x_t.device))


class DiffPure(DenoiseOnce):
    r"""Drown the input in noise, then let the diffusion model walk back; section 3.2 of the paper.

    With the steps :math:`t_1 = ` ``start`` :math:`> \dots > t_k = 1` of a :class:`~advnotes.generators.DDPM` and the
    input :math:`x` spread over [-1, 1]:

    .. math::
        x_{t_1} &= \sqrt{\bar\alpha_{t_1}}\, x + \sqrt{1 - \bar\alpha_{t_1}}\, \varepsilon, \qquad
            \varepsilon \sim N(0, 1) \\
        x_{t_{i+1}} &\sim q\bigl(x_{t_{i+1}} \mid x_{t_i}, \hat x_0(x_{t_i}, t_i)\bigr), \qquad
            \hat x = \hat x_0(x_{t_k}, t_k)

    The noise is from torch's own generator, as dropout's is, and new at each call. All of it has a gradient.

    Args:
        diffusion: a model of the clean inputs, trained on samples in [-1, 1].
        start: for how many of its steps the input is noised, from 1 to all.
        passes: of the diffusion model, evenly spaced on the way back, from 1 to ``start``; None: as many as that.
        bounds: the range of the input, to which what comes out is clipped.

    Raises:
        ValueError: where ``diffusion`` is none, or ``start``, ``passes`` or ``bounds`` is not as said; when called,
            where inputs are not floating point, or not of the diffusion model's shape.

    Differs from the paper: steps of a DDPM where it solves a stochastic differential equation; with fewer ``passes``
    some are left out, and what comes out is clipped.
    """

    def __init__(
        self, diffusion: DDPM, start: int, passes: int | None = None, bounds: Bounds = (0.0, 1.0)
    ) -> None:
        super().__init__(diffusion, start, bounds)
        self.passes = start if passes is None else check_count("passes", passes)
        if self.passes > start:
            raise ValueError(
                f"passes must be at most start, {start}, got {passes}: each leads a step back at least"
            )

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The purified inputs, within ``bounds``."""
        stops = torch.linspace(self.start - 1, 0, self.passes).round().long().tolist()
        signal = self.diffusion.signal[stops]  # of each step on the way
        x = self.spread(x)
        x_t = signal[0].sqrt() * x + (1 - signal[0]).sqrt() * torch.randn_like(x)
        for step, here, there in zip(stops, signal, signal[1:], strict=False):
            kept = here / there  # of the signal, in all the steps between the two
            mean = (
                there.sqrt() * (1 - kept) * self.clean_of(x_t, step) + kept.sqrt() * (1 - there) * x_t
            ) / (1 - here)
            x_t = mean + ((1 - kept) * (1 - there) / (1 - here)).sqrt() * torch.randn_like(x)
        return self.gather(self.clean_of(x_t, stops[-1]))


class Purified(nn.Module):
    r"""A classifier that sees what a purifier makes of its input: :math:`f(g(x))`.

    Args:
        classifier: maps inputs to logits ``[batch, classes]``.
        purifier: maps inputs to inputs, such as :class:`DiffPure`; any callable, also one that leaves torch.

    Raises:
        ValueError: where one of the two is not callable; when called, where the purifier changes the shape.
    """

    def __init__(self, classifier: Model, purifier: Model) -> None:
        super().__init__()
        check_model(classifier)
        check_model(purifier)
        self.classifier, self.purifier = classifier, purifier

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """The logits."""
        clean = call_model(self.purifier, x)
        if clean.shape != x.shape:
            raise ValueError(
                f"the purifier must give inputs of the same shape, {tuple(x.shape)}, got {tuple(clean.shape)}"
            )
        return call_model(self.classifier, clean)
