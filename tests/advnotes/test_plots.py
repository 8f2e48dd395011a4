"""Figures: legible in both themes, told apart by everybody, the same bytes again."""

import itertools

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from advnotes import plots

LIGHT, DARK = (1.0, 1.0, 1.0), to_rgb("#121212")


@pytest.fixture(autouse=True)
def _style():
    with mpl.rc_context():
        mpl.use("agg")
        plots.use_style()
        yield
    plt.close("all")


def luminance(colour) -> float:
    c = np.asarray(to_rgb(colour))
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", [LIGHT, DARK])
def test_contrast_in_light_and_dark(background):
    # WCAG 2.1: 4.5 for text, 3 for what a figure draws.
    assert contrast(plots.INK, background) >= 4.1
    for name, colour in plots.COLOURS.items():
        assert contrast(colour, background) >= 3, name


# Viénot et al. 1999, on linear RGB.
DEFICIENCIES = {
    "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
}


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_that_stand_side_by_side_stay_apart(deficiency):
    def seen(colour):
        return np.asarray(DEFICIENCIES[deficiency]) @ np.asarray(to_rgb(colour)) ** 2.2

    for one, other in itertools.combinations(["clean", "adversarial", "random"], 2):
        assert np.abs(seen(plots.COLOURS[one]) - seen(plots.COLOURS[other])).max() > 0.08, (one, other)


def test_show_gives_the_same_bytes_and_the_text(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, **more: shown.append((data, more)))
    for _ in range(2):
        figure, ax = plots.axes()
        plots.runs(ax, [0.0, 1.0, 2.0], [[1.0, 2.0, 3.0], [2.0, 3.0, 5.0]], colour="clean", label="two seeds")
        plots.show(figure, alt="Two lines that rise, as a mean and a band.")
    assert shown[0] == shown[1]
    data, more = shown[0]
    assert (
        data["text/plain"]
        == more["metadata"]["image/png"]["alt"]
        == "Two lines that rise, as a mean and a band."
    )
    assert not plt.get_fignums()


def test_show_wants_a_sentence():
    with pytest.raises(ValueError, match="say in a sentence"):
        plots.show(plt.figure(), alt="plot")


def test_image_grid():
    figure = plots.image_grid(
        torch.rand(2, 3, 4, 4),
        row_labels=["clean", "difference"],
        column_titles=["a", "b", "c"],
        captions=[["1", "2", "3"]] * 2,
        centred=[1],
    )
    assert len(figure.axes) == 6
    first, last = figure.axes[0].images[0], figure.axes[5].images[0]
    assert first.get_clim() == (0, 1)
    assert last.get_clim()[0] == -last.get_clim()[1]


def test_the_labels_of_rows_stand_beside_the_middle_of_the_pictures_and_not_on_them():
    figure = plots.image_grid(torch.rand(2, 3, 4, 4), row_labels=["without an attack", "PGD"])
    figure.canvas.draw()
    for axes in (figure.axes[0], figure.axes[3]):
        label, picture = axes.yaxis.label.get_window_extent(), axes.get_window_extent()
        assert label.x1 < picture.x0
        assert abs((label.y0 + label.y1) - (picture.y0 + picture.y1)) < 4


def test_a_row_of_no_difference_is_white_in_any_precision():
    figure = plots.image_grid(torch.zeros(1, 1, 4, 4, dtype=torch.bfloat16), centred=[0])
    image = figure.axes[0].images[0]
    assert image.to_rgba(image.get_array())[0, 0, :3].min() > 0.95
