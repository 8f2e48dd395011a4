"""Figures to slide through: all in one output, the same bytes again, and errors that say what to mend."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from PIL import Image

from advnotes import plots, sliders

ALT = "A dot that moves from left to right."


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context():
        mpl.use("agg")
        plots.use_style()
        yield
    plt.close("all")


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is displayed: data and metadata."""
    shown: list[Any] = []
    monkeypatch.setattr(sliders, "in_notebook", lambda: True)
    monkeypatch.setattr(
        "IPython.display.display", lambda data, metadata, raw: shown.append((data, metadata, raw))
    )
    return shown


def draw(place: float, width: float = 2.0) -> Figure:
    figure, ax = plt.subplots(figsize=(width, 1.5))
    ax.plot(place, 0.5, "o", markersize=14)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    return figure


def slide(count: int = 3, **options: Any) -> None:
    frames = (draw((k + 1) / (count + 1)) for k in range(count))
    given = {"labels": [str(k) for k in range(count)], "name": "place", "alt": ALT}
    sliders.show(frames, **{**given, **options})


def images(html: str) -> list[Any]:
    return BeautifulSoup(html, "html.parser").select("img")


def pixels(data: str) -> np.ndarray:
    """As they are seen: where nothing is drawn, the colour does not count."""
    image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)).astype(int)


def test_one_output_holds_the_frames_a_still_and_the_sentence(displayed: list[Any]) -> None:
    slide(alts=["left", "middle", "right"])
    ((data, metadata, raw),) = displayed
    assert raw
    assert data["text/plain"] == metadata["image/png"]["alt"] == ALT
    frames = images(data["text/html"])
    assert [frame["alt"] for frame in frames] == ["place 0: left", "place 1: middle", "place 2: right"]
    assert all(frame["src"].startswith("data:image/webp;base64,") for frame in frames)
    # Where the dot is: further to the right from frame to frame; the still is the last frame.
    drawn = [pixels(frame["src"].split(",")[1]) for frame in frames]
    blue = [(frame[..., 2] > frame[..., 0] + 60).nonzero()[1].mean() for frame in drawn]
    assert blue[0] + 20 < blue[1] < blue[2] - 20
    assert np.array_equal(pixels(data["image/png"]), drawn[2])
    assert metadata["image/png"]["width"] == int(frames[0]["width"]) == 220


def test_nothing_is_loaded(displayed: list[Any]) -> None:
    slide()
    page = BeautifulSoup(displayed[0][0]["text/html"], "html.parser")
    assert not page.select("link, script[src], iframe")
    assert all(tag["src"].startswith("data:") for tag in page.select("[src]"))
    assert not [text for text in page.stripped_strings if "://" in text or "@import" in text]


def test_the_same_figures_give_the_same_bytes(displayed: list[Any]) -> None:
    slide()
    slide()
    assert displayed[0] == displayed[1]


def test_texts_are_texts(displayed: list[Any]) -> None:
    slide(alt='An angle bracket <b> & "quotes", twenty of them.')
    page = BeautifulSoup(displayed[0][0]["text/html"], "html.parser")
    assert not page.select("b")
    assert page.img["alt"] == 'place 0: An angle bracket <b> & "quotes", twenty of them.'


def test_frames_are_drawn_and_closed_one_at_a_time() -> None:
    open_figures = []

    def frames() -> Iterator[Figure]:
        for k in range(4):
            open_figures.append(len(plt.get_fignums()))
            yield draw(k / 4)

    sliders.show(frames(), list("abcd"), name="letter", alt=ALT)
    assert open_figures == [0, 0, 0, 0]
    assert not plt.get_fignums()


@pytest.mark.parametrize(("still", "width", "height"), [((0, -1), 440, 165), ((0, 1, 2, 3), 660, 330)])
def test_the_still_has_as_many_frames_beside_each_other_as_the_column_holds(
    displayed: list[Any], still: tuple[int, ...], width: int, height: int
) -> None:
    slide(4, still=still)
    data, metadata, _ = displayed[0]
    described = metadata["image/png"]
    assert (described["width"], described["height"]) == (width, height)
    marked = [k for k, frame in enumerate(images(data["text/html"])) if "still" in frame.get("class", [])]
    assert marked == [k % 4 for k in still]
    assert f'value="{still[-1] % 4}"' in data["text/html"]  # where the slider begins


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"count": 0}, "two frames or more, got 0"),
        ({"count": 1}, "two frames or more, got 1"),
        ({"labels": ["a", "b"]}, "labels has one text for each frame, got 2 for 3 frames"),
        ({"alts": ["a"]}, "alts has one text for each frame, got 1 for 3 frames"),
        ({"alt": ""}, "alt must say in a sentence"),
        ({"alt": "plot"}, "alt must say in a sentence"),
        ({"name": " "}, "name must say what changes"),
        ({"still": ()}, "still names one of the 3 frames"),
        ({"still": (3,)}, "still names one of the 3 frames"),
    ],
)
def test_bad_input_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        slide(**options)
    assert not plt.get_fignums()


def test_frames_of_several_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one size, got \[\(320, 240\), \(480, 240\)\]"):
        sliders.show([draw(0.5), draw(0.5, width=3.0)], ["a", "b"], name="size", alt=ALT)


def test_frames_that_a_page_has_no_room_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliders, "MOST", 1000)
    with pytest.raises(ValueError, match=r"more than 1,000: draw fewer or smaller ones"):
        slide()
