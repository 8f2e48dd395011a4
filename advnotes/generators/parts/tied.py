"""Networks that have layers in common, as the two of a coupled GAN (Liu and Tuzel 2016) have."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_count

__all__ = ["Tied", "tie"]


class Tied(nn.Module):
    r"""Networks that have layers in common, :math:`\text{last} \circ \text{own}_i \circ \text{first}`.

    A layer in common is one module, so its parameters stand once in ``parameters()``, get the gradients of all the
    networks, and are stepped once. Without any, ``Tied([G1, G2])``, these are ordinary networks side by side.

    Args:
        own: the layers that each network has for itself, such as ``[G1[6:], G2[6:]]``.
        first: what all begin with; None: nothing.
        last: what all end with; None: nothing.

    Raises:
        ValueError: where there are fewer than two networks, or one stands there twice; when called, where there is
            neither one input for all nor one for each.
    """

    def __init__(
        self, own: Sequence[nn.Module], *, first: nn.Module | None = None, last: nn.Module | None = None
    ) -> None:
        super().__init__()
        if len(own) < 2:
            raise ValueError(f"expected two networks or more to tie, got {len(own)}")
        leaves = [[m for m in part.modules() if not any(True for _ in m.children())] for part in own]
        for i, layers in enumerate(leaves):
            if next(own[i].parameters(), None) is not None and layers in leaves[:i]:
                raise ValueError(
                    f"networks {leaves.index(layers)} and {i} are the same layers, so that their outputs can never "
                    "differ: make another network, such as by copy.deepcopy"
                )
        self.first = layers_or_none(first)
        self.own = nn.ModuleList(own)
        self.last = layers_or_none(last)

    def __len__(self) -> int:
        """The number of networks."""
        return len(self.own)

    def network(self, i: int, x: Float[Tensor, "..."]) -> Tensor:
        """What the ``i``-th network makes of ``x``."""
        return self.end(i, self.first(x))

    def end(self, i: int, h: Float[Tensor, "..."]) -> Tensor:
        """What the ``i``-th network makes of ``h``, which the first layers have made."""
        made: Tensor = self.last(self.own[i](h))
        return made

    def forward(self, *inputs: Float[Tensor, "..."]) -> tuple[Tensor, ...]:
        """What each network makes of its input; one input for all goes through the ``first`` layers once."""
        if len(inputs) not in (1, len(self)):
            raise ValueError(
                f"expected one input for all of {len(self)} networks or one for each, got {len(inputs)}"
            )
        begun = [self.first(x) for x in inputs] * (len(self) if len(inputs) == 1 else 1)
        return tuple(self.end(i, h) for i, h in enumerate(begun))


def layers_or_none(layers: nn.Module | None) -> nn.Module:
    """The layers in common; an identity where there are none, so that what ends with them is seen to end before."""
    empty = isinstance(layers, nn.Sequential) and len(layers) == 0
    return nn.Identity() if layers is None or empty else layers


def tie(networks: Sequence[nn.Module], *, first: int = 0, last: int = 0) -> Tied:
    """Let ordinary networks have their first or last layers in common: those of ``networks[0]`` stay.

    ``tie([G1, G2], first=6)`` has the first six layers of G1, and the others of both.

    Args:
        networks: two or more, each a ``nn.Sequential``.
        first, last: how many layers, counted as the Sequential counts them, with activations.

    Raises:
        ValueError: where a network is no ``nn.Sequential`` or stands there twice, or a number is negative or leaves a
            network without a layer of its own.
    """
    check_count("first", first, least=0)
    check_count("last", last, least=0)
    listed = [network for network in networks if isinstance(network, nn.Sequential)]
    if len(listed) < len(networks):
        odd = next(type(network).__name__ for network in networks if not isinstance(network, nn.Sequential))
        raise ValueError(
            f"expected networks that are nn.Sequential, got {odd}: hand their parts to Tied(...)"
        )
    for number, network in enumerate(listed):
        if first + last >= len(network):
            raise ValueError(
                f"first={first} and last={last} leave network {number}, of {len(network)} layers, none of its own"
            )
    own = [network[first : len(network) - last] for network in listed]
    begin, end = (listed[0][:first], listed[0][len(listed[0]) - last :]) if listed else (None, None)
    return Tied(own, first=begin, last=end)
