"""Transfer: attack networks that are known, to fool one that is not."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes.attacks.parts.wrapper import Wrapper
from advnotes.model_state import Model, attacked
from advnotes.seeds import Source

__all__ = ["Transfer"]


@dataclass(frozen=True)
class Transfer(Wrapper):
    r"""An attack made on source models; the attacked model is not asked (Szegedy et al. 2013, section 4.2).

    .. math:: \max_{\delta \in \Delta} L\Bigl(\frac1n \sum_{i=1}^n f_i(x + \delta),\; y\Bigr)

    Several sources are attacked through their mean logits: what fools them all is likelier to fool one more (Liu et
    al. 2016, section 5.1).

    Args:
        attack: the attack on the sources. With ``early_stop`` a sample is done when the sources are fooled, which
            travels less far.
        sources: one model or several (a list or an ``nn.ModuleList``), with the classes of the attacked one. They
            are put into eval mode (or train mode, with ``training=True`` in the attack) for the time of the attack.

    Called like every attack, ``Transfer(PGD(Linf(0.2)), [known])(model, x, y)``: ``model`` is only there to be
    judged by, and gets neither a forward pass nor a gradient.

    Differs from the paper: Liu et al. average probabilities; logits leave a confident source its gradient.

    Raises:
        ValueError: where there are no sources, or they cannot be called; when called, where their logits differ in
            shape.
    """

    sources: Model | Sequence[Model] | nn.ModuleList

    def __post_init__(self) -> None:
        super().__post_init__()
        given = list(self.sources) if isinstance(self.sources, (Sequence, nn.ModuleList)) else [self.sources]
        if not given or not all(map(callable, given)):
            raise ValueError(
                f"transfer wants a source model, or a list of at least one, got {self.sources!r}"
            )
        if isinstance(self.sources, nn.ModuleDict):
            raise ValueError(
                "transfer wants a source model or a list of them, got a ModuleDict, which cannot be asked: "
                "list(sources.values())"
            )

    @property
    def models(self) -> tuple[Model, ...]:
        """The source models."""
        if isinstance(self.sources, (Sequence, nn.ModuleList)):
            return tuple(self.sources)
        return (self.sources,)

    @property
    def estimated_passes(self) -> int:
        """None: the attacked model is not asked."""
        return 0

    def perturb(
        self, model: Model, x: Float[Tensor, "batch ..."], y: Int[Tensor, " batch"], generator: Source = None
    ) -> Float[Tensor, "batch ..."]:
        with ExitStack() as stack:
            for source in self.models:
                stack.enter_context(attacked(source, self.training))
            copies = [self.attack.prepare(source, x) for source in self.models]
            return self.attack.perturb(copies[0] if len(copies) == 1 else Mean(copies), x, y, generator)

    def faster(self, model: Model, x: Float[Tensor, "batch ..."]) -> Model:
        """The model itself: preparing a copy would ask it, and the copies that are worth having are the sources'."""
        return model


@dataclass(frozen=True)
class Mean:
    """The mean logits of several models."""

    models: Sequence[Model]

    def __call__(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        logits = [model(x) for model in self.models]
        if len({one.shape for one in logits}) > 1:
            raise ValueError(
                f"the sources must agree in their classes, got logits of shapes {[tuple(one.shape) for one in logits]}"
            )
        return torch.stack(logits).mean(dim=0)
