"""Small pictures of things with a transparent ground, and photographs to put them on; no download."""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from advnotes.data.bundled import bundle
from advnotes.data.splits import unit

__all__ = ["Things", "on_photographs", "things"]

BUNDLE = Path(__file__).with_name("things.npz")


class Things(NamedTuple):
    """What :func:`things` returns."""

    emoji: Float[Tensor, "n 4 64 64"]
    names: list[str]
    photographs: Float[Tensor, "m 3 256 256"]
    titles: list[str]


def things() -> Things:
    """174 emoji with their names, and four photographs with theirs, from the package: no download.

    The emoji are every fifth of those of animals, food, places, objects and activities: red, green, blue and opacity,
    in [0, 1]. The photographs are the middle squares of scikit-image's astronaut, chelsea (a cat), coffee and rocket.

    Raises:
        RuntimeError: where the bundle is missing or damaged.

    Source: Google's Noto Emoji (Apache-2.0) by way of emoji-datasource-google, and photographs in the public domain or
    under CC0 by way of scikit-image; ``things.json`` beside the bundle says which.
    """
    card = json.loads(BUNDLE.with_suffix(".json").read_text(encoding="utf-8"))
    with bundle(BUNDLE) as members:
        emoji, photographs = (unit(members[name].transpose(0, 3, 1, 2)) for name in ("emoji", "photographs"))
    return Things(emoji, card["emoji, names"], photographs, card["photographs, names"])


def on_photographs(
    emoji: Float[Tensor, "n 4 rows columns"],
    photographs: Float[Tensor, "m 3 height width"],
    size: int,
    generator: torch.Generator,
) -> Float[Tensor, "n 3 size size"]:
    """Each thing somewhere on a random cut-out of one of the photographs, half to three quarters of its width.

    Args:
        emoji, photographs: as in :class:`Things`.
        size: the side of the pictures that come out.
        generator: which photograph, cut-out, size and place.
    """

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=generator))

    pictures = []
    for thing in emoji:
        photograph = photographs[draw(0, len(photographs) - 1)]
        side = min(photograph.shape[1:])
        cut = draw(side // 2, side)
        top, left = draw(0, side - cut), draw(0, side - cut)
        ground = interpolate(
            photograph[None, :, top : top + cut, left : left + cut],
            size=(size, size),
            mode="bilinear",
            antialias=True,
        )[0]
        width = draw(size // 2, 3 * size // 4)
        thing = interpolate(thing[None], size=(width, width), mode="bilinear", antialias=True)[0]
        top, left = draw(0, size - width), draw(0, size - width)
        under = ground[:, top : top + width, left : left + width]
        under += thing[3:] * (thing[:3] - under)
        pictures.append(ground)
    return torch.stack(pictures).clamp(0, 1)  # interpolation rounds
