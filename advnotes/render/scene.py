"""A solid before a background, drawn for each pose."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.render.solids import Solid

__all__ = ["POSE", "Scene", "rotation"]

#: The six numbers of a pose: rotation about the upright axis, tipping towards the camera, rotation in the picture,
#: all in degrees and applied in this order; the place of the centre in the picture, as shares of its width and height
#: from its middle; the distance from the camera, in the solid's own unit of length.
POSE = ("yaw", "pitch", "roll", "right", "down", "distance")


class Scene(nn.Module):
    r"""A solid before a background, as a picture for each pose.

    A pixel's ray :math:`d = (d_x, d_y, 1)` meets the plane of a face with centre :math:`c` and half-sides
    :math:`u, v` (turned and moved by the pose) at

    .. math::
        a = \frac{d \cdot (v \times c)}{d \cdot (u \times v)}, \qquad
        b = \frac{d \cdot (c \times u)}{d \cdot (u \times v)}

    where the texture is read, with bilinear interpolation. A face is lit by :math:`A + (1 - A)\max(0, n \cdot l)`
    (Lambert). Faces that look away are left out; what is left of a convex solid does not overlap, so that nothing need
    be sorted. The share of a pixel that a face covers is taken from the signed distances to its sides, in pixels, so
    that outlines are smooth and have gradients too (where three sides meet, a tenth of the background may come
    through). Textures are not filtered when they are drawn smaller.

    Args:
        solid: what to look at.
        background: the picture behind it, in [0, 1], which sets the size of what is rendered.
        view: the camera's vertical angle of view, in degrees.
        light: the direction towards the light, in the camera's coordinates; of any length.
        ambient: the share :math:`A` of the light that comes from everywhere.

    Raises:
        ValueError: where the channels of solid and background differ, or an argument is out of its range; when called,
            where poses are not ``[batch, 6]`` or the solid would touch the camera.
    """

    centre: Tensor
    right: Tensor
    down: Tensor
    texture: Tensor
    background: Tensor
    light: Tensor
    rays: Tensor

    def __init__(
        self,
        solid: Solid,
        background: Float[Tensor, "channels height width"],
        *,
        view: float = 30.0,
        light: tuple[float, float, float] = (-0.4, -0.8, -1.0),
        ambient: float = 0.5,
    ) -> None:
        super().__init__()
        if background.ndim != 3 or solid.texture.shape[1] != len(background):
            raise ValueError(
                "expected a background [channels, height, width] with as many channels as the textures, got "
                f"{tuple(background.shape)} and textures {tuple(solid.texture.shape)}"
            )
        if not 0 < view < 180 or not 0 <= ambient <= 1 or not any(light):
            raise ValueError(
                "expected a view in (0, 180) degrees, ambient in [0, 1] and a light that is not the zero vector, got "
                f"{view}, {ambient} and {light}"
            )
        height, width = background.shape[1:]
        self.reach = math.tan(math.radians(view) / 2)  # half the picture's height at distance 1
        self.aspect = width / height
        rows = torch.linspace(1 / height - 1, 1 - 1 / height, height, dtype=torch.float64) * self.reach
        columns = torch.linspace(1 / width - 1, 1 - 1 / width, width, dtype=torch.float64)
        columns = columns * self.reach * self.aspect
        down, right = torch.meshgrid(rows, columns, indexing="ij")
        rays = torch.stack([right, down, torch.ones_like(right)]).flatten(1).to(background)
        towards = F.normalize(background.new_tensor(light), dim=0)
        for name, value in (*solid._asdict().items(), ("background", background), ("light", towards)):
            self.register_buffer(name, value.detach())
        self.register_buffer("rays", rays)
        self.pixel = 2 * self.reach / height
        corners = solid.right.norm(dim=1) + solid.down.norm(dim=1) + solid.centre.norm(dim=1)
        self.radius = float(corners.max())
        self.ambient = ambient

    def forward(self, pose: Float[Tensor, "batch numbers"]) -> Float[Tensor, "batch channels height width"]:
        """A picture in [0, 1] for each pose; see :data:`POSE`."""
        if pose.ndim != 2 or pose.shape[1] != 6:
            raise ValueError(f"poses are [batch, 6] ({', '.join(POSE)}), got shape {tuple(pose.shape)}")
        if not bool((pose[:, 5] > self.radius).all()):
            raise ValueError(
                f"every distance must be larger than {self.radius:.3g}, from where the solid cannot touch the camera; "
                f"got {float(pose[:, 5].min()):.3g}"
            )
        centre, u, v = self._placed(pose)
        inward = torch.linalg.cross(u, v)
        facing = (inward * centre).sum(dim=2)
        # Only the faces that look at the camera, as many as any pose has of them.
        count = max(int((facing > 0).sum(dim=1).max()), 1)
        seen = facing.topk(count, dim=1).indices
        chosen = seen[..., None].expand(-1, -1, 3)
        centre, u, v, inward = (vectors.gather(1, chosen) for vectors in (centre, u, v, inward))

        depth = inward @ self.rays
        visible = (facing.gather(1, seen) > 0)[..., None] & (depth > 0)
        depth = torch.where(visible, depth, 1)
        a, across = self._along(torch.linalg.cross(v, centre), inward, depth)
        b, along = self._along(torch.linalg.cross(centre, u), inward, depth)
        cover = torch.where(visible, across * along, 0)

        batch, (_, height, width) = len(pose), self.background.shape
        grid = torch.stack([a, b], dim=-1).clamp(-2, 2).view(batch * count, height, width, 2)
        picture = F.grid_sample(
            self.texture[seen].flatten(0, 1), grid, padding_mode="border", align_corners=False
        ).view(batch, count, -1, height * width)
        normal = -F.normalize(inward, dim=2)
        shade = self.ambient + (1 - self.ambient) * (normal @ self.light).clamp_min(0)
        total = cover.sum(dim=1, keepdim=True)
        drawn = (cover[:, :, None] * shade[..., None, None] * picture).sum(dim=1) / total.clamp_min(1)
        behind = (1 - total).clamp_min(0) * self.background.flatten(1)
        return (drawn + behind).view(batch, -1, height, width)

    def _placed(
        self, pose: Float[Tensor, "batch 6"]
    ) -> tuple[
        Float[Tensor, "batch faces 3"], Float[Tensor, "batch faces 3"], Float[Tensor, "batch faces 3"]
    ]:
        """Centre and half-sides of every face in the camera's coordinates."""
        turn = rotation(pose[:, :3])
        right, down, distance = pose[:, 3:].unbind(dim=1)
        across = 2 * self.reach * distance
        place = torch.stack([across * self.aspect * right, across * down, distance], dim=1)
        centre, u, v = (vectors.to(pose) @ turn.mT for vectors in (self.centre, self.right, self.down))
        return centre + place[:, None], u, v

    def _along(
        self,
        above: Float[Tensor, "batch faces 3"],
        below: Float[Tensor, "batch faces 3"],
        depth: Float[Tensor, "batch faces pixels"],
    ) -> tuple[Float[Tensor, "batch faces pixels"], Float[Tensor, "batch faces pixels"]]:
        """One coordinate on the face for each pixel, and the share of the pixel between -1 and 1 along it."""
        place = (above @ self.rays) / depth
        # Its change from one pixel to the next: the quotient's gradient with respect to the ray.
        slope = above[..., :2, None] - place[:, :, None] * below[..., :2, None]
        pixels = depth / (self.pixel * slope.pow(2).sum(dim=2).clamp_min(1e-24).sqrt())
        left = (0.5 + (place + 1) * pixels).clamp(0, 1)
        return place, (left + (0.5 + (1 - place) * pixels).clamp(0, 1) - 1).clamp_min(0)


def rotation(degrees: Float[Tensor, "batch 3"]) -> Float[Tensor, "batch 3 3"]:
    """Roll after pitch after yaw, as matrices."""
    yaw, pitch, roll = (angle.deg2rad() for angle in degrees.unbind(dim=1))
    one, none = torch.ones_like(yaw), torch.zeros_like(yaw)

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, dim=1).view(-1, 3, 3)

    about_y = matrix(yaw.cos(), none, yaw.sin(), none, one, none, -yaw.sin(), none, yaw.cos())
    about_x = matrix(one, none, none, none, pitch.cos(), -pitch.sin(), none, pitch.sin(), pitch.cos())
    about_z = matrix(roll.cos(), -roll.sin(), none, roll.sin(), roll.cos(), none, none, none, one)
    return about_z @ about_x @ about_y
