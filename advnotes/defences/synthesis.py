"""Classification by synthesis, Wang et al. 2017: the class whose generator comes closest, or none that comes close."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.checks import check_count, check_number
from advnotes.defences.parts.nearest_sample import (
    Found,
    check_batch,
    check_generator,
    samples_of_classes,
    search_classes,
)
from advnotes.generators.parts.likelihoods import normal_like
from advnotes.model_state import NO_CLASS, attacked

__all__ = ["SynthesisClassifier"]


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
            many of each class, class by class, and is in eval mode during the search. It draws no numbers of its own.
        latent_size: the number of latent coordinates.
        classes: how many there are, at least 2.
        steps: of each search, at least 1.
        restarts: from how many starts each class is searched, at least 1.
        step_size: Adam's first, in units of the latent vector; it falls to a tenth.
        source: what draws the starts. None: the global generator.

    Raises:
        ValueError: where a number is out of range, or the generator cannot be called or has other classes; when called,
            where inputs are no batch of finite floating-point numbers, the generator makes no sample of their shape for
            each latent vector, or a distance is not finite.

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
        self.classes, self.steps = check_count("classes", classes, least=2), check_count("steps", steps)
        check_generator(generator, classes)
        self.generator = generator
        self.step_size = check_number("step_size", step_size, above=0.0)
        shape = check_count("restarts", restarts), check_count("latent_size", latent_size)
        self.register_buffer("starts", normal_like(torch.empty(shape), source))
        self.register_buffer("threshold", torch.tensor(math.inf))

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """Minus the squared distance to the nearest sample of each class."""
        nearest = self.nearest(x)
        return -(x[:, None] - nearest).flatten(2).square().sum(dim=2)

    def search(self, x: Float[Tensor, "batch ..."]) -> Found:
        """The best point that the search sees in each class."""
        check_batch(x)
        return search_classes(
            self.generator, x, self.starts, classes=self.classes, steps=self.steps, step_size=self.step_size
        )

    @torch.no_grad()
    def nearest(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes ..."]:
        """The nearest sample of each class: to look at what the classifier took an input for."""
        latent = self.search(x).latent.transpose(0, 1).flatten(0, 1)
        with attacked(self.generator):
            return samples_of_classes(self.generator, latent, self.classes, x.shape).transpose(0, 1)

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
        refused = least.to(self.threshold.dtype) > self.threshold  # rounded as the threshold was
        return label.masked_fill(refused, NO_CLASS)
