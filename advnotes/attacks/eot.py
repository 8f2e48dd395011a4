"""Expectation over transformations: attacks on models that draw at random when they are asked."""

import dataclasses
from dataclasses import KW_ONLY, dataclass

from jaxtyping import Float, Int
from torch import Tensor

from advnotes.attacks.attack import Attack
from advnotes.attacks.parts.draws import Draws
from advnotes.attacks.parts.wrapper import Wrapper
from advnotes.checks import check_counts
from advnotes.model_state import Model
from advnotes.seeds import Source

__all__ = ["EOT"]


@dataclass(frozen=True)
class EOT(Wrapper):
    r"""Any attack, in expectation over what a randomised model draws (Athalye et al. 2018, section 4.2).

    .. math:: \max_{\delta \in \Delta} \mathbb E_t\, L(f_t(x + \delta), y)
        \approx \max_{\delta \in \Delta} \frac1n \sum_{t=1}^n L(f_t(x + \delta), y)

    The model is asked ``samples`` times wherever the attack asks once, and draws anew each time. An attack with a
    ``loss`` raises the mean of the losses, not the loss of the mean logits: the model will answer with one draw,
    and what counts is how often that fools it. For a convex loss (cross-entropy, the margin loss) the loss of the
    mean logits is smaller (Jensen), and it hears the draws with the largest logits only. A margin loss suits best:
    cross-entropy has its largest gradients from the draws that are fooled already. The gradient is added up draw by
    draw, in the memory of one.

    What counts as fooled is decided by the vote, the mean of the probabilities. Single draws would fool the attack:
    it looks often, and would keep the points at which it was lucky. For the same reason ``early_stop`` of the attack
    is switched off: it would end at the first lucky vote, on the boundary. An attack that takes gradients of the
    logits themselves (FAB, DeepFool) takes them of the vote's logarithm, in the memory of all draws.

    Args:
        attack: the attack, such as ``PGD(Linf(8 / 255), loss=margin_loss)``.
        samples: how many draws each mean takes.

    A generator, or one seed for each sample, decides what the attack draws and cannot reach what the model draws:
    that comes from wherever the model takes it and may depend on the batch, so seed it to repeat a result. Judge the
    result by draws that the attack has not seen. In eval mode there is no dropout: ``training=True`` in the
    attack keeps it.

    Raises:
        ValueError: where ``samples`` is below 1 or ``attack`` is none.
    """

    _: KW_ONLY
    samples: int = 16

    def __post_init__(self) -> None:
        if isinstance(self.attack, Attack):
            object.__setattr__(self, "attack", _without_early_stop(self.attack))
        super().__post_init__()
        check_counts(samples=self.samples)

    @property
    def estimated_passes(self) -> int:
        """The wrapped attack's, times the draws."""
        return self.samples * self.attack.estimated_passes

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        return self.attack.perturb(Draws(model, self.samples), x, y, generator)


def _without_early_stop(attack: Attack) -> Attack:
    if isinstance(attack, Wrapper):
        return dataclasses.replace(attack, attack=_without_early_stop(attack.attack))
    return dataclasses.replace(attack, early_stop=False)
