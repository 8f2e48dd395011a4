"""Adversarial training: the min-max game between a model and an attack."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.attacks.attack import Attack, NormAttack
from advnotes.checks import check_count, check_inputs, check_number, logits_of
from advnotes.counter import add_one, number_of
from advnotes.game import Game
from advnotes.gradients import while_training

__all__ = ["AdversarialTraining", "Perturb"]

#: ``attack(model, x, y) -> x_adv``: an :class:`~advnotes.attacks.Attack`, or any other way of moving inputs (a
#: rotation, noise). It must leave the model as it found it and return a tensor without a graph.
Perturb = Callable[[nn.Module, Tensor, Tensor], Tensor]


class AdversarialTraining(Game):
    r"""Train a model on the worst inputs that an attack finds.

    .. math::
        \min_\theta\; \mathbb E_{x, y}\Bigl[\, s \max_{\delta \in \Delta} L(f_\theta(x + \delta), y)
        + (1 - s)\, L(f_\theta(x), y) \Bigr]

    With share :math:`s = 1` this is Madry et al. 2017, equation 2.1; with :math:`s = 1/2` and FGSM it is the mix of
    Goodfellow et al. 2014, section 6; with :math:`s = 0` it is ordinary training, the control. By Danskin's theorem
    the model's gradient is taken at the attack's result and not through the attack.

    Args:
        model: maps inputs to logits.
        attack: makes the adversarial inputs; an :class:`~advnotes.attacks.Attack` sees the model in eval mode
            unless it has ``training=True``, and the pass that trains is made in the model's own mode, so that
            batch statistics are taken from that pass alone. None where ``share`` is 0.
        share: the weight :math:`s` of the adversarial loss, in [0, 1].
        warmup: the number of losses over which the attack's threat grows linearly from nothing to its full size:
            the steps of the optimizer, times the batches that each of them accumulates. Without it, networks of
            small capacity stay at chance for large eps. It wants an attack that can be ``scaled``. In eval mode
            the attack has its full size and no loss is counted.

    Raises:
        ValueError: where ``share`` or ``warmup`` is out of range, or the attack is missing or cannot be scaled; when
            called, where inputs, labels, logits or the attack's result are not as expected.
    """

    turns = ("model",)
    moves: Tensor

    def __init__(self, model: nn.Module, attack: Perturb | None, share: float = 1.0, warmup: int = 0) -> None:
        super().__init__()
        check_number("share", share, least=0.0, most=1.0)
        if share > 0 and not callable(attack):
            raise ValueError(
                f"a share of {share} wants an attack such as PGD(Linf(0.3), steps=7), got {attack!r}"
            )
        if share > 0 and warmup and not isinstance(attack, NormAttack):
            raise ValueError(
                f"warm-up wants an advnotes NormAttack, whose threat can be scaled, got {attack!r}: set warmup=0, or "
                "derive it from NormAttack"
            )
        self.model = model
        self.attack = attack
        self.share = share
        self.warmup = check_count("warmup", warmup, least=0)
        # A buffer, so that a resumed run goes on where the warm-up was.
        self.register_buffer("moves", torch.zeros((), dtype=torch.int64))

    def model_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The mixed loss of a batch of inputs in their natural range; in train mode, one move of the warm-up."""
        if not isinstance(self.attack, Attack):  # which checks them itself, with its range
            check_inputs(x, y, None)
        if self.attack is None or self.share == 0:
            return F.cross_entropy(logits_of(self.model, x, y), y)
        if self.training:
            add_one(self.moves)
        with while_training():
            x_adv = self.current_attack()(self.model, x, y)
        if not isinstance(x_adv, Tensor) or x_adv.shape != x.shape:
            got = tuple(x_adv.shape) if isinstance(x_adv, Tensor) else type(x_adv).__name__
            raise ValueError(
                f"the attack must return inputs of the shape {tuple(x.shape)} that it got, got {got}"
            )
        if self.share == 1:
            return F.cross_entropy(logits_of(self.model, x_adv, y), y)
        # One pass over both halves, so that batch statistics are those of the mix.
        clean, adversarial = logits_of(self.model, torch.cat([x, x_adv]), y.repeat(2)).chunk(2)
        return (1 - self.share) * F.cross_entropy(clean, y) + self.share * F.cross_entropy(adversarial, y)

    def current_attack(self) -> Perturb:
        """The attack at its present size.

        Raises:
            ValueError: where there is none, as without an adversary.
        """
        if self.attack is None:
            raise ValueError("this game has no attack: it was made with share=0 and attack=None")
        if self.warmup and self.training and isinstance(self.attack, NormAttack):
            moves = number_of(self.moves)
            return self.attack.scaled(moves / self.warmup) if moves < self.warmup else self.attack
        return self.attack
