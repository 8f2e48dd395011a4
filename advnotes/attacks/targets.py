"""Classes to reach, for attacks with ``targeted=True``."""

from jaxtyping import Float, Int
from torch import Tensor

from advnotes.checks import check_count, check_label_range, check_logits
from advnotes.seeds import Source, uniform

__all__ = ["least_likely", "random_targets"]


def random_targets(y: Int[Tensor, " batch"], classes: int, generator: Source = None) -> Int[Tensor, " batch"]:
    """A wrong class for each sample, each as likely as any other.

    Args:
        y: the true classes.
        classes: how many there are, at least 2.
        generator: see :data:`advnotes.seeds.Source`.

    Raises:
        ValueError: where there are fewer than two classes, or a label is none of them.
    """
    check_count("classes", classes, least=2)
    check_label_range(y, classes)
    # The product of a number just below 1 may be rounded up to the number of wrong classes.
    drawn = (uniform(y.float(), 1, generator).squeeze(1) * (classes - 1)).long().clamp_max(classes - 2)
    return drawn + (drawn >= y)


def least_likely(logits: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """The wrong class with the lowest logit, for each sample: the hardest to reach (Kurakin et al. 2016, section 2.3).

    Args:
        logits: the model's, at the samples as they are.
        y: the true classes, which are never chosen.
    """
    check_logits(logits, y)
    return logits.scatter(1, y[:, None], float("inf")).argmin(dim=1)
