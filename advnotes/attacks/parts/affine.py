"""Turning, shifting and scaling pictures in the plane, and the search over such poses."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from advnotes.attacks.objective import Classification

__all__ = ["PoseObjective", "moved"]


def moved(
    x: Float[Tensor, "batch channels height width"], pose: Float[Tensor, "batch 4"], background: float = 0.0
) -> Float[Tensor, "batch channels height width"]:
    r"""Each picture turned, scaled and shifted about its middle, with bilinear interpolation; differentiable.

    What stands at the place :math:`q`, in pixels from the middle, goes to :math:`p = s R_\alpha q + t`.

    Args:
        x: pictures.
        pose: for each the angle (degrees, clockwise), the shift to the right and down (shares of width and height)
            and the factor :math:`s`; (0, 0, 0, 1) leaves a picture as it is.
        background: what comes in from outside.
    """
    height, width = x.shape[2:]
    angle, right, down, factor = pose.to(x).unbind(dim=1)
    cos, sin = angle.deg2rad().cos() / factor, angle.deg2rad().sin() / factor
    # The way back, from the picture's place to the source's, both in halves of width and height.
    back = torch.stack([cos, sin * height / width, -sin * width / height, cos], dim=1).view(-1, 2, 2)
    shift = -2 * back @ torch.stack([right, down], dim=1)[..., None]
    grid = F.affine_grid(torch.cat([back, shift], dim=2), list(x.shape), align_corners=False)
    return F.grid_sample(x - background, grid, align_corners=False) + background


class PoseObjective:
    """The adversary's aim as a function of the pose, an objective for :func:`~advnotes.ascend.ascend`.

    A point of the cube [-1, 1]^4 is a pose in the unit of the limits; the factor is on a logarithmic scale.
    """

    def __init__(
        self, aim: Classification, x: Tensor, limits: Float[Tensor, "batch 4"], background: float
    ) -> None:
        self.aim, self.x, self.limits, self.background = aim, x, limits, background

    def pose(self, point: Float[Tensor, "batch 4"]) -> Float[Tensor, "batch 4"]:
        """The pose, as in :func:`moved`, that a point stands for."""
        reach = point * self.limits
        return torch.cat([reach[:, :3], reach[:, 3:].exp()], dim=1)

    def picture(self, point: Float[Tensor, "batch 4"]) -> Float[Tensor, "batch channels height width"]:
        """The picture in the pose that a point stands for."""
        return moved(self.x, self.pose(point), self.background)

    def __call__(self, point: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of each sample in its pose, and whether the adversary has reached its aim."""
        return self.aim(self.picture(point))

    def rows(self, rows: Tensor) -> "PoseObjective":
        """The aim for some of the samples."""
        return PoseObjective(self.aim.rows(rows), self.x[rows], self.limits[rows], self.background)
