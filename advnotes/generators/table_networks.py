"""The networks of CTGAN: a generator of encoded rows, whose parts have ends of their own, and a critic of packs."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_counts, check_number

__all__ = ["Layout", "RowGenerator", "row_critic"]


class Layout(NamedTuple):
    """What stands where in an encoded row: places within modes, then one-hot modes, then one-hot categories."""

    numbers: int  # columns of numbers: as many places in [-1, 1], and as many blocks of modes
    modes: tuple[int, ...]
    categories: tuple[int, ...]

    @property
    def blocks(self) -> list[int]:
        """The widths of all one-hot blocks."""
        return [*self.modes, *self.categories]

    @property
    def condition(self) -> int:
        """The width of the condition: the categories, which end the row."""
        return sum(self.categories)

    @property
    def width(self) -> int:
        """The width of a row."""
        return self.numbers + sum(self.blocks)


class RowGenerator(nn.Module):
    r"""The paper's generator: each layer sees all that came before it, and each block of the row has its own end.

    .. math::
        h_0 = z \oplus c, \quad h_{i+1} = h_i \oplus \mathrm{ReLU}(\mathrm{BN}(W_i h_i)), \quad
        \hat\alpha = \tanh(W h), \quad \hat\beta, \hat d = \mathrm{gumbel}_{\tau}(W h)

    (Xu et al. 2019, section 4.4.)

    Args:
        layout: of the rows.
        latent_size: the number of latent coordinates.
        hidden: widths of the hidden layers.
        temperature: :math:`\tau` of the Gumbel softmax, which gives almost one-hot blocks.

    Raises:
        ValueError: where a number is out of range, or the layout has no column.
    """

    def __init__(
        self,
        layout: Layout,
        latent_size: int = 128,
        hidden: Sequence[int] = (256, 256),
        temperature: float = 0.2,
    ) -> None:
        super().__init__()
        check_counts(latent_size=latent_size, width_of_the_rows=layout.width)
        self.layout, self.temperature = layout, check_number("temperature", temperature, above=0.0)
        width = latent_size + layout.condition
        self.layers = nn.ModuleList()
        for size in hidden:
            self.layers.append(nn.Sequential(nn.Linear(width, size), nn.BatchNorm1d(size), nn.ReLU()))
            width += size
        self.end = nn.Linear(width, layout.width)

    def logits(
        self, z: Float[Tensor, "batch latent"], condition: Float[Tensor, "batch categories"]
    ) -> Float[Tensor, "batch width"]:
        """What the last layer makes, before tanh and softmax."""
        h = torch.cat([z, condition], dim=1)
        for layer in self.layers:
            h = torch.cat([h, layer(h)], dim=1)
        return self.end(h)

    def rows(
        self, logits: Float[Tensor, "batch width"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch width"]:
        """Rows: places by tanh, blocks drawn by the Gumbel softmax."""
        places, blocks = logits.split([self.layout.numbers, sum(self.layout.blocks)], dim=1)
        where = logits.device if generator is None else generator.device
        waits = torch.empty(blocks.shape, device=where, dtype=logits.dtype).exponential_(generator=generator)
        drawn = (blocks - waits.to(logits.device).clamp_min(1e-30).log()) / self.temperature
        parts = [block.softmax(dim=1) for block in drawn.split(self.layout.blocks, dim=1)]
        return torch.cat([places.tanh(), *parts], dim=1)

    def forward(
        self,
        z: Float[Tensor, "batch latent"],
        condition: Float[Tensor, "batch categories"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch width"]:
        """Rows of latent vectors, asked for the category that each condition names."""
        return self.rows(self.logits(z, condition), generator)


def row_critic(
    layout: Layout, pack: int = 10, hidden: Sequence[int] = (256, 256), drop: float = 0.5
) -> nn.Sequential:
    """The paper's critic of ``pack`` rows and their conditions at a time (section 4.4; Lin et al. 2018, PacGAN)."""
    width, layers = pack * (layout.width + layout.condition), list[nn.Module]()
    for size in hidden:
        layers += [nn.Linear(width, size), nn.LeakyReLU(0.2), nn.Dropout(drop)]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, 1))
