"""The GAN as an actor-critic, Pfau and Vinyals 2016, with the target network and the entropy bonus of one."""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.decisions.parts.target import TargetNetwork
from advnotes.gan.penalty import Penalty
from advnotes.gan.standard import GAN
from advnotes.nets import one_logit

__all__ = ["ActorCriticGAN"]


class ActorCriticGAN(GAN):
    r"""A GAN in the words of actor and critic: the critic learns the reward of what is shown, by cross-entropy.

    .. math::
        L_D &= \mathbb E \bigl[-r \log D(x) - (1 - r) \log(1 - D(x))\bigr] \\
        L_G &= -\mathbb E_z \log \bar D(G(z)) + K(G)

    (Pfau and Vinyals 2016, section 2.3.) Its batches are ``(shown, reward)`` of
    :class:`~advnotes.decisions.RealOrMade`, by :class:`~advnotes.decisions.Showings`, which may have a replay buffer.
    Where half of a batch is real, :math:`L_D` is half that of :class:`~advnotes.gan.GAN`, and :math:`L_G` the same.

    Args:
        generator, discriminator, latent_size, penalties: as in :class:`~advnotes.gan.GAN`; the penalties are taken at
            the real and the made samples of a batch.
        target_rate: the generator climbs a target network of the discriminator, which follows by this share in each
            round; 1 is none.
        regulariser: :math:`K`, from generated samples to a cost, such as
            :class:`~advnotes.gan.NegativeEntropy`, an entropy bonus; None is none.

    Raises:
        ValueError: as :class:`~advnotes.gan.GAN`, and where ``target_rate`` is not above 0 and at most 1; when called,
            where there is not one reward, 0 or 1, for each sample that is shown.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_size: int,
        *,
        target_rate: float = 1.0,
        regulariser: Callable[[Tensor], Tensor] | None = None,
        penalties: Penalty | Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(generator, discriminator, latent_size, penalties=penalties)
        self.target_rate = check_number("target_rate", target_rate, above=0.0, most=1.0)
        self.target, self.regulariser = TargetNetwork(discriminator, self.target_rate), regulariser

    def discriminator_loss(
        self, shown: Float[Tensor, "batch ..."], *rewards: Float[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """Cross-entropy between the reward of each sample and what the discriminator expects."""
        reward = rewards[0] if len(rewards) == 1 else shown.new_empty(0)
        if (
            not len(shown)
            or reward.shape != shown.shape[:1]
            or not bool(((reward == 0) | (reward == 1)).all())
        ):
            raise ValueError(
                "expected batches (shown, reward), with a reward, 1 real or 0 made, for each sample that is shown, got "
                f"the shapes {[tuple(each.shape) for each in (shown, *rewards)]}: Showings(...) makes such batches"
            )
        logit = self.logit(shown)
        loss = F.binary_cross_entropy_with_logits(logit, reward.to(logit))
        if len(self.penalties) and not bool((reward == 1).any() and (reward == 0).any()):
            raise ValueError(
                "penalties are taken at real and at made samples, but all that this batch shows are of one kind: take "
                "larger batches"
            )
        for penalty in self.penalties:
            loss = loss + penalty(self.logit, shown[reward == 1], shown[reward == 0])
        return loss

    def generator_loss(self, shown: Float[Tensor, "batch ..."], *rest: Tensor) -> Float[Tensor, ""]:
        """Minus the log-probability of the reward that the target network expects; in train mode it follows first."""
        if self.training:
            self.target.follow(self.discriminator)
        made = self.generated(shown)
        loss = F.softplus(-one_logit(self.target, made)).mean()
        return loss if self.regulariser is None else loss + self.regulariser(made)
