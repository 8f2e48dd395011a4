"""Eight colour photographs in two splits, to cut patches from; no download."""

from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.checks import check_count
from advnotes.data.blended import photographs
from advnotes.data.bundled import bundle
from advnotes.data.splits import unit

__all__ = ["Photos", "patches", "photos"]

BUNDLE = Path(__file__).with_name("photos.npz")
SPLITS = {
    "train": ("astronaut", "coffee", "rocket", "palace", "flower", "raccoon"),
    "test": ("chelsea", "hopper"),
}


class Photos(NamedTuple):
    """What :func:`photos` returns."""

    images: list[Float[Tensor, "3 _ _"]]
    titles: list[str]


def photos(split: str = "train") -> Photos:
    """Whole photographs of several sizes; train and test have none in common.

    Args:
        split: "train", an astronaut, a cup of coffee, a rocket, a Chinese palace, a flower and a raccoon; or "test",
            Chelsea, who is a cat, and the computer scientist Grace Hopper, in naval uniform.

    Returns:
        Pictures in [0, 1], and what each shows.

    Raises:
        ValueError: where the split is unknown.
        RuntimeError: where the bundle is missing or damaged.

    Source: :func:`photographs`, six (of these the palace is danielbuechele's and the flower vultilion's, CC BY 2.0),
    and two in the public domain, of which ``photos.json`` in the package says more.
    """
    if split not in SPLITS:
        raise ValueError(f"photos has the splits {', '.join(map(repr, SPLITS))}; got {split!r}")
    named = dict(
        zip(("astronaut", "chelsea", "coffee", "rocket", "palace", "flower"), photographs(), strict=True)
    )
    with bundle(BUNDLE) as members:
        named |= {name: unit(members[name][None].transpose(0, 3, 1, 2))[0] for name in ("raccoon", "hopper")}
    return Photos([named[title] for title in SPLITS[split]], list(SPLITS[split]))


def patches(
    images: list[Float[Tensor, "_ ..."]], count: int, size: int, generator: torch.Generator | None = None
) -> Float[Tensor, "count 3 size size"]:
    """Square cut-outs at random places, half of them mirrored; a photograph is drawn by its area.

    Args:
        images: photographs [3, rows, columns], each at least as large as a patch.
        count: how many patches.
        size: their side in pixels.
        generator: which photograph, which place, and whether it is mirrored. None: the global one.

    Raises:
        ValueError: where there is no photograph, one is smaller than a patch or does not have three colours in front,
            or a number is less than 1.
    """
    check_count("count", count)
    check_count("size", size)
    for image in images:
        if image.ndim != 3 or len(image) != 3:
            raise ValueError(
                f"expected photographs [3, rows, columns], got shape {tuple(image.shape)}: image.permute(2, 0, 1) "
                "brings colours to the front"
            )
    if len(images) == 0 or any(min(image.shape[1:]) < size for image in images):
        sizes = [tuple(image.shape[1:]) for image in images]
        raise ValueError(f"expected photographs of at least {size}×{size} pixels, got sizes {sizes}")
    device = torch.device("cpu") if generator is None else generator.device
    area = torch.tensor([float(image[0].numel()) for image in images], device=device)
    which = torch.multinomial(area, count, replacement=True, generator=generator).tolist()
    drawn = torch.rand(count, 3, generator=generator, device=device).tolist()
    cut = []
    for k, (down, right, mirrored) in zip(which, drawn, strict=True):
        rows, columns = images[k].shape[1:]
        top, left = int(down * (rows - size + 1)), int(right * (columns - size + 1))
        patch = images[k][:, top : top + size, left : left + size]
        cut.append(patch.flip(2) if mirrored < 0.5 else patch)
    return torch.stack(cut)
