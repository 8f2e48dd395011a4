"""What a detector answers."""

from torch import Tensor

__all__ = ["check_scores"]


def check_scores(scores: object, count: int) -> Tensor:
    """The scores; raise ValueError for what is not one real number for each of ``count`` inputs."""
    if not isinstance(scores, Tensor):
        raise ValueError(f"a detector must return a tensor of scores, got {type(scores).__name__}")
    if not scores.is_floating_point():
        raise ValueError(
            f"a detector must return scores, real numbers that are higher where an input is more suspicious, got "
            f"{scores.dtype}: the number that is compared with a threshold, not the answer yes or no"
        )
    if scores.shape != (count,):
        raise ValueError(
            f"a detector must return one score for each of the {count} inputs, got shape {tuple(scores.shape)}"
            + (": squeeze(1)?" if scores.shape == (count, 1) else "")
        )
    return scores
