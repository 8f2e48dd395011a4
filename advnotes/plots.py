"""Figures that read in light and dark, for every kind of colour vision, each with a text that says what it shows."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from advnotes.notebook import in_notebook

__all__ = ["COLOURS", "INK", "axes", "image_grid", "runs", "show", "use_style"]

#: Text and lines: 4.5:1 against white and 4.1:1 against the dark theme's background; no grey has 4.5:1 against both.
INK = "#767676"

#: What a colour means, in the whole book. Blue, orange, green and purple of about the same lightness, told apart by
#: the common kinds of colour blindness, each at least 3:1 against both backgrounds.
COLOURS: Mapping[str, str] = {
    "clean": "#2f86c6",
    "adversarial": "#d1620f",
    "random": "#2a9670",
    "robust": "#a065c4",
    "real": "#2f86c6",
    "generated": "#d1620f",
    "a": "#2f86c6",
    "b": "#d1620f",
    "theory": INK,
    "neutral": INK,
}

WIDTH = 7.2  # inches: the text column


def use_style() -> None:
    """Set matplotlib to the book's style, for the whole process."""
    mpl.rcParams.update(
        {
            "axes.edgecolor": INK,
            "axes.facecolor": "none",
            "axes.grid": True,
            "axes.labelcolor": INK,
            "axes.prop_cycle": cycler(color=[COLOURS[c] for c in ("a", "b", "random", "robust", "neutral")]),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlecolor": INK,
            "axes.titlelocation": "left",
            "axes.titlesize": 10.5,
            "axes.titleweight": "bold",
            "figure.constrained_layout.use": True,
            "figure.facecolor": "none",
            "font.size": 9.5,
            "grid.alpha": 0.22,
            "grid.color": INK,
            "legend.frameon": False,
            "legend.labelcolor": INK,
            "lines.linewidth": 1.8,
            "savefig.facecolor": "none",
            "savefig.transparent": True,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    )


def axes(rows: int = 1, columns: int = 1, *, height: float = 2.8, **options: Any) -> tuple[Figure, Any]:
    """A figure of the text column's width.

    Args:
        rows, columns: the grid of axes.
        height: of one row, in inches.
        options: for :func:`matplotlib.pyplot.subplots`.

    Returns:
        The figure and its axes (one, or an array of them).
    """
    return plt.subplots(rows, columns, figsize=(WIDTH, height * rows), **options)


def runs(
    ax: Axes, x: Sequence[float], values: Sequence[Sequence[float]], *, colour: str, label: str, **line: Any
) -> None:
    """Draw the mean over seeds as a line, their range as a band.

    Args:
        ax: where to draw.
        x: the positions.
        values: one sequence for each seed, each as long as ``x``.
        colour: a name in :data:`COLOURS`.
        label: for the legend.
        line: for :meth:`matplotlib.axes.Axes.plot`.
    """
    table = np.asarray(values, dtype=float)
    ax.plot(x, table.mean(axis=0), color=COLOURS[colour], label=label, **line)
    if len(table) > 1:
        ax.fill_between(
            x, table.min(axis=0), table.max(axis=0), color=COLOURS[colour], alpha=0.2, linewidth=0
        )


def image_grid(
    images: Float[Tensor, "rows columns height width"],
    *,
    row_labels: Sequence[str] = (),
    column_titles: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    centred: Sequence[int] = (),
    size: float = 0.85,
) -> Figure:
    """Grey images in rows and columns.

    Args:
        images: values in [0, 1].
        row_labels, column_titles: one for each row or column, or none.
        captions: a short text under each image, by row and column.
        centred: the rows that hold differences around 0, drawn from blue over white to red by their own size.
        size: the side of an image, in inches.
    """
    rows, columns = images.shape[:2]
    room = 0.22 if captions else 0.04
    side = min(size, (WIDTH - 1.0 * bool(row_labels)) / columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        squeeze=False,
        figsize=(side * columns + 1.0 * bool(row_labels), (side + room) * rows + 0.2),
    )
    for r in range(rows):
        # Where nothing differs, any span will do but 0, which would paint it all in the colour of the lowest value.
        span = (float(images[r].abs().max()) or 1.0) if r in centred else 1.0
        for c in range(columns):
            ax = grid[r, c]
            ax.imshow(
                images[r, c].detach().float().cpu().numpy(),
                cmap="RdBu_r" if r in centred else "gray",
                vmin=-span if r in centred else 0,
                vmax=span,
                interpolation="nearest",
            )
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            for side_of_box in ax.spines.values():
                side_of_box.set_visible(False)
            if captions:
                ax.set_xlabel(captions[r][c], fontsize=8, labelpad=2)
            if column_titles and r == 0:
                ax.set_title(column_titles[c], fontsize=9, loc="center")
        if row_labels:
            grid[r, 0].set_ylabel(row_labels[r], rotation=0, ha="right", va="center", fontsize=9)
    return figure


def show(figure: Figure, alt: str) -> None:
    """Display a figure in a notebook with the text that stands for it where it cannot be seen, and close it.

    The same figure gives the same bytes on the same machine.

    Raises:
        ValueError: where ``alt`` says next to nothing.
    """
    if len(alt) < 15:
        raise ValueError(f"alt must say in a sentence what the figure shows, got {alt!r}")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    width, height = (round(110 * inches) for inches in figure.get_size_inches())
    plt.close(figure)
    if in_notebook():
        from IPython.display import display

        display(
            {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": alt},
            metadata={"image/png": {"alt": alt, "width": width, "height": height}},
            raw=True,
        )
