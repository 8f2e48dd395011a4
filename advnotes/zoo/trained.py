"""A trained network with its card, and how both are kept in the package."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load, save_file
from torch import Tensor, nn

__all__ = ["FOLDER", "Trained", "read_weights", "save_weights"]

FOLDER = Path(__file__).parents[1] / "weights"


class Trained(nn.Module):
    """A trained network with its card: recipe, data, and what was measured."""

    def __init__(self, network: nn.Module, card: dict[str, Any]) -> None:
        super().__init__()
        self.network, self.card = network, card

    def forward(self, x: Tensor) -> Tensor:
        """What the network makes of a batch."""
        return self.network(x)


def save_weights(name: str, weights: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Write the weights of that name and their card, whole or not at all."""
    FOLDER.mkdir(exist_ok=True)
    unfinished = FOLDER / f"{name}.unfinished"
    save_file(weights, unfinished, metadata={"card": json.dumps(card)})
    unfinished.replace(FOLDER / f"{name}.safetensors")


def read_weights(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights of that name, and their card."""
    # Read by Python, unlike what safetensors opens itself: so the record of an execution sees that it was read.
    packed = (FOLDER / f"{name}.safetensors").read_bytes()
    size = int.from_bytes(packed[:8], "little")  # of the header, which is JSON
    return load(packed), json.loads(json.loads(packed[8 : 8 + size])["__metadata__"]["card"])
