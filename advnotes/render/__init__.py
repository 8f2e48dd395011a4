"""A small differentiable renderer: a convex solid with pictures on its flat faces, seen through a pinhole camera.

The camera looks along z, x points to the right and y down. A pose is six numbers, and every pixel has a gradient with
respect to each of them: inside a face through the texture, at its edges through the share of the pixel that the face
covers. With the renderer as its first layer (:class:`Posed`) a classifier of pictures becomes a classifier of poses,
and whatever attacks inputs searches poses.
"""

from advnotes.render.posed import Posed
from advnotes.render.scene import POSE, Scene, rotation
from advnotes.render.solids import Solid, box, card

__all__ = ["POSE", "Posed", "Scene", "Solid", "box", "card", "rotation"]
