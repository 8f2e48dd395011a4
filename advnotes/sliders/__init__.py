"""Figures that a reader slides through, frame by frame, or plays as a film; in print some of the frames."""

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from advnotes.notebook import in_notebook

__all__ = ["show"]

DOTS, SHOWN = 160, 110  # pixels of an inch: in the file, and on the page
COLUMN = 7.2  # inches: the text column
COLOURS = 128  # of a frame: lines, dots and digits need no more, and take half of the room
MOST = 450_000  # characters of the frames together: a page is to stay under 2 MB
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def show(
    frames: Iterable[Figure],
    labels: Sequence[str],
    *,
    name: str,
    alt: str,
    alts: Sequence[str] = (),
    still: Sequence[int] = (-1,),
) -> None:
    """Display figures of one size as one, with a slider between them and a button that plays them.

    Everything is in the output itself, and nothing is loaded. It is moved by mouse, touch and keyboard. Nothing moves
    by itself, and the button is not there for a reader who has asked for less motion. Where no script runs, and in
    print, only the frames named by ``still`` are shown, so each frame says in its title which one it is. The same
    figures give the same bytes on the same machine.

    Args:
        frames: the figures, best drawn by a generator: each is closed before the next one is asked for.
        labels: what the slider says at each frame, such as a value of ``name``.
        name: what changes from frame to frame, in a word: "λ", "round".
        alt: a sentence that says what the whole shows; it is the figure's caption.
        alts: what each frame shows, for whoever does not see it; without it that is ``alt`` for all.
        still: places of the frames for print, from 0 or, as in a list, from the end; the slider begins at the last.

    Raises:
        ValueError: where there are fewer than two frames, frames of several sizes or too many of them for a page, where
            there is not one label for each, or ``alt`` says next to nothing.
    """
    if len(alt) < 15:
        raise ValueError(f"alt must say in a sentence what the frames show, got {alt!r}")
    if not name.strip():
        raise ValueError(
            f"name must say what changes from frame to frame, such as 'λ' or 'round', got {name!r}"
        )
    pictures = [_picture(figure) for figure in frames]
    _check(pictures, labels, alts, still)
    places = [range(len(pictures))[place] for place in still]
    stills = _in_rows([pictures[place] for place in places])
    html = _html(pictures, labels, name, alts or [alt] * len(pictures), places)
    if in_notebook():
        from IPython.display import display

        width, height = _on_page(stills)
        display(
            {"text/html": html, "image/png": _coded(stills, "PNG", optimize=True), "text/plain": alt},
            metadata={"image/png": {"alt": alt, "width": width, "height": height}},
            raw=True,
        )


def _check(
    pictures: Sequence[Image.Image], labels: Sequence[str], alts: Sequence[str], still: Sequence[int]
) -> None:
    count, sizes = len(pictures), {picture.size for picture in pictures}
    if count < 2:
        raise ValueError(
            f"a slider wants two frames or more, got {count}: show a single figure with plots.show"
        )
    for what, texts in (("labels", labels), ("alts", alts or labels)):
        if len(texts) != count:
            raise ValueError(f"{what} has one text for each frame, got {len(texts)} for {count} frames")
    if len(sizes) > 1:
        raise ValueError(f"frames must be of one size, got {sorted(sizes)} pixels: give all one figsize")
    if not still or not all(-count <= place < count for place in still):
        raise ValueError(f"still names one of the {count} frames or more by their places, got {tuple(still)}")


def _html(
    pictures: Sequence[Image.Image],
    labels: Sequence[str],
    name: str,
    alts: Sequence[str],
    places: Sequence[int],
) -> str:
    """What is displayed where scripts run."""
    coded = [_coded(picture, "WEBP", lossless=True, method=4) for picture in pictures]
    if (size := sum(map(len, coded))) > MOST:
        raise ValueError(
            f"the frames take {size:,} characters of the page, more than {MOST:,}: draw fewer or smaller ones"
        )
    frames = [
        {"data": data, "label": label, "alt": f"{name} {label}: {alt}", "still": place in places}
        for place, (data, label, alt) in enumerate(zip(coded, labels, alts, strict=True))
    ]
    width, height = _on_page(pictures[0])
    return TEMPLATES.get_template("slider.html").render(
        frames=frames, name=name, start=places[-1], width=width, height=height, room=max(map(len, labels))
    )


def _on_page(picture: Image.Image) -> tuple[int, int]:
    """Width and height in the pixels of a page."""
    width, height = (round(SHOWN * side / DOTS) for side in picture.size)
    return width, height


def _picture(figure: Figure) -> Image.Image:
    """A figure as it is drawn, in few colours; the figure is closed."""
    buffer = io.BytesIO()
    try:
        figure.savefig(buffer, format="png", dpi=DOTS)
    finally:
        plt.close(figure)
    with Image.open(buffer) as image:
        return image.convert("RGBA").quantize(COLOURS, method=Image.Quantize.FASTOCTREE).convert("RGBA")


def _in_rows(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size as one, as many beside each other as a text column holds."""
    width, height = pictures[0].size
    columns = max(1, min(len(pictures), round(COLUMN * DOTS) // width))
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGBA", (width * columns, height * rows))
    for place, picture in enumerate(pictures):
        whole.paste(picture, (place % columns * width, place // columns * height))
    return whole


def _coded(picture: Image.Image, kind: str, **options: object) -> str:
    """A picture's file in base64."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode()
