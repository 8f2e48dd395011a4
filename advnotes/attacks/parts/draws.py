"""A model that draws at random, asked several times: its vote, and the mean of a loss over the draws."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from advnotes.model_state import Model
from advnotes.threats import per_sample

__all__ = ["Draws", "answer_and_loss"]


class Draws:
    r"""A model that draws at random, as one that answers with the vote of several draws.

    The vote is the logarithm of the mean of the probabilities, :math:`\log \frac1n \sum_t p_t`.

    Args:
        model: the model, which draws anew whenever it is called.
        samples: how many draws each vote takes.
    """

    def __init__(self, model: Model, samples: int) -> None:
        self.model, self.samples = model, samples

    def __call__(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """The vote. Its gradient keeps the graphs of all draws at once; :meth:`mean_loss` keeps one."""
        return self._vote([self.model(x) for _ in range(self.samples)])

    def mean_loss(
        self, point: Float[Tensor, "batch ..."], loss: Callable[[Tensor], Tensor]
    ) -> tuple[Float[Tensor, "batch classes"], Float[Tensor, " batch"]]:
        """The vote at a point, without a graph, and the mean of a loss over the same draws.

        The gradient of the mean is added up draw by draw, in the memory of one. It is that of the sum over the
        samples, so whatever follows must weigh the samples alike, as a sum or a mean of them does.

        Args:
            point: where to ask.
            loss: ``loss(logits)``, one value for each sample.
        """
        answers, values, gradient = [], [], None
        for _ in range(self.samples):
            logits, value, part = self._differentiated(point, loss)
            if part is not None:
                gradient = part if gradient is None else gradient + part
            answers.append(logits)
            values.append(value)
        mean = torch.stack(values).mean(dim=0)
        if gradient is not None:
            mean = _WithGradient.apply(point, mean, gradient / self.samples)
        return self._vote(answers), mean

    def _differentiated(
        self, point: Tensor, loss: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Logits, loss and the loss's gradient of one draw, whose graph ends here."""
        wanted = torch.is_grad_enabled() and point.requires_grad
        here = point.detach().requires_grad_(wanted)
        logits = self.model(here)
        value = loss(logits)
        gradient = None
        if wanted and value.requires_grad:
            # The loss may also have a graph that leads to the model's parameters and not to the point.
            (gradient,) = torch.autograd.grad(value.sum(), here, allow_unused=True)
        return logits.detach(), value.detach(), gradient

    def _vote(self, answers: list[Tensor]) -> Tensor:
        each = torch.stack([logits.log_softmax(dim=1) for logits in answers])
        return each.logsumexp(dim=0) - math.log(self.samples)


def answer_and_loss(
    model: Model, point: Float[Tensor, "batch ..."], loss: Callable[[Tensor], Tensor]
) -> tuple[Float[Tensor, "batch classes"], Float[Tensor, " batch"]]:
    """A model's logits at a point, and each sample's loss: of :class:`Draws`, the vote and the mean loss."""
    if isinstance(model, Draws):
        return model.mean_loss(point, loss)
    logits = model(point)
    return logits, loss(logits)


class _WithGradient(torch.autograd.Function):
    """A value for each sample, whose gradient at the point is known already."""

    @staticmethod
    def forward(ctx, point: Tensor, value: Tensor, gradient: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    def backward(ctx, weight: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def]
        (gradient,) = ctx.saved_tensors
        return per_sample(weight.to(gradient), gradient) * gradient, None, None
