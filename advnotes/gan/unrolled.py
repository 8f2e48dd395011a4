"""The unrolled GAN of Metz et al. 2016: the generator looks at what the discriminator is about to become."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import SGD, Adam

from advnotes.checks import check_count
from advnotes.gan.standard import GAN, MinimaxGAN
from advnotes.nets import check_logit_network, one_logit

__all__ = ["UnrolledGAN"]


class UnrolledGAN(MinimaxGAN):
    r"""Unrolled generative adversarial networks (Metz, Poole, Pfau and Sohl-Dickstein 2016, sections 2.2 to 2.4).

    From the present discriminator :math:`\theta_0`, let it make :math:`K` updates :math:`U`:

    .. math::
        \theta_{k+1} = U\bigl(\theta_k, \nabla_\theta L_D(\theta_k, \theta_G)\bigr), \qquad
        L_G = -L_D(\theta_K, \theta_G)

    The generator goes down the gradient of :math:`L_G` *through* the updates: the samples that it is judged by stand
    in each of them, so that it feels how the discriminator would answer its move. The discriminator itself keeps
    only the first update. Both gradients are taken at the same point, then both move. All updates of one turn see
    the same real samples and the same noise.

    Args:
        generator, discriminator, latent_size: as in :class:`~advnotes.gan.standard.GAN`; a discriminator whose loss
            can be differentiated twice, without normalisation across the batch.
        optimizer: the one that moves the discriminator, which is what :math:`U` imitates: Adam from the moments
            that it has at present, or gradient descent, both at their present learning rate.
        unroll: the number of updates :math:`K`; 0 is :class:`~advnotes.gan.standard.MinimaxGAN`'s game, both
            players moving at once.

    Differs from the paper: an update imitates Adam with the moments that the discriminator has, as the authors' code
    does; the paper's equations are those of gradient descent. What ``play`` does beside the optimizer's step is not
    imitated: an update knows of no ``clip`` and no ``accumulate``.

    Raises:
        ValueError: where ``unroll`` is negative, the discriminator has batch normalisation, ``optimizer`` is not one
            plain Adam or SGD of all of the discriminator's parameters, or the game is combined with one of another
            objective or logit.
    """

    turns = (("discriminator", "generator"),)

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        optimizer: torch.optim.Optimizer,
        unroll: int = 5,
    ) -> None:
        super().__init__(generator, discriminator, latent_size)
        check_logit_network("discriminator", discriminator, penalised=True)
        own = {"discriminator_objective": GAN, "logit": GAN, "generator_loss": UnrolledGAN}
        if odd := [
            name for name, kind in own.items() if getattr(type(self), name) is not getattr(kind, name)
        ]:
            raise ValueError(
                f"the updates that are imitated are those of cross-entropy, and {type(self).__name__} has a "
                f"{odd[0]} of its own: unroll by itself, not together with another game"
            )
        _check(optimizer, list(discriminator.parameters()))
        self.optimizer = optimizer
        self.unroll = check_count("unroll", unroll, least=0)

    def generator_loss(self, real: Float[Tensor, "batch ..."], *_: Tensor) -> Float[Tensor, ""]:
        """Minus the loss of the discriminator of ``unroll`` updates later."""
        fake = self.generated(real)
        return -self.loss_at(self.ahead(real, fake), real, fake)

    def ahead(
        self, real: Float[Tensor, "batch ..."], fake: Float[Tensor, "batch ..."]
    ) -> Float[Tensor, " weights"]:
        """All of the discriminator's parameters in a row, after its updates; differentiable in ``fake``.

        Where no gradient is recorded the same numbers come without a graph.
        """
        through = torch.is_grad_enabled()
        parameters = list(self.discriminator.parameters())
        update = _Update(self.optimizer, parameters)
        theta = torch.cat([parameter.detach().flatten() for parameter in parameters])
        for _ in range(self.unroll):
            with torch.enable_grad():
                theta = theta if theta.requires_grad else theta.requires_grad_()
                loss = self.loss_at(theta, real, fake)
                (gradient,) = torch.autograd.grad(loss, theta, create_graph=through)
            theta = update(theta if through else theta.detach(), gradient)
        return theta

    def loss_at(
        self,
        theta: Float[Tensor, " weights"],
        real: Float[Tensor, "batch ..."],
        fake: Float[Tensor, "batch ..."],
    ) -> Float[Tensor, ""]:
        """The discriminator's loss with the parameters ``theta``."""
        named = dict(self.discriminator.named_parameters())
        pieces = theta.split([parameter.numel() for parameter in named.values()])
        weights = {name: piece.view_as(named[name]) for name, piece in zip(named, pieces, strict=True)}
        # Both in one batch, at half the cost of two: nothing is normalised across it.
        logits = one_logit(
            lambda x: functional_call(self.discriminator, weights, (x,)), torch.cat([real, fake])
        )
        on_real, on_fake = logits.split([len(real), len(fake)])
        return F.softplus(-on_real).mean() + F.softplus(on_fake).mean()


class _Update:
    """One step of the optimizer as a function of parameters and gradient, to be differentiated in both."""

    def __init__(self, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
        self.group = optimizer.param_groups[0]
        self.adam = isinstance(optimizer, Adam)
        if self.adam:
            states = [optimizer.state.get(parameter, {}) for parameter in parameters]
            self.count = float(states[0].get("step", 0))
            self.mean, self.square = (
                torch.cat(
                    [
                        s.get(name, torch.zeros_like(p)).flatten()
                        for s, p in zip(states, parameters, strict=True)
                    ]
                )
                for name in ("exp_avg", "exp_avg_sq")
            )

    def __call__(self, theta: Tensor, gradient: Tensor) -> Tensor:
        rate = self.group["lr"]
        if not self.adam:
            return theta - rate * gradient
        (first, second), self.count = self.group["betas"], self.count + 1
        self.mean = first * self.mean + (1 - first) * gradient
        self.square = second * self.square + (1 - second) * gradient.square()
        # A weight that never had a gradient: the root's own derivative at 0 is infinite.
        root = (self.square / (1 - second**self.count)).clamp_min(1e-30).sqrt()
        return theta - rate * self.mean / (1 - first**self.count) / (root + self.group["eps"])


def _check(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
    """Refuse what :class:`_Update` would not imitate."""
    groups = optimizer.param_groups
    if not isinstance(optimizer, (Adam, SGD)) or type(optimizer) not in (Adam, SGD) or len(groups) != 1:
        raise ValueError(
            f"unrolling imitates torch's Adam or SGD with one group of parameters, got {type(optimizer).__name__} "
            f"with {len(groups)}"
        )
    extras = ("momentum", "weight_decay", "amsgrad", "nesterov", "maximize")
    if odd := {name: groups[0][name] for name in extras if groups[0].get(name)}:
        raise ValueError(f"unrolling imitates plain Adam or SGD, got {odd}: leave these at their defaults")
    if {id(p) for p in groups[0]["params"]} != {id(p) for p in parameters}:
        raise ValueError("the optimizer must hold the discriminator's parameters, all of them and no others")
