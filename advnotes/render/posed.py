"""A classifier of pictures, as one of poses."""

from jaxtyping import Float
from torch import Tensor, nn

from advnotes.render.scene import POSE, Scene

__all__ = ["Posed"]


class Posed(nn.Module):
    """A classifier of poses: the renderer as a first layer. Its input is a pose in the unit of its range.

    -1 is the lowest and 1 the highest value of each of the six, so that the space of poses is a cube, and
    ``PGD(Linf(1.0), bounds=(-1.0, 1.0))`` from its middle is a gradient search of all of it.

    Args:
        scene: what turns a pose into a picture.
        model: maps pictures to logits.
        low, high: the range of each number of the pose; equal where it is fixed.

    Raises:
        ValueError: where the ranges are not six numbers each, or one is upside down.
    """

    low: Tensor
    high: Tensor

    def __init__(
        self, scene: Scene, model: nn.Module, low: tuple[float, ...], high: tuple[float, ...]
    ) -> None:
        super().__init__()
        if len(low) != 6 or len(high) != 6 or any(a > b for a, b in zip(low, high, strict=True)):
            raise ValueError(f"expected six numbers low <= high ({', '.join(POSE)}), got {low} and {high}")
        self.scene, self.model = scene, model
        self.register_buffer("low", scene.background.new_tensor(low))
        self.register_buffer("high", scene.background.new_tensor(high))

    def pose(self, point: Float[Tensor, "batch 6"]) -> Float[Tensor, "batch 6"]:
        """The pose in degrees, shares and lengths that a point of the cube stands for."""
        return self.low + (self.high - self.low) * (point + 1) / 2

    def forward(self, point: Float[Tensor, "batch 6"]) -> Float[Tensor, "batch classes"]:
        """Logits for points of the cube."""
        return self.model(self.scene(self.pose(point)))
