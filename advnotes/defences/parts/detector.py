"""What every detector is: a score for each input, a threshold from clean inputs, and flags."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from advnotes.attacks.parts.scores import check_scores
from advnotes.checks import check_count, check_floating, check_number
from advnotes.model_state import attacked

__all__ = ["AnyOf", "Detector"]


class Detector(nn.Module):
    r"""Says how suspicious an input is, and flags what is more suspicious than nearly all clean inputs.

    .. math:: \text{flagged}(x) \iff s(x) > \tau, \qquad \#\{i : s(x_i) > \tau\} \le \alpha n
        \text{ on } n \text{ clean } x_i

    For a score of your own pass the function; a subclass overrides :meth:`suspicion` instead. A score whose gradient
    leads to the input can be attacked by :class:`~advnotes.attacks.Evading`, which is how a detector is tried.

    Args:
        function: maps inputs to one score for each, ``[batch]``, higher where the input is more suspicious.

    Raises:
        ValueError: where it cannot be called; when called, where inputs or scores are not as expected.
    """

    clean: Tensor

    def __init__(self, function: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        if function is not None and not callable(function):
            raise ValueError(
                f"a detector wants a function that gives one score for each input, got {function!r}"
            )
        self.function = function
        self.register_buffer("clean", torch.empty(0))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """There are as many clean scores as were saved."""
        saved = state.get(prefix + "clean")
        if isinstance(saved, Tensor):
            self.clean = self.clean.new_empty(saved.shape)
        super()._load_from_state_dict(state, prefix, *rest)

    def suspicion(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        """The score itself, unchecked."""
        if self.function is None:
            raise ValueError(
                f"{type(self).__name__} has no score: pass a function, or define suspicion(x) -> [batch]"
            )
        return self.function(x)

    def score(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        """How suspicious each input is; differentiable where the score is."""
        return check_scores(self.suspicion(checked_inputs(x)), len(x))

    forward = score

    def calibrate(self, x: Float[Tensor, "n ..."], batch_size: int = 1000) -> Detector:
        """Note the scores of clean inputs, from which the thresholds come.

        Args:
            x: clean inputs that the detector has not been fitted to; the more, the surer the threshold.
            batch_size: how many are scored at once.

        Returns:
            The detector itself.
        """
        parts = checked_inputs(x).split(check_count("batch_size", batch_size))
        with torch.no_grad(), attacked(self):
            scores = torch.cat([self.score(part) for part in parts])
        if not bool(scores.isfinite().all()):
            raise ValueError(
                f"the scores of {int((~scores.isfinite()).sum())} of {len(scores)} clean inputs are not finite: a "
                "logarithm of 0 or a division by 0 in the score?"
            )
        self.clean = scores.sort().values
        return self

    def threshold(self, false_positives: float = 0.05) -> float:
        r"""The least :math:`\tau` that flags at most this share of the clean inputs.

        Args:
            false_positives: the share :math:`\alpha`, from 0 on and below 1.

        Raises:
            ValueError: before :meth:`calibrate`, or where the share lies elsewhere.
        """
        if len(self.clean) == 0:
            raise ValueError(
                "the detector knows no clean inputs yet: calibrate(x) it on some that it was not fitted to"
            )
        share = check_number("false_positives", false_positives, least=0.0, most=1.0)
        if share == 1:
            raise ValueError("false_positives must be below 1, got 1: that would flag everything")
        return float(self.clean[len(self.clean) - 1 - math.floor(share * len(self.clean) + 1e-9)])

    @torch.no_grad()
    def flags(self, x: Float[Tensor, "batch ..."], false_positives: float = 0.05) -> Bool[Tensor, " batch"]:
        """Which inputs are flagged; one whose score is no number is."""
        with attacked(self):
            return ~(self.score(x) <= self.threshold(false_positives))


class AnyOf(Detector):
    r"""Several detectors, of which each can flag: the largest of their scores, each in a unit of its own.

    .. math:: s(x) = \max_k \frac{s_k(x) - m_k}{q_k - m_k}

    with the median :math:`m_k` and the 95th percentile :math:`q_k` of the clean scores. An adversary has to pass all of
    them at once, and the share of false positives is that of all together: :meth:`calibrate` this one too.

    Args:
        detectors: at least one, each calibrated.

    Raises:
        ValueError: where there is none, or one is no detector, is not calibrated, or gives most clean inputs one score.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, detectors: Sequence[Detector]) -> None:
        super().__init__()
        members = list(detectors) if isinstance(detectors, Iterable) else []
        if not members or not all(isinstance(member, Detector) for member in members):
            raise ValueError(f"AnyOf wants a list of at least one Detector, got {detectors!r}")
        ends = torch.tensor([[member.threshold(share) for share in (0.5, 0.05)] for member in members])
        if not bool((ends[:, 1] > ends[:, 0]).all()):
            raise ValueError(
                "each detector must tell clean inputs apart, and one gives half of them its 95th percentile: leave it "
                "out, or calibrate it on more inputs"
            )
        self.members = nn.ModuleList(members)
        device = members[0].clean.device
        self.register_buffer("middle", ends[:, 0].to(device))
        self.register_buffer("spread", (ends[:, 1] - ends[:, 0]).to(device))

    def suspicion(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
        scores = torch.stack([member(x) for member in self.members], dim=1)
        return ((scores - self.middle) / self.spread).amax(dim=1)


def checked_inputs(x: object) -> Tensor:
    """The inputs; raise ValueError for what is no batch of real numbers."""
    if not isinstance(x, Tensor):
        raise ValueError(f"inputs must be a tensor, got {type(x).__name__}: torch.as_tensor(x)")
    check_floating(x)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"inputs must be a batch of at least one, [batch, ...], got shape {tuple(x.shape)}")
    return x
