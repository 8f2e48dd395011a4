"""Classification by synthesis, Wang et al. 2017: the class whose generator comes closest, or none that comes close."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_floating, check_number, check_range
from advnotes.generators.parts.likelihoods import normal_like
from advnotes.gradients import not_differentiable
from advnotes.model_state import NO_CLASS, attacked

__all__ = ["Found", "SynthesisClassifier"]

#: Adam's decay rates in the search, and the share of its first step size that its last one has.
BETAS, LAST = (0.9, 0.99), 0.1


class Found(NamedTuple):
    """The nearest sample of each class: its latent vector, and its squared distance in the unit of the input."""

    latent: Float[Tensor, "batch classes latent"]
    distance: Float[Tensor, "batch classes"]


class SynthesisClassifier(nn.Module):
    r"""A classifier that looks, in every class, for the latent vector whose sample is nearest to the input.

    .. math:: d_c(x) = \min_z \lVert G_c(z) - x \rVert_2^2, \qquad \hat y = \arg\min_c d_c(x)

    Its logits are :math:`-d_c(x)`. It refuses an input of which even the least :math:`d_c` is above ``threshold``
    (:meth:`calibrate`). The search is by Adam, from ``restarts`` starts that are drawn once from N(0, I), and returns
    the best point that it has seen: an input has one answer, whatever is in its batch.

    The logits have a gradient in the input, though the search has none. By the envelope theorem,

    .. math:: \nabla_x d_c(x) = 2\,\bigl(x - G_c(z^*)\bigr) \quad \text{at the minimum } z^*,

    since there a change of :math:`z` changes nothing. Away from the minimum it is the gradient for a ``z`` that stands
    still. So every attack of this package goes through the search; no parameter gets a gradient.

    An answer takes ``(steps + 1) * restarts * classes`` forward passes of the generator, and the memory for
    ``batch * restarts * classes`` samples at once.

    Args:
        generator: maps latent vectors ``[n, latent_size]`` and classes ``[n]`` int64 to samples, as
            :class:`~advnotes.defences.PerClass` and :class:`~advnotes.gan.Conditioned` do. It is asked for equally
            many of each class, class by class, and is in eval mode during the search.
        latent_size: the number of latent coordinates.
        classes: how many there are, at least 2.
        steps: of each search, at least 1.
        restarts: from how many starts each class is searched, at least 1.
        step_size: Adam's first, in units of the latent vector; it falls to a tenth.
        source: what draws the starts. None: the global generator.

    Raises:
        ValueError: where a number is out of range; when called, where inputs are no batch of finite floating-point
            numbers, the generator makes no sample of their shape for each latent vector, or one that is not finite.

    Source: Wang, Wang, Tamar, Chen and Abbeel 2017, the abstract and section 1: a generative model for each class, and
    the class of the most similar generation.

    Differs from the paper: it leaves the measure of similarity and the search open here; ours are squared distance and
    Adam. The starts are the same for all inputs. The threshold is a quantile of held-out inputs.
    """

    starts: Tensor
    threshold: Tensor

    def __init__(
        self,
        generator: Callable[..., Tensor],
        latent_size: int,
        *,
        classes: int,
        steps: int = 30,
        restarts: int = 5,
        step_size: float = 0.3,
        source: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.classes, self.steps = check_count("classes", classes, least=2), check_count("steps", steps)
        self.step_size = check_number("step_size", step_size, above=0.0)
        shape = check_count("restarts", restarts), check_count("latent_size", latent_size)
        self.register_buffer("starts", normal_like(torch.empty(shape), source))
        self.register_buffer("threshold", torch.tensor(math.inf))

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """Minus the squared distance to the nearest sample of each class."""
        return -(x[:, None] - self.nearest(x)).flatten(2).square().sum(dim=2)

    @torch.no_grad()
    def search(self, x: Float[Tensor, "batch ..."]) -> Found:
        """The best point that the search sees in each class."""
        check_batch(x)
        count, (restarts, size) = len(x), self.starts.shape
        with torch.inference_mode(False), attacked(self.generator):
            target = x.clone().repeat_interleave(restarts, dim=0)  # the same for every class
            z = self.starts.to(x).repeat(self.classes * count, 1).requires_grad_()
            best, least = z.detach().clone(), x.new_full((len(z),), math.inf)
            adam = torch.optim.Adam([z], lr=self.step_size, betas=BETAS)
            for step in range(self.steps + 1):
                with torch.enable_grad():
                    made = self.synthesise(z, target.shape)
                if not made.requires_grad:
                    raise not_differentiable("the generator's samples do")
                apart = made.detach() - target
                distance = torch.linalg.vecdot(apart.flatten(2), apart.flatten(2)).flatten()
                (z.grad,) = torch.autograd.grad(made, z, 2 * apart)
                nearer = distance < least
                best, least = torch.where(nearer[:, None], z, best), torch.where(nearer, distance, least)
                adam.param_groups[0]["lr"] = self.step_size * (1 - (1 - LAST) * step / self.steps)
                adam.step()
        if not bool(least.isfinite().all()):
            raise ValueError("the generator makes samples that are not finite: did its training diverge?")
        least, which = least.view(self.classes, count, restarts).min(dim=2)
        best = best.view(self.classes, count, restarts, size)
        best = best.take_along_dim(which[..., None, None], dim=2).squeeze(2)
        return Found(best.transpose(0, 1), least.T)

    @torch.no_grad()
    def nearest(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes ..."]:
        """The nearest sample of each class: to look at what the classifier took an input for."""
        latent = self.search(x).latent.transpose(0, 1).flatten(0, 1)
        with attacked(self.generator):
            return self.synthesise(latent, x.shape).transpose(0, 1)

    def calibrate(self, x: Float[Tensor, "batch ..."], keep: float = 0.95, *, batch_size: int = 500) -> float:
        r"""Set ``threshold`` so that a new input like ``x`` is refused with probability at most ``1 - keep``.

        It is the :math:`\lceil (n + 1)\, \mathrm{keep} \rceil`-th of the ``n`` least distances in order, as in split
        conformal prediction: that holds on the average over draws of ``x``, whatever the distribution is.

        Args:
            x: inputs that were not trained on.
            keep: the share to answer, in (0, 1).
            batch_size: how many at a time.

        Raises:
            ValueError: where ``keep`` is not in (0, 1), or the inputs are too few for it.
        """
        check_batch(x)
        if not 0 < check_number("keep", keep) < 1:
            raise ValueError(
                f"keep must lie between 0 and 1, got {keep}: it is the share of inputs to answer"
            )
        rank = max(1, math.ceil(round((len(x) + 1) * keep, 9)))
        if rank > len(x):
            least = math.ceil(round(keep / (1 - keep), 9))
            raise ValueError(f"{len(x)} inputs are too few to keep {keep:g} of them: give at least {least}")
        parts = [
            self.search(part).distance.amin(dim=1) for part in x.split(check_count("batch_size", batch_size))
        ]
        self.threshold.copy_(torch.cat(parts).sort().values[rank - 1])
        return float(self.threshold)

    @torch.no_grad()
    def predict(self, x: Float[Tensor, "batch ..."]) -> Int[Tensor, " batch"]:
        """The class of each input; -1 where it is refused.

        Raises:
            ValueError: where there is no threshold yet.
        """
        if not bool(self.threshold.isfinite()):
            raise ValueError("there is no threshold yet: calibrate(x) with inputs that were not trained on")
        least, label = self.search(x).distance.min(dim=1)
        return label.masked_fill(least > self.threshold, NO_CLASS)

    def synthesise(
        self, z: Float[Tensor, "points latent"], shape: torch.Size
    ) -> Float[Tensor, "classes _ ..."]:
        """The samples at ``z``, class by class, checked to have the inputs' shape."""
        y = torch.arange(self.classes, device=z.device).repeat_interleave(len(z) // self.classes)
        try:
            made = call_model(lambda z: self.generator(z, y), z)
        except RuntimeError as error:
            raise ValueError(
                f"the generator cannot take latent vectors {list(z.shape)} and classes {list(y.shape)}: is latent_size "
                f"right? A generator without classes goes into PerClass ({error})"
            ) from error
        if made.shape != (len(z), *shape[1:]):
            raise ValueError(
                f"the generator makes samples of the shape {tuple(made.shape[1:])} ({len(made)} of {len(z)} latent "
                f"vectors), the inputs have {tuple(shape[1:])}: bring the inputs to the shape that it was trained on, "
                "or let it end with theirs"
            )
        return made.unflatten(0, (self.classes, -1))


def check_batch(x: Tensor) -> None:
    """Raise ValueError for what is no batch of finite floating-point inputs."""
    check_floating(x, (-math.inf, math.inf))
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"inputs must be a batch of at least one, [batch, ...], got shape {tuple(x.shape)}")
    check_range(x, (-math.inf, math.inf))
