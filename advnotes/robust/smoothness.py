"""Local distributional smoothness: the virtual adversary of Miyato et al. 2015 and 2017, which needs no label."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from advnotes.gradients import value_and_gradient
from advnotes.losses import kl, kl_slope
from advnotes.model_state import Model
from advnotes.robust.passes import Repeat
from advnotes.seeds import Source
from advnotes.threats import L2

__all__ = ["VirtualAdversary", "virtual_adversarial_loss", "virtual_adversary"]


class VirtualAdversary(NamedTuple):
    """What the virtual adversary did to a batch."""

    #: Its loss, the local distributional smoothness LDS of each sample, in nats; differentiable in the parameters.
    loss: Float[Tensor, " batch"]
    #: The logits of the untouched batch with their graph, for the other terms of an objective.
    logits: Float[Tensor, "batch classes"]
    #: The perturbation, without a graph.
    delta: Float[Tensor, "batch ..."]


def virtual_adversary(
    model: Model,
    x: Float[Tensor, "batch ..."],
    eps: float | Tensor,
    *,
    xi: float = 0.01,
    steps: int = 1,
    mask: Bool[Tensor, "batch ..."] | None = None,
    owner: nn.Module | None = None,
    generator: Source = None,
) -> VirtualAdversary:
    r"""Move each input where the model's own prediction changes most, and say by how much.

    .. math::
        \mathrm{LDS}(x) = \mathrm{KL}\bigl(\hat p(\cdot \mid x)\,\|\,p(\cdot \mid x + \delta)\bigr), \qquad
        \delta = \arg\max_{\lVert\delta\rVert_2 \le \epsilon}
        \mathrm{KL}\bigl(\hat p(\cdot \mid x)\,\|\,p(\cdot \mid x + \delta)\bigr)

    (Miyato et al. 2017, equations 5 and 6.) The KL is 0 and flat at :math:`\delta = 0`, so its gradient there says
    nothing, and the best direction is the dominant eigenvector of its Hessian :math:`H`. It is found by power
    iteration from a random direction, with :math:`Hd \approx \nabla_\delta \mathrm{KL}\,|_{\delta = \xi d} / \xi`
    (equations 9 to 12):

    .. math:: d \leftarrow \nabla_\delta \mathrm{KL}\,|_{\delta = \xi d} \,/\, \lVert\cdot\rVert_2, \qquad
        \delta = \epsilon\, d

    :math:`\hat p` is a constant: no gradient flows through it, nor through :math:`\delta`. Lengths are of each
    sample by itself. All passes draw the same dropout masks, without which the KL would not be 0 at
    :math:`\delta = 0`, and only the first leaves a trace in the buffers (batch statistics).

    Args:
        model: maps ``x`` to logits: a module, or any callable, such as from embedded words to logits.
        x: any differentiable input; ``x + delta`` is not clipped to a range.
        eps: the length of the perturbation in the unit of ``x``, one for all samples or one for each.
        xi: how far from ``x`` the gradient is taken. Too large, and it sees more than the Hessian; too small,
            and the logits differ by rounding alone: the paper's 1e-6 wants float64.
        steps: power iterations K; 0 keeps the random direction, the control.
        mask: true where a sample is, false where it is padded, over the leading dimensions of ``x``
            (``[batch, length]`` for ``[batch, length, size]``). Padding stays untouched and counts in no length.
        owner: the module whose buffers are left alone, where ``model`` is a function of one.
        generator: of the first direction, see :data:`advnotes.seeds.Source`.

    Raises:
        ValueError: where ``eps``, ``xi`` or ``steps`` is out of range, ``mask`` does not fit ``x``, or the logits
            are not ``[batch, classes]`` or do not depend on ``x``.
    """
    check_settings(eps, xi, steps)
    inside = check_mask(mask, x)
    ball = L2(1.0)
    owner = model if owner is None and isinstance(model, nn.Module) else owner
    with torch.no_grad():
        d = ball.steepest(ball.sample(x, generator) * inside)
    repeat = Repeat(owner, x.device)
    logits = model(x)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(x) or logits.shape[1] < 2:
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"the model must return logits of shape [{len(x)}, classes] with 2 classes or more, got {got}: for one "
            "logit s return [0, s]"
        )
    p = logits.detach()

    def climb(point: Tensor) -> tuple[Tensor, None]:
        with repeat():
            moved = model(point)
        # What has the gradient of the KL by the chain rule, from the logits' slope on.
        return (moved * kl_slope(p, moved.detach())).sum(dim=1), None

    for _ in range(steps):
        gradient = value_and_gradient(climb, x.detach() + xi * d)[2]
        d = ball.steepest(gradient.nan_to_num(0.0, 0.0, 0.0) * inside)
    delta = d * L2(eps).radius(d)
    with repeat():
        return VirtualAdversary(kl(p, model(x + delta)), logits, delta)


def virtual_adversarial_loss(
    model: Model,
    x: Float[Tensor, "batch ..."],
    eps: float | Tensor,
    *,
    xi: float = 0.01,
    steps: int = 1,
    mask: Bool[Tensor, "batch ..."] | None = None,
    owner: nn.Module | None = None,
    generator: Source = None,
) -> Float[Tensor, " batch"]:
    """The loss of :func:`virtual_adversary` for each sample, in nats. Arguments and errors are its own."""
    return virtual_adversary(
        model, x, eps, xi=xi, steps=steps, mask=mask, owner=owner, generator=generator
    ).loss


def check_settings(eps: float | Tensor, xi: float, steps: int) -> None:
    """Refuse numbers with which the power iteration would find nothing, or something else."""
    radii = torch.as_tensor(eps, dtype=torch.float64)
    if radii.ndim > 1 or not bool(((radii >= 0) & radii.isfinite()).all()):
        raise ValueError(
            f"eps must be a finite length >= 0, or a 1-D tensor with one for each sample, got {eps!r}"
        )
    if not 0 < xi < torch.inf:
        raise ValueError(f"xi must be a small positive length in the unit of the input, got {xi}")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ValueError(f"steps is a number of power iterations from 0, got {steps!r}")


def check_mask(mask: Tensor | None, x: Tensor) -> Tensor:
    """The mask as numbers 0 and 1 in a shape that broadcasts over ``x``; 1 where there is none."""
    if not x.is_floating_point() or x.ndim < 2 or len(x) == 0:
        raise ValueError(
            f"x must be a floating-point batch [batch, ...], got {x.dtype} of shape {tuple(x.shape)}: of words "
            "perturb the embeddings"
        )
    if mask is None:
        return x.new_ones(())
    if mask.dtype != torch.bool or mask.shape != x.shape[: mask.ndim] or mask.ndim < 2:
        raise ValueError(
            f"mask must be boolean, over two or more leading dimensions of x, {tuple(x.shape)}, got {mask.dtype} of "
            f"shape {tuple(mask.shape)}"
        )
    return mask.view(*mask.shape, *[1] * (x.ndim - mask.ndim)).to(x)
