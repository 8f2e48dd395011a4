"""Changing pictures without changing what they show: by bends that are learnt, and by random poses."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.attacks.pose import moved
from advnotes.checks import call_model, check_count, check_number
from advnotes.nets import mlp

__all__ = ["Bend", "random_affine"]

FAINTEST = 1e-4  # a power of 0 has no slope there


class Bend(nn.Module):
    r"""A generator for :class:`~advnotes.generators.DAGAN` that bends the picture it is given, and sets its ink.

    .. math::
        G(z, x)(q) = x\bigl(q + r\,u_z(q)\bigr)^{e^{a_z}}

    where :math:`u_z` is a smooth field: the latent vector says, within [-1, 1], where the knots of a coarse grid go,
    and between them the field is bicubic. The exponent, between 1/e and e, makes pale pixels darker or brighter, so
    that strokes look thinner or thicker. Nothing but the latent vector decides which way a picture is bent, so that a
    class that was not in the training is bent as the others are.

    Args:
        shape: rows and columns of the pictures.
        latent_size: coordinates of the latent vector.
        knots: rows and columns of the coarse grid, at least 2.
        reach: the farthest :math:`r` that a pixel is fetched from at a knot, in halves of the picture's side.
        width: units in each of the two hidden layers.

    Raises:
        ValueError: where a number is out of range; when called, where the pictures have another shape or precision, or
            there are not as many of them as latent vectors.

    Source: this book's. Hauberg et al. 2016 (Dreaming more data) learn such bends, of each class, without a GAN.
    """

    field: Tensor
    identity: Tensor

    def __init__(
        self,
        shape: tuple[int, int],
        latent_size: int = 16,
        *,
        knots: int = 4,
        reach: float = 0.3,
        width: int = 128,
    ) -> None:
        super().__init__()
        rows, columns = (check_count("shape", side) for side in shape)
        count = check_count("knots", knots, least=2) ** 2
        self.shape, self.reach = (rows, columns), check_number("reach", reach, least=0.0)
        latent_size, width = check_count("latent_size", latent_size), check_count("width", width)
        self.network = mlp(latent_size, width, width, 2 * count + 1)
        bumps = torch.eye(count).view(count, 1, knots, knots)  # what each knot does to the field
        grown = F.interpolate(bumps, size=self.shape, mode="bicubic", align_corners=True)
        self.register_buffer("field", grown.flatten(1), persistent=False)
        here = F.affine_grid(torch.eye(2, 3)[None], [1, 1, rows, columns], align_corners=False)
        self.register_buffer("identity", here, persistent=False)

    def forward(
        self, z: Float[Tensor, "batch latent"], x: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """The pictures, each bent as its latent vector says."""
        if x.ndim != 4 or x.shape[2:] != self.shape or len(x) != len(z):
            raise ValueError(
                f"expected {len(z)} pictures of {self.shape[0]}x{self.shape[1]} pixels, got the shape {tuple(x.shape)}"
            )
        if x.dtype != self.identity.dtype:
            raise ValueError(
                f"the pictures are {x.dtype}, the network {self.identity.dtype}: x.to({self.identity.dtype})"
            )
        told = call_model(self.network, z).tanh()
        field = (told[:, :-1].unflatten(1, (2, len(self.field))) @ self.field).view(len(z), 2, *self.shape)
        bent = F.grid_sample(x, self.identity + self.reach * field.permute(0, 2, 3, 1), align_corners=False)
        return bent.clamp_min(FAINTEST) ** told[:, -1].exp().view(-1, 1, 1, 1)


def random_affine(
    x: Float[Tensor, "batch channels height width"],
    generator: torch.Generator | None = None,
    *,
    rotation: float = 15.0,
    translation: float = 0.07,
    scale: float = 1.15,
    background: float = 0.0,
) -> Float[Tensor, "batch channels height width"]:
    """Each picture turned, shifted and scaled at random, uniformly: the augmentation that needs no training.

    Args:
        x: pictures.
        generator: what draws the poses; None: the global one.
        rotation: the largest angle either way, in degrees.
        translation: the largest shift in each direction, as a share of the picture's width and height.
        scale: the largest factor, at least 1; its inverse is the smallest, uniform in the logarithm.
        background: the value of what comes in from outside.

    Raises:
        ValueError: where the inputs are no pictures, or a range is out of bounds.
    """
    if x.ndim != 4:
        raise ValueError(f"expected pictures [batch, channels, height, width], got shape {tuple(x.shape)}")
    turn = check_number("rotation", rotation, least=0.0)
    shift = check_number("translation", translation, least=0.0)
    grow = math.log(check_number("scale", scale, least=1.0))
    if len(x) == 0:
        return x
    where = x.device if generator is None else generator.device
    u = 2 * torch.rand(len(x), 4, generator=generator, device=where).to(x) - 1
    reach = u * torch.tensor([turn, shift, shift, grow], device=x.device, dtype=x.dtype)
    return moved(x, torch.cat([reach[:, :3], reach[:, 3:].exp()], dim=1), background)
