"""TRADES: accuracy on clean inputs and constancy around them, weighed against each other."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.ascend import ascend
from advnotes.checks import check_inputs
from advnotes.fast import prepared
from advnotes.game import Game
from advnotes.losses import kl
from advnotes.model_state import attacked
from advnotes.threats import Bounds, Threat, check_threat

__all__ = ["TRADES"]


class TRADES(Game):
    r"""Train on clean inputs, and make the prediction the same all around them (Zhang et al. 2019, equation 5).

    .. math::
        \min_\theta\; \mathbb E_{x, y} \Bigl[\, L(f_\theta(x), y) + \beta \max_{\delta \in \Delta}
        \mathrm{KL}\bigl(p_\theta(\cdot \mid x) \,\Vert\, p_\theta(\cdot \mid x + \delta)\bigr) \Bigr],
        \qquad p_\theta = \mathrm{softmax}(f_\theta)

    The adversary does not look at the label: it moves the prediction away from what it is, by ``steps`` steps of
    projected ascent. It begins at :math:`x + 0.001\,\mathcal N(0, 1)`, as at :math:`x` itself the divergence has no
    slope. With :math:`\beta = 0` this is ordinary training, bit for bit.

    The clean predictions are computed once: with a graph for the loss, and without it as what all steps of the
    adversary compare with. They are the predictions of the model in its own mode; the adversary sees it in eval mode
    unless ``training`` is True; the pass at the perturbed input, which trains, is in the model's own mode again.

    Differs from the paper: its code makes a second clean pass, in eval mode, in every step of the adversary. For a
    model without batch normalisation and dropout the two are the same.

    Args:
        model: maps inputs to logits.
        threat: what the adversary may do.
        beta: the weight :math:`\beta` (the paper's :math:`1/\lambda`), at least 0; the paper uses 1 and 6.
        steps: how many gradients the adversary takes.
        step_size: the length of its steps, in the unit of the input; 2.5 eps / steps where it is not given.
        bounds: the range of the input.
        training: show the adversary the model in train mode; buffers are put back after it.

    Raises:
        ValueError: where a number is out of range or the threat is none; later, where the inputs are not as expected.
    """

    turns = ("model",)

    def __init__(
        self,
        model: nn.Module,
        threat: Threat,
        *,
        beta: float = 6.0,
        steps: int = 10,
        step_size: float | None = None,
        bounds: Bounds = (0.0, 1.0),
        training: bool = False,
    ) -> None:
        super().__init__()
        check_threat(threat)
        if not beta >= 0:
            raise ValueError(f"beta must be at least 0, got {beta}")
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        if step_size is not None and not step_size > 0:
            raise ValueError(f"step_size must be positive, got {step_size}")
        self.model, self.threat, self.beta, self.steps = model, threat, beta, steps
        self.step_size = 2.5 * threat.eps / steps if step_size is None else step_size
        self.bounds, self.attack_training = bounds, training

    def model_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Cross-entropy at the clean inputs and beta times the divergence at the perturbed ones."""
        check_inputs(x, y, self.bounds)
        logits = self.model(x)
        loss = F.cross_entropy(logits, y)
        if self.beta == 0:
            return loss
        x_adv = self.perturbed(x, logits.detach())
        return loss + self.beta * kl(logits, self.model(x_adv)).mean()

    def perturbed(
        self, x: Float[Tensor, "batch ..."], clean: Float[Tensor, "batch classes"]
    ) -> Float[Tensor, "batch ..."]:
        """Where the adversary goes: towards the largest divergence from the prediction with the ``clean`` logits."""
        start = (x + 0.001 * torch.randn_like(x)).clamp(*self.bounds)
        with attacked(self.model, self.attack_training):
            model = prepared(self.model, x, passes=self.steps)

            def objective(point: Tensor) -> tuple[Tensor, None]:
                return kl(clean, model(point)), None

            return ascend(
                objective,
                x,
                self.threat,
                steps=self.steps,
                step_size=self.step_size,
                start=start,
                bounds=self.bounds,
                best=False,
            ).point
