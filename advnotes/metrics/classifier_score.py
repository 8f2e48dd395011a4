"""The Inception score of Salimans et al. 2016, on whatever classifier is stated: how sure, and how varied."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Num
from torch import Tensor

from advnotes.checks import check_count
from advnotes.metrics.features import AnyArray, as_matrix

__all__ = ["ClassifierScore", "classifier_score"]


class ClassifierScore(NamedTuple):
    """The score, the mean over the splits, and how much the splits differ (their standard deviation)."""

    score: float
    deviation: float


def classifier_score(
    logits: Num[Tensor, "samples classes"] | Num[AnyArray, "samples classes"],
    splits: int = 10,
    generator: torch.Generator | None = None,
) -> ClassifierScore:
    r"""How surely a classifier reads the samples, and how evenly they spread over its classes.

    .. math:: \exp\, \mathbb E_x\, \mathrm{KL}\bigl(p(y \mid x) \,\|\, p(y)\bigr), \qquad p(y) = \mathbb E_x\, p(y \mid
        x)

    (Salimans et al. 2016, section 4.) The expectations are means over the samples of a split. From 1, where all answers
    are the same, up to the number of classes, where all are certain and the classes are equally frequent. With the
    authors' classifier of ImageNet it is the Inception score; name the classifier beside any other, such as
    ``classifier_score(advnotes.zoo.mnist_judge()(digits))``.

    It asks for no real data. A generator that repeats one good sample of each class gets the highest score there is,
    and nothing that happens within a class changes it: report it with :func:`~advnotes.metrics.precision_recall` or
    :func:`~advnotes.metrics.frechet_distance`.

    Args:
        logits: the classifier's, a sample in each row; logarithms of probabilities will do. Computed in float64.
        splits: into how many equal parts the samples are cut; the score is the mean over them.
        generator: shuffles the samples before they are cut, for samples that are sorted by class, say; None: they are
            cut in the order in which they came.

    Returns:
        The score and its standard deviation over the splits, which is 0 for one split.

    Raises:
        ValueError: where ``splits`` is less than 1, a split would have fewer samples than there are classes (it could
            not reach the highest score, and a single sample always scores 1), there are fewer than two classes, or
            logits are not finite, or are probabilities.
    """
    check_count("splits", splits)
    rows = as_matrix("logits", logits).double()
    n, classes = rows.shape
    if classes < 2:
        raise ValueError(f"logits must be of two classes or more, got the shape {tuple(rows.shape)}")
    if n < splits * classes:
        raise ValueError(
            f"a score over {splits} splits wants at least as many samples in each as there are classes, {splits} x "
            f"{classes} = {splits * classes}, got {n}: pass more samples (the paper's are 50,000), or fewer splits"
        )
    if bool((rows >= 0).all()) and bool(((rows.sum(dim=1) - 1).abs() < 1e-2).all()):
        raise ValueError(
            "logits must be logits or logarithms of probabilities, got rows of numbers from 0 that sum to 1: these are "
            "probabilities; leave the softmax out, or pass p.clamp_min(1e-30).log()"
        )
    if generator is not None:
        rows = rows[torch.randperm(n, generator=generator, device=generator.device).to(rows.device)]
    edges = [i * n // splits for i in range(splits + 1)]
    scores = [_score(rows[a:b].log_softmax(dim=1)) for a, b in pairwise(edges)]
    return ClassifierScore(float(np.mean(scores)), float(np.std(scores)))


def _score(log_p: Tensor) -> float:
    """Of one split, from the logarithms of the probabilities."""
    log_mean = log_p.logsumexp(dim=0) - torch.tensor(float(len(log_p)), dtype=log_p.dtype).log()
    return float((log_p.exp() * (log_p - log_mean)).sum(dim=1).mean().exp())
