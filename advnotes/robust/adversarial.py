"""Adversarial training: the min-max game between a model and an attack."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.attacks.attack import Attack
from advnotes.game import Game

__all__ = ["AdversarialTraining"]


class AdversarialTraining(Game):
    r"""Train a model on the worst inputs that an attack finds.

    .. math::
        \min_\theta\; \mathbb E_{x, y}\Bigl[\, s \max_{\lVert\delta\rVert \le \epsilon} L(\theta, x + \delta, y)
        + (1 - s)\, L(\theta, x, y) \Bigr]

    With share :math:`s = 1` this is Madry et al. 2017, equation 2.1; with :math:`s = 1/2` and FGSM it is the mix of
    Goodfellow et al. 2014, section 6; with :math:`s = 0` it is ordinary training, the control. By Danskin's theorem
    the model's gradient is taken at the attack's result and not through the attack.

    Args:
        model: maps inputs to logits.
        attack: makes the adversarial inputs; in eval or train mode as its own ``training`` says.
        share: the weight :math:`s` of the adversarial loss, in [0, 1].
        warmup: the number of turns over which the attack's threat grows linearly from nothing to its full size.
            Without it, networks of small capacity stay at chance for large eps.

    Raises:
        ValueError: where ``share`` or ``warmup`` is out of range.
    """

    turns = ("model",)
    moves: Tensor

    def __init__(self, model: nn.Module, attack: Attack, share: float = 1.0, warmup: int = 0) -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"share must lie in [0, 1], got {share}")
        if warmup < 0:
            raise ValueError(f"warmup must be a number of turns >= 0, got {warmup}")
        self.model = model
        self.attack = attack
        self.share = share
        self.warmup = warmup
        # A buffer, so that a resumed run goes on where the warm-up was. Losses taken, so one for each turn.
        self.register_buffer("moves", torch.zeros((), dtype=torch.int64))

    def model_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The mixed loss of a batch of inputs in their natural range."""
        if self.share == 0:
            return F.cross_entropy(self.model(x), y)
        x_adv = self.current_attack()(self.model, x, y)
        if self.share == 1:
            return F.cross_entropy(self.model(x_adv), y)
        # One pass over both halves, so that batch statistics are those of the mix.
        clean, adversarial = self.model(torch.cat([x, x_adv])).chunk(2)
        return (1 - self.share) * F.cross_entropy(clean, y) + self.share * F.cross_entropy(adversarial, y)

    def current_attack(self) -> Attack:
        """The attack at its present size; counts a move."""
        self.moves += 1
        if self.moves >= self.warmup:
            return self.attack
        return self.attack.scaled(self.moves.item() / self.warmup)
