"""TRADES: accuracy on clean inputs and constancy around them, weighed against each other."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.attacks.pgd import PGD
from advnotes.checks import check_inputs, check_number, clip_rounding, logits_of
from advnotes.game import Game
from advnotes.losses import cross_entropy, kl
from advnotes.model_state import Model, attacked
from advnotes.precision import full_precision, in_autocast
from advnotes.robust.passes import mode_matters, spared_buffers

__all__ = ["TRADES"]


class TRADES(Game):
    r"""Train on clean inputs, and make the prediction the same all around them (Zhang et al. 2019, equation 5).

    .. math::
        \min_\theta\; \mathbb E_{x, y} \Bigl[\, L(f_\theta(x), y) + \beta \max_{\delta \in \Delta}
        \mathrm{KL}\bigl(p_\theta(\cdot \mid x) \,\Vert\, p_\theta(\cdot \mid x + \delta)\bigr) \Bigr],
        \qquad p_\theta = \mathrm{softmax}(f_\theta)

    The adversary does not use the label: it moves the prediction away from what it is, by the attack's steps. It
    begins at :math:`x + 0.001\,\mathcal N(0, 1)`, as at :math:`x` itself the divergence has no slope. With
    :math:`\beta = 0` this is ordinary training, bit for bit.

    The adversary sees the model in eval mode unless the attack has ``training=True``. It compares predictions of one
    mode. Where the model's own mode is another and may matter (batch normalisation, dropout), and under autocast, one
    more pass gives the clean prediction for the comparison; elsewhere that of the loss is used. The passes that
    train are made in the model's own mode and precision; the adversary's in the attack's ``precision``, also under
    autocast, as half precision would drown its first step.

    Differs from the paper: its code makes a clean pass in every step of the adversary, which gives the same numbers.

    Args:
        model: maps inputs to logits.
        attack: a :class:`~advnotes.attacks.PGD` with one start, such as ``PGD(Linf(0.3), steps=10, best=False)``; its
            ``random_start`` is not used. With ``best=False`` the last point is taken, as in the paper's code, which
            saves a pass.
        beta: the weight :math:`\beta` (the paper's :math:`1/\lambda`), at least 0; the paper uses 1 and 6.

    Raises:
        ValueError: where ``beta`` is negative, the attack is no PGD, or has settings that a divergence cannot follow;
            when called, where inputs, labels or logits are not as expected.
    """

    turns = ("model",)

    def __init__(self, model: nn.Module, attack: PGD, beta: float = 6.0) -> None:
        super().__init__()
        if not isinstance(attack, PGD):
            raise ValueError(
                f"TRADES wants a PGD, such as PGD(Linf(0.3), steps=10, best=False), got {attack!r}"
            )
        if attack.restarts > 1 or attack.early_stop or attack.targeted or attack.loss is not cross_entropy:
            raise ValueError(
                "the adversary of TRADES raises the divergence, from one start, and has no notion of success: leave "
                f"the attack's restarts, early_stop, targeted and loss at their defaults, got {attack!r}"
            )
        self.model, self.attack = model, attack
        self.beta = check_number("beta", beta, least=0.0)

    def model_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Cross-entropy at the clean inputs and beta times the divergence at the perturbed ones."""
        check_inputs(x, y, self.attack.bounds)
        logits = logits_of(self.model, x, y)
        loss = F.cross_entropy(logits, y)
        if self.beta == 0:
            return loss
        x_adv = self.perturbed(x, logits.detach())
        return loss + self.beta * kl(logits, logits_of(self.model, x_adv, y)).mean()

    def perturbed(
        self, x: Float[Tensor, "batch ..."], clean: Float[Tensor, "batch classes"]
    ) -> Float[Tensor, "batch ..."]:
        """Where the adversary goes: towards the largest divergence from the prediction at ``x``.

        Args:
            x: inputs within the attack's bounds.
            clean: the model's logits there, in its present mode.
        """
        attack, x = self.attack, clip_rounding(x, self.attack.bounds)
        start = x + 0.001 * torch.randn_like(x)
        again = in_autocast(x) or mode_matters(self.model, attack.training)
        with (
            torch.no_grad(),
            full_precision(x),
            spared_buffers(self.model if attack.training else None),
            attacked(self.model, attack.training),
        ):
            model = attack.prepare(self.model, x)
            return attack.climb(_Divergence(model, model(x) if again else clean), x, start=start)


class _Divergence:
    """The divergence of predictions from those with the logits ``clean``."""

    def __init__(self, model: Model, clean: Tensor) -> None:
        self.model, self.clean = model, clean

    def __call__(self, point: Tensor) -> tuple[Tensor, None]:
        return kl(self.clean, self.model(point)), None

    def rows(self, rows: Tensor) -> "_Divergence":
        return _Divergence(self.model, self.clean[rows])
