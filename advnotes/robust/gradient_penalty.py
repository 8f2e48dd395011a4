"""The family of gradient penalties of Lyu et al. 2015: adversarial training to first order, without an adversary."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.game import Game
from advnotes.gradients import not_differentiable
from advnotes.losses import Loss, cross_entropy
from advnotes.threats import Threat, check_threat

__all__ = ["GradientPenalty"]


class GradientPenalty(Game):
    r"""Train a model whose loss is flat around its inputs.

    .. math::
        \min_\theta\; \mathbb E_{x, y} \Bigl[ L(f_\theta(x), y)
        + \epsilon\, \lVert \nabla_x L(f_\theta(x), y) \rVert_q \Bigr]

    (Lyu, Huang and Liang 2015: a family, one member for each norm.) It is adversarial training with the loss replaced
    by its tangent: :math:`\max_{\lVert\delta\rVert_p \le \epsilon} L + \delta^\top \nabla_x L` is this sum, with q dual
    to p, and its maximiser is one step of FGSM in the threat's norm. So the loss and its gradient in the weights
    agree with those of :class:`~advnotes.robust.AdversarialTraining` on FGSM up to terms in :math:`\epsilon^2`. These
    decide where eps is large: the penalty knows nothing of what lies at the step's end, nor of the input's range.

    In train mode the penalty is differentiated a second time, exactly. In eval mode the game gives the loss's value
    alone, without any graph, also inside ``torch.no_grad()``.

    Args:
        model: maps inputs to logits; differentiable twice. Where samples depend on each other, as in batch
            normalisation in train mode, a sample's gradient is that of all samples' losses.
        threat: one finite radius in the unit of the input; only its ``dual_norm`` is used.
        loss: ``loss(logits, y)``, one value for each sample.

    Raises:
        ValueError: where the threat is none or has no single finite radius; when called, where the loss does not
            depend on the input in a differentiable way.
    """

    turns = ("model",)

    def __init__(self, model: nn.Module, threat: Threat, loss: Loss = cross_entropy) -> None:
        super().__init__()
        check_threat(threat)
        eps = torch.as_tensor(threat.eps)
        if eps.ndim or not bool(eps.isfinite()):
            raise ValueError(
                f"the penalty wants one finite radius for all samples, got eps={threat.eps!r}: write Linf(0.1), say"
            )
        self.model = model
        self.threat = threat
        self.loss = loss

    def model_loss(self, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The mean loss of a batch of inputs in their natural range, with the penalty; in eval mode its value alone."""
        with torch.enable_grad():  # so that it can also be measured where nothing is trained
            point = x.detach().requires_grad_()
            loss = self.loss(self.model(point), y)
            gradient = self.gradient(loss, point)
            total = loss.mean() + float(self.threat.eps) * self.threat.dual_norm(gradient).mean()
        return total if self.training else total.detach()

    def gradient(
        self, loss: Float[Tensor, " batch"], point: Float[Tensor, "batch ..."]
    ) -> Float[Tensor, "batch ..."]:
        r"""Each sample's :math:`\nabla_x L`, with a graph to the weights in train mode only."""
        slope: Tensor | None = None
        if loss.requires_grad:
            (slope,) = torch.autograd.grad(loss.sum(), point, create_graph=self.training, allow_unused=True)
        if slope is None:
            raise not_differentiable("the loss does")
        return slope
