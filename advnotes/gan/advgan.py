"""AdvGAN: a generator that makes the perturbation, so that an attack is one forward pass of it."""

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.attacks.attack import NormAttack
from advnotes.checks import call_model, check_count, check_inputs, check_number, logits_of
from advnotes.game import Game
from advnotes.losses import margin
from advnotes.model_state import Model, attacked
from advnotes.nets import check_logit_network, one_logit
from advnotes.seeds import Source
from advnotes.threats import Bounds, Linf

__all__ = ["AdvGAN", "Perturber"]


@dataclass(frozen=True)
class Perturber(NormAttack):
    r"""The attack of a trained network: :math:`x_\mathrm{adv} = x + \epsilon\tanh G(x)`, clipped to the range.

    The attacked model is not asked. The perturbation is proportional to ``eps``, which may differ from sample to
    sample and from the one of the training.

    Args:
        network: maps inputs to values of their shape, of any size.
        target: the class that the network was trained to reach, with ``targeted=True``; None where it was trained to
            leave the true one.

    The other arguments are :class:`~advnotes.attacks.NormAttack`'s.

    Raises:
        ValueError: where the threat is not Linf, or ``targeted`` does not go with ``target``; when called, where
            the network changes the shape, or a class other than ``target`` is to be reached.
    """

    network: nn.Module
    target: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.threat, Linf):
            raise ValueError(f"tanh bounds every coordinate, which wants an Linf threat, got {self.threat!r}")
        if self.targeted != (self.target is not None):
            raise ValueError(
                f"targeted={self.targeted} does not go with target={self.target}: give both or none"
            )

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        if self.target is not None and bool((y != self.target).any()):
            raise ValueError(
                f"this network was trained to reach class {self.target} and no other, got y = {y}"
            )
        with attacked(self.network, self.training):
            return self.perturbed(x)

    def faster(self, model: Model, x: Float[Tensor, "batch ..."]) -> Model:
        """The model itself, which is not asked, so that preparing a faster copy would be in vain."""
        return model

    def perturbed(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The inputs with their perturbations, in the network's own mode and with its graph."""
        raw = call_model(self.network, x)
        if raw.shape != x.shape:
            raise ValueError(
                f"the network must keep the input's shape {tuple(x.shape)}, got {tuple(raw.shape)}"
            )
        return (x + self.threat.radius(x) * raw.tanh()).clamp(*self.bounds)


class AdvGAN(Game):
    r"""Generating adversarial examples with adversarial networks (Xiao et al. 2018, section 3.2).

    With :math:`\delta = \epsilon \tanh G(x)`, the attacked model's logits :math:`z` at :math:`x + \delta` and the
    discriminator's logit :math:`\ell`:

    .. math::
        L_D &= \mathbb E\, \mathrm{softplus}(-\ell(x)) + \mathbb E\, \mathrm{softplus}(\ell(x + \delta)) \\
        L_G &= \mathbb E \max(z_y - \max_{j \neq y} z_j, -\kappa)
        + \alpha\, \mathbb E\, \mathrm{softplus}(-\ell(x + \delta))
        + \beta\, \mathbb E \max(\lVert\delta\rVert_2 - c, 0)

    With a ``target`` :math:`t` the first term is :math:`\max(\max_{j \neq t} z_j - z_t, -\kappa)`. Batches are
    inputs and their labels. :attr:`attack` is the result.

    Args:
        generator: maps inputs to values of their shape; tanh and eps are put on top.
        discriminator: maps inputs to one logit each: a real input, or a perturbed one?
        model: the attacked one. The game keeps a copy in eval mode, which does not move.
        threat: the Linf ball.
        target: the class to reach; None to leave the true one.
        confidence: the margin :math:`\kappa` beyond which fooling the model more is worth nothing.
        alpha: the weight of looking real.
        beta: the weight of being small.
        size: the length :math:`c` that costs nothing, in the unit of the input.
        bounds: the range of the input.

    Differs from the paper: the perturbation is bounded by tanh and not only by the hinge; the generator's GAN loss
    is the non-saturating one.

    Raises:
        ValueError: where the threat is not Linf, a weight, ``confidence`` or ``size`` is negative, or the discriminator
            ends with a sigmoid; when called, where inputs, labels or logits are not as expected.
    """

    turns = ("discriminator", "generator")

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        model: nn.Module,
        threat: Linf,
        *,
        target: int | None = None,
        confidence: float = 0.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        size: float = 0.0,
        bounds: Bounds = (0.0, 1.0),
    ) -> None:
        super().__init__()
        for name, value in {"confidence": confidence, "alpha": alpha, "beta": beta, "size": size}.items():
            check_number(name, value, least=0.0)
        if target is not None:
            check_count("target", target, least=0)
        check_logit_network("discriminator", discriminator)
        self.generator, self.discriminator = generator, discriminator
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.target, self.confidence, self.size = target, confidence, size
        self.alpha, self.beta = alpha, beta
        self.threat, self.bounds = threat, bounds
        self.attack  # noqa: B018  (refuses what it cannot be made of, now instead of in the first turn)

    @property
    def attack(self) -> Perturber:
        """The attack that the generator is at present."""
        targeted = self.target is not None
        return Perturber(
            self.threat, self.generator, target=self.target, targeted=targeted, bounds=self.bounds
        )

    def train(self, mode: bool = True) -> "AdvGAN":
        """As ever, but the attacked model stays in eval mode."""
        super().train(mode)
        self.model.eval()
        return self

    def discriminator_loss(
        self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """Cross-entropy of telling inputs from perturbed ones."""
        check_inputs(x, y, self.bounds)
        with torch.no_grad():
            perturbed = self.attack.perturbed(x)
        real, fake = (one_logit(self.discriminator, at) for at in (x, perturbed))
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The weighted sum of fooling the model, looking real and being small."""
        check_inputs(x, y, self.bounds)
        perturbed = self.attack.perturbed(x)
        wanted = y if self.target is None else torch.full_like(y, self.target)
        logits = logits_of(self.model, perturbed, wanted)
        to_go = margin(logits, y) if self.target is None else -margin(logits, wanted)
        fool = to_go.clamp_min(-self.confidence).mean()
        real = F.softplus(-one_logit(self.discriminator, perturbed)).mean()
        small = (torch.linalg.vector_norm((perturbed - x).flatten(1), dim=1) - self.size).clamp_min(0).mean()
        return fool + self.alpha * real + self.beta * small
