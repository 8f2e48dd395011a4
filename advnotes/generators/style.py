"""A small StyleGAN: a network makes a style of the latent vector, and every layer of the generator is told it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import check_count, check_number
from advnotes.generators.parts.synthesis import Synthesis

__all__ = ["Mapping", "StyleGenerator", "mix_styles", "truncate"]


class Mapping(nn.Sequential):
    r"""From a latent vector to a style: :math:`z` is brought to length :math:`\sqrt{\mathrm{size}}`, then dense layers.

    (Karras, Laine and Aila 2019, section 2: 8 layers of 512.) The styles :math:`w = f(z)` need not be spread like a
    normal distribution, so that f can undo what the data's distribution would bend.

    Args:
        latent_size: coordinates of z.
        style_size: coordinates of w.
        depth: number of layers.

    Raises:
        ValueError: where a number is less than 1.
    """

    def __init__(self, latent_size: int, style_size: int, depth: int = 4) -> None:
        check_count("style_size", style_size)
        size = check_count("latent_size", latent_size)
        layers: list[nn.Module] = []
        for _ in range(check_count("depth", depth)):
            layers += [nn.Linear(size, style_size), nn.LeakyReLU(0.2)]
            size = style_size
        super().__init__(*layers)
        for layer in layers[::2]:
            nn.init.kaiming_normal_(layer.weight, 0.2)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch style"]:
        """The styles.

        Raises:
            ValueError: where the latent vectors have another shape.
        """
        size = self[0].in_features
        if z.ndim != 2 or z.shape[1] != size:
            raise ValueError(f"expected latent vectors [batch, {size}], got the shape {tuple(z.shape)}")
        wide = z.float() if z.dtype in (torch.float16, torch.bfloat16) else z  # 1e-8 is 0 in float16
        return super().forward(z * (wide.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt().to(z.dtype))


class StyleGenerator(nn.Module):
    r"""StyleGAN's generator, :math:`G(z) = \mathrm{synthesis}(f(z))`, for any GAN of this package.

    (Karras, Laine and Aila 2019, "A style-based generator architecture"; layers as in Karras et al. 2020.) In training
    it mixes styles: with the probability ``mixing`` the layers after a random one get the style of another latent
    vector, so that no layer can rely on what the others are told (section 3.1). In eval mode a picture depends on its
    latent vector alone.

    Args:
        shape, width: as in :class:`Synthesis`.
        latent_size, style_size, depth: as in :class:`Mapping`.
        mixing: the share of the pictures of a batch that get two styles.

    Raises:
        ValueError: where a number is out of range, or the shape is not square with a side of 4 times a power of 2.

    Differs from the paper: one layer for each side in place of two, small; every sample has its own place of the
    crossover; the discriminator, the loss and the penalties are the game's.
    """

    def __init__(
        self,
        shape: tuple[int, int, int] = (3, 32, 32),
        latent_size: int = 64,
        style_size: int = 64,
        width: int = 24,
        *,
        depth: int = 4,
        mixing: float = 0.9,
    ) -> None:
        super().__init__()
        self.mixing = check_number("mixing", mixing, least=0.0, most=1.0)
        self.mapping = Mapping(latent_size, style_size, depth)
        self.synthesis = Synthesis(shape, style_size, width)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch channels side side"]:
        """Pictures in [0, 1]."""
        w = self.mapping(z)
        if self.training and self.mixing > 0:
            others = torch.rand(len(z), device=z.device) < self.mixing
            place = torch.randint(1, self.synthesis.layers, (len(z),), device=z.device)
            w = mix_styles(
                w,
                self.mapping(torch.randn_like(z)),
                torch.where(others, place, self.synthesis.layers),
                self.synthesis.layers,
            )
        return self.synthesis(w)

    @torch.no_grad()
    def mean_style(self, n: int = 4096, generator: torch.Generator | None = None) -> Float[Tensor, " style"]:
        """The mean of the styles of ``n`` latent vectors."""
        weight = next(self.mapping.parameters())
        source = weight.device if generator is None else generator.device
        z = torch.randn(
            check_count("n", n), self.latent_size, generator=generator, device=source, dtype=weight.dtype
        )
        return self.mapping(z.to(weight.device)).mean(dim=0)

    @property
    def latent_size(self) -> int:
        """Coordinates of a latent vector."""
        return int(self.mapping[0].in_features)  # type: ignore[arg-type]


def mix_styles(
    first: Float[Tensor, "batch style"],
    second: Float[Tensor, "batch style"],
    layer: int | Int[Tensor, " batch"],
    layers: int,
) -> Float[Tensor, "batch layers style"]:
    """One style for each of ``layers``: of ``first`` before ``layer`` (from 0), of ``second`` from there on.

    Args:
        first, second: styles, one of each for a picture.
        layer: from 0, all from ``second``, to ``layers``, all from ``first``; or one for each picture.
        layers: of the generator, ``G.synthesis.layers``.

    Raises:
        ValueError: where the styles have different shapes, or the layer is none of these.
    """
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(
            "expected two times as many styles, [batch, style_size], got the shapes "
            f"{tuple(first.shape)} and {tuple(second.shape)}"
        )
    _check_layer(layer, check_count("layers", layers), len(first))
    places = torch.arange(layers, device=first.device)
    early = places < torch.as_tensor(layer, device=first.device).view(-1, 1)
    return torch.where(early[..., None], first[:, None], second[:, None])


def truncate(
    w: Float[Tensor, "batch ..."], mean: Float[Tensor, " style"], psi: float
) -> Float[Tensor, "batch ..."]:
    r"""Styles moved towards the mean: :math:`w' = \bar w + \psi (w - \bar w)` (Karras et al. 2019, appendix B).

    Args:
        w: styles, or one for each layer.
        mean: their mean, ``G.mean_style()``.
        psi: 1 leaves them, 0 makes all of them the mean, and less than 0 the opposite.

    Raises:
        ValueError: where the mean is not one style, or psi no finite number.
    """
    if mean.shape != w.shape[-1:]:
        raise ValueError(
            f"expected the mean of the styles as one style, [{w.shape[-1]}], got the shape {tuple(mean.shape)}"
        )
    return mean + check_number("psi", psi) * (w - mean)


def _check_layer(layer: int | Tensor, layers: int, count: int) -> None:
    """Raise ValueError for what is neither a layer from 0 to ``layers`` nor one for each of ``count`` pictures."""
    if not isinstance(layer, Tensor):
        wrong = check_count("layer", layer, least=0) > layers
    elif layer.is_floating_point() or layer.dtype == torch.bool or layer.shape not in ((), (count,)):
        wrong = True
    else:
        wrong = bool(((layer < 0) | (layer > layers)).any())
    if wrong:
        raise ValueError(
            f"expected a layer from 0 to {layers}, or one for each of {count} pictures as whole numbers, got {layer!r}"
        )
