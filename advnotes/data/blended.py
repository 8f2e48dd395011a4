"""MNIST-M: digits blended into photographs, made on the fly."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.data.things import things

__all__ = ["mnist_m", "photographs"]


def photographs() -> list[Float[Tensor, "3 _ _"]]:
    """Six colour photographs in [0, 1], without a download: four of :func:`things`, two of scikit-learn's.

    Source: ``things.json`` in the package for the four; scikit-learn's ``load_sample_images`` for a Chinese palace and
    a flower (CC BY, the photographers' names are in its ``DESCR``).
    """
    from sklearn.datasets import load_sample_images

    theirs = [torch.tensor(image).permute(2, 0, 1).float() / 255 for image in load_sample_images().images]
    return [*things().photographs, *theirs]


def mnist_m(
    x: Float[Tensor, "n 1 rows columns"],
    grounds: Sequence[Float[Tensor, "3 _ _"]],
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n 3 rows columns"]:
    r"""Each digit as the difference to a patch of a photograph: MNIST-M (Ganin et al. 2016, section 5.2.4).

    .. math:: x' = \lvert x - \text{patch} \rvert

    Where there is no ink the patch is seen, where there is, its negative. Labels stay what they were.

    Differs from the paper: the photographs are those that are handed over, in the paper 500 of Berkeley's BSDS500.

    Args:
        x: grey digits in [0, 1].
        grounds: photographs in [0, 1], each larger than a digit, such as those of :func:`photographs`.
        generator: which photograph and which place, each equally likely. None: the global one.

    Raises:
        ValueError: where there is no photograph, or one is smaller than a digit.
    """
    rows, columns = x.shape[2:]
    if not grounds or any(g.shape[1] < rows or g.shape[2] < columns for g in grounds):
        raise ValueError(
            f"expected photographs of at least {rows}×{columns} pixels, got sizes "
            f"{[tuple(g.shape[1:]) for g in grounds]}"
        )
    device = torch.device("cpu") if generator is None else generator.device
    places = torch.rand(len(x), 3, generator=generator, device=device).tolist()
    blended = torch.empty(len(x), 3, rows, columns, dtype=x.dtype, device=x.device)
    here = [ground.to(x) for ground in grounds]
    for digit, out, (which, top, left) in zip(x, blended, places, strict=True):
        ground = here[int(which * len(here))]
        row = int(top * (ground.shape[1] - rows + 1))
        column = int(left * (ground.shape[2] - columns + 1))
        torch.sub(ground[:, row : row + rows, column : column + columns], digit, out=out).abs_()
    return blended
