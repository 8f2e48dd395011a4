"""The input gradient of a convolution, computed as a convolution that puts out blocks of pixels."""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Blocks"]

#: oneDNN computes this many channels at a time, also where there are fewer.
LANES = 16
# In units of one multiplication of all lanes' worth per channel: what it costs to put a pixel from its block into its
# place, and by how much a strided convolution is slower backward than forward. Both measured with AVX-512.
PLACING = 29
STRIDED = 1.8


@dataclass(frozen=True)
class Blocks:
    r"""What it takes to compute a convolution's input gradient by blocks of ``side`` x ``side`` pixels.

    With kernel :math:`W`, stride :math:`s` and padding :math:`p`, pixel :math:`i` of the input gets

    .. math:: \nabla x_i = \sum_{j, u:\; s j - p + u = i} W_u^\top\, \nabla y_j .

    Let :math:`i = r\,n + a - o` with a block's number :math:`n`, the place :math:`a` in it, an offset :math:`o`, and a
    side :math:`r` that the stride divides. Then :math:`u = a - o + p - s\,t` with :math:`t = j - n r / s`: the
    :math:`r` pixels of a block are the channels of an ordinary convolution over :math:`\nabla y` of stride
    :math:`r / s`, whose kernel holds :math:`W_u` at tap :math:`t`.

    A first layer has 1 or 3 input channels, of which a processor that computes 16 at once wastes most; as blocks of
    4 x 4 or 2 x 2 pixels they fill them. For a kernel that its stride divides, it also saves the products with zero.
    """

    kernel: Tensor
    meets: Tensor
    channels: int
    side: int
    offset: int
    first: int
    stride: int

    @classmethod
    def of(
        cls, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int], groups: int
    ) -> "Blocks | None":
        """The cheapest blocks for a convolution, or None where the ordinary way is as cheap."""
        (out, channels, k, wide), s, p = weight.shape, stride[0], padding[0]
        if groups > 1 or k != wide or stride[1] != s or padding[1] != p or dilation != [1, 1]:
            return None
        ordinary = lanes(channels) * out * k * k / s**2 * (STRIDED if s > 1 else 1)
        sides = [s * m for m in range(1, 9) if m == 1 or channels * (s * m) ** 2 <= 4 * LANES]

        def cost(r: int, o: int) -> float:
            return lanes(channels * r * r) * out * len(taps(k, s, p, r, o)) ** 2 / r**2 + PLACING * channels

        least, r, o = min((cost(r, o), r, o) for r in sides for o in range(r))
        if r == 1 or least > 0.9 * ordinary or p >= k:
            return None
        met = taps(k, s, p, r, o)
        meets = weight.new_tensor(
            [[[float(a - o + p - s * t == u) for u in range(k)] for t in met] for a in range(r)]
        )
        return cls(rearranged(weight, meets), meets, channels, r, o, met.start, r // s)

    def filled(self, weight: Tensor) -> "Blocks":
        """The same blocks for another weight of the same shape."""
        return replace(self, kernel=rearranged(weight, self.meets))

    def input_gradient(self, gradient: Tensor, x: Tensor) -> Tensor:
        """The gradient of ``x`` from that of the convolution's output."""
        height, width = x.shape[2:]
        rows, columns = (math.ceil((size + self.offset) / self.side) for size in (height, width))
        # Where the blocks at the far end want more padding than those at the near end, both get it: whole blocks of it
        # come out in front, and are cut off.
        lacking = max(
            wanted - ((size - 2 * self.first - self.kernel.shape[-1]) // self.stride + 1)
            for wanted, size in zip((rows, columns), gradient.shape[2:], strict=True)
        )
        front = max(0, lacking)
        blocks = F.conv2d(gradient, self.kernel, None, self.stride, front * self.stride - self.first)
        blocks = blocks[:, :, front : front + rows, front : front + columns].permute(0, 2, 3, 1)
        blocks = blocks.unflatten(3, (self.side, self.side, self.channels)).transpose(2, 3)
        pixels = blocks.reshape(len(x), rows * self.side, columns * self.side, self.channels).permute(
            0, 3, 1, 2
        )
        return pixels[:, :, self.offset : self.offset + height, self.offset : self.offset + width]


def lanes(channels: int) -> int:
    """How many channels the processor computes where so many are wanted: whole multiples of its lanes."""
    return math.ceil(channels / LANES) * LANES


def taps(k: int, s: int, p: int, r: int, o: int) -> range:
    """The taps ``t`` that some place of a block and some entry of the kernel meet at."""
    met = [(a - o + p - u) // s for a in range(r) for u in range(k) if (a - o + p - u) % s == 0]
    return range(min(met), max(met) + 1)


def rearranged(weight: Tensor, meets: Tensor) -> Tensor:
    """The kernel that puts out blocks, ``[side * side * channels, out, taps, taps]``.

    ``meets[a, t, u]`` is 1 where place ``a`` of a block gets entry ``u`` of the weight at tap ``t``, otherwise 0.
    """
    kernel = torch.einsum("aiu,bjv,mcuv->abcmij", meets, meets, weight)
    return kernel.flatten(0, 2).contiguous(memory_format=torch.channels_last)
