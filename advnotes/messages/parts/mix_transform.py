"""The network of all who play with messages: a layer that mixes all bits, then four convolutions."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count

__all__ = ["MixTransform"]

#: Window, channels that come in, channels that go out (Abadi and Andersen 2016, section 2); the second has stride 2.
LAYERS = ((4, 1, 2), (2, 2, 4), (1, 4, 4), (1, 4, 1))


class MixTransform(nn.Module):
    r"""Mix and transform (Abadi and Andersen 2016, section 2): a full layer, then convolutions along its outputs.

    .. math::
        h = W x + b \in \mathbb R^{2N}, \qquad
        y = \tanh \mathrm{conv}_4(\sigma\,\mathrm{conv}_3(\sigma\,\mathrm{conv}_2(\sigma\,\mathrm{conv}_1(h))))

    Which bits belong together is learnt by :math:`W`. The convolutions have windows of 4, 2, 1 and 1 places and 2, 4, 4
    and 1 channels; the second goes in steps of 2. :math:`\sigma` is the sigmoid.

    Args:
        inputs: how many numbers come in: N and the length of the key for Alice and Bob, N for Eve.
        bits: how many come out, N; each lies in [-1, 1].
        copies: None for one network. A number makes so many networks that know nothing of each other, for games side
            by side: input and output then have a dimension in front, ``[copies, batch, ...]``. They are computed in
            one go, which takes much less time than one after the other.

    Raises:
        ValueError: where a size is no whole number of at least 1; when called, where the input has another shape.

    Differs from the paper: nothing stands between the full layer and the convolutions, as in the authors' released
    code, whose convolutions are fewer. A row is filled up with zeros, one in front and two behind. Weights begin as
    Glorot's, as in that code.
    """

    def __init__(self, inputs: int, bits: int, copies: int | None = None) -> None:
        super().__init__()
        self.inputs, self.bits = check_count("inputs", inputs), check_count("bits", bits)
        self.copies = None if copies is None else check_count("copies", copies)
        together = self.copies or 1
        shapes = [(2 * bits, inputs), *((out, window * channels) for window, channels, out in LAYERS)]
        self.weights = nn.ParameterList(torch.empty(together, *shape) for shape in shapes)
        self.biases = nn.ParameterList(torch.zeros(together, shape[0], 1) for shape in shapes)
        for weight in self.weights:
            for one in weight:
                nn.init.xavier_uniform_(one)

    def forward(self, x: Float[Tensor, "*copies batch inputs"]) -> Float[Tensor, "*copies batch bits"]:
        """What each network makes of its rows."""
        self.check(x)
        rows = x if self.copies is not None else x[None]
        h = F.pad(self.layer(0, rows.mT), (0, 0, 1, 2))  # [copies, 1 + 2 bits + 2, batch]
        # channels stand in front and places in one row behind, so that a convolution is one product of matrices
        h = torch.stack([h[:, i : i + 2 * self.bits] for i in range(4)], dim=1).flatten(2)
        h = self.layer(1, h).sigmoid().unflatten(2, (self.bits, 2, -1))
        h = torch.cat([h[:, :, :, 0], h[:, :, :, 1]], dim=1).flatten(2)
        h = self.layer(3, self.layer(2, h).sigmoid()).sigmoid()
        y = self.layer(4, h).tanh().view(len(rows), self.bits, -1).mT
        return y if self.copies is not None else y[0]

    def layer(self, n: int, h: Float[Tensor, "copies channels places"]) -> Float[Tensor, "copies out places"]:
        """One layer, without what follows it."""
        return torch.baddbmm(self.biases[n], self.weights[n], h)

    def check(self, x: Tensor) -> None:
        """Raise ValueError for an input of another shape."""
        front = () if self.copies is None else (self.copies,)
        if x.ndim != len(front) + 2 or tuple(x.shape[:-2]) != front or x.shape[-1] != self.inputs:
            wanted = [*map(str, front), "batch", str(self.inputs)]
            raise ValueError(
                f"this network takes numbers of shape [{', '.join(wanted)}], got {list(x.shape)}: make it with "
                "inputs = all that it is shown (message and key, or ciphertext and key; Eve has no key) and with "
                "copies = the number of games side by side"
            )
