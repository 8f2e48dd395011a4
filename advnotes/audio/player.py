"""Sounds to listen to in a page, side by side, each with its label."""

import base64
import io
import wave
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from torch import Tensor

from advnotes.audio.mel import check_floats
from advnotes.checks import check_count
from advnotes.notebook import in_notebook

__all__ = ["listen", "wav"]

MOST = 600_000  # characters of the sounds together: a page is to stay under 2 MB
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def wav(sound: Float[Tensor, "*one samples"], rate: int) -> bytes:
    """A sound with values in [-1, 1] as a WAV file of one channel and 16 bits; what is louder is clipped.

    The same sound gives the same bytes. Nothing is made louder or softer, so that sounds can be compared.

    Raises:
        ValueError: where it is no single sound, is empty, or has values that are not finite or not floating point: of
            whole numbers nearly all would be clipped.
    """
    check_count("rate", rate)
    check_floats(sound)
    samples = sound.detach().to("cpu", torch.float64)
    if (
        samples.ndim == 0
        or samples.numel() == 0
        or samples.numel() != samples.shape[-1]
        or not samples.isfinite().all()
    ):
        raise ValueError(
            f"expected one sound of finite numbers, [samples] or [1, samples], got the shape {tuple(samples.shape)}"
        )
    whole = (samples.flatten().clamp(-1, 1) * 32767).round().to(torch.int16)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.numpy().astype("<i2").tobytes())
    return buffer.getvalue()


def listen(sounds: Mapping[str, Float[Tensor, "*one samples"]], rate: int, alt: str) -> None:
    """Display sounds with a player for each, in one output that loads nothing and plays nothing by itself.

    Args:
        sounds: each by its label, with values in [-1, 1].
        rate: samples a second.
        alt: a sentence that says what there is to hear; it is the caption, and all that is left in print.

    Raises:
        ValueError: where there are none or too many for a page, a label or ``alt`` says next to nothing, or a sound is
            none (see :func:`wav`).
    """
    if len(alt) < 15:
        raise ValueError(f"alt must say in a sentence what there is to hear, got {alt!r}")
    if not sounds or not all(label.strip() for label in sounds):
        raise ValueError(f"expected sounds by their labels, got {list(sounds)}")
    coded = [
        {"label": label, "data": base64.b64encode(wav(sound, rate)).decode()}
        for label, sound in sounds.items()
    ]
    if (size := sum(len(sound["data"]) for sound in coded)) > MOST:
        raise ValueError(
            f"the sounds take {size:,} characters of the page, more than {MOST:,}: play fewer or shorter ones"
        )
    html = TEMPLATES.get_template("player.html").render(sounds=coded, alt=alt)
    if in_notebook():
        from IPython.display import display

        display({"text/html": html, "text/plain": alt}, raw=True)
