"""Rival-penalised competitive learning, Xu, Krzyżak and Oja 1993: the winner comes closer, its rival is pushed away."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from advnotes.checks import check_count, check_number
from advnotes.decisions.parts.arrays import float_array

__all__ = ["Competition", "rival_penalised", "survivors"]

Array = NDArray[np.float64]


class Competition(NamedTuple):
    """What :func:`rival_penalised` returns.

    ``centres``: where the units end, ``[runs, units, columns]``. ``wins``: how often each has won, ``[runs, units]``.
    ``path``: where they were before the first epoch and after each, ``[epochs + 1, runs, units, columns]``.
    """

    centres: Array
    wins: Array
    path: Array


def rival_penalised(
    x: ArrayLike,
    units: int = 12,
    *,
    penalty: float = 0.5,
    learning_rate: float = 0.05,
    epochs: int = 20,
    runs: int = 1,
    generator: np.random.Generator | None = None,
) -> Competition:
    r"""Units compete for samples; more of them than there are clusters, so that some are driven out of the data.

    For each sample :math:`x` the winner and its rival are

    .. math::
        c = \arg\min_j \gamma_j \lVert x - w_j \rVert^2, \qquad
        r = \arg\min_{j \ne c} \gamma_j \lVert x - w_j \rVert^2, \qquad \gamma_j = \frac{n_j}{\sum_i n_i},

    where :math:`n_j` counts what unit :math:`j` has won: who wins often is handicapped. Then

    .. math:: w_c \leftarrow w_c + \alpha\,(x - w_c), \qquad w_r \leftarrow w_r - \beta\,(x - w_r).

    Without the push, :math:`\beta = 0`, it is frequency-sensitive competitive learning, and all units stay.
    :func:`survivors` says which units are left, and whose samples are whose. They are pushed too, and so end beyond the
    middle of their samples: for that take the mean.

    Args:
        x: samples ``[n, columns]``, two or more that differ; the scale of all together does not matter.
        units: how many compete, from 2 to n. They start at as many random samples.
        penalty: :math:`\beta / \alpha`, the rival's step beside the winner's, from 0 to 1. It decides, together with
            ``units``, how many survive.
        learning_rate: :math:`\alpha`, in (0, 1], falling linearly to 0.
        epochs: passes over the samples, each in a new random order.
        runs: independent competitions, all at once.
        generator: :class:`numpy.random.Generator`, for starts and orders; None: a new one without a seed.

    Raises:
        ValueError: where the samples are no finite table, are all alike, or are fewer than the units; where a number
            is out of range.

    Source: Xu, Krzyżak and Oja 1993, IEEE Transactions on Neural Networks 4(4).

    Differs from the paper: both rates fall to 0, so that the units come to rest.
    """
    x = check_samples(x)
    n, units = len(x), check_count("units", units, least=2)
    epochs, runs = check_count("epochs", epochs), check_count("runs", runs)
    alpha = check_number("learning_rate", learning_rate, above=0.0, most=1.0)
    beta = alpha * check_number("penalty", penalty, least=0.0, most=1.0)
    if units > n:
        raise ValueError(f"{units} units need as many samples to start from, got {n}: take fewer units")
    random = np.random.default_rng() if generator is None else generator
    if not isinstance(random, np.random.Generator):
        raise ValueError(
            f"generator must be a numpy.random.Generator, got {generator!r}: np.random.default_rng(0)"
        )
    w = x[random.permuted(np.tile(np.arange(n), (runs, 1)), axis=1)[:, :units]]
    wins, every, path = np.ones((runs, units)), np.arange(runs), [w.copy()]
    for epoch in range(epochs):
        orders = random.permuted(np.tile(np.arange(n), (runs, 1)), axis=1)
        for step, sample in enumerate(orders.T, start=epoch * n):
            fade = 1 - step / (epochs * n)
            away = x[sample, None] - w
            cost = wins * np.einsum("ruc,ruc->ru", away, away)  # the sum of the wins is the same for all
            winner = cost.argmin(axis=1)
            cost[every, winner] = np.inf
            rival = cost.argmin(axis=1)
            w[every, winner] += fade * alpha * away[every, winner]
            w[every, rival] -= fade * beta * away[every, rival]
            wins[every, winner] += 1
        path.append(w.copy())
    return Competition(w, wins - 1, np.stack(path))


def survivors(
    x: ArrayLike, centres: ArrayLike, least: float = 0.01
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The units that are left, and the place among them of the nearest one to each sample.

    The unit that is nearest to the fewest samples leaves, as long as these are no more than the share ``least`` of all;
    its samples go to the next.

    Args:
        x: samples ``[n, columns]``.
        centres: of one run, ``[units, columns]``.
        least: a share, from 0 (who is nearest to none leaves) to below 1.

    Returns:
        ``(units, labels)``: numbers of units, and for each sample a place in them.

    Raises:
        ValueError: where the two do not fit each other, or a number is not finite or out of range.
    """
    x, centres = check_samples(x, differ=False), float_array(centres)
    check_number("least", least, least=0.0, most=0.99)
    if (
        centres.ndim != 2
        or centres.shape[1] != x.shape[1]
        or not len(centres)
        or not np.isfinite(centres).all()
    ):
        raise ValueError(
            f"expected finite centres of one run, [units, {x.shape[1]}], got the shape {centres.shape}: "
            "take those of one run, such as competition.centres[0]"
        )
    squares = ((x[:, None] - centres) ** 2).sum(axis=2)
    left = np.arange(len(centres))
    while True:
        nearest = squares[:, left].argmin(axis=1)
        counts = np.bincount(nearest, minlength=len(left))
        if counts.min() > least * len(x) or len(left) == 1:
            return left, nearest
        left = np.delete(left, counts.argmin())


def check_samples(x: ArrayLike, *, differ: bool = True) -> Array:
    """The samples as float64 ``[n, columns]``.

    Raises:
        ValueError: where they are something else, not finite, or all alike though they should ``differ``.
    """
    try:
        table = float_array(x)
    except ValueError as error:
        raise ValueError(f"expected samples as a table of numbers, [n, columns]: {error}") from None
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(
            f"expected samples as a table of numbers, [n, columns], got the shape {table.shape}: "
            "sequences go through advnotes.sklearn.SequenceClusterer"
        )
    if not np.isfinite(table).all():
        row = int((~np.isfinite(table)).any(axis=1).argmax())
        raise ValueError(
            f"expected finite samples, but row {row} has NaN or an infinite number: fill it or leave it out"
        )
    if differ and bool((table == table[0]).all()):
        raise ValueError(
            f"expected samples that differ, got {len(table)} of one kind: there is nothing to cluster"
        )
    if differ and not 1e-150 < np.abs(table - table[0]).max() < 1e150:
        raise ValueError(
            "expected samples that are 1e-150 to 1e150 apart, as the squares of others are 0 or infinite: scale them"
        )
    return table
