"""Pictures of the site as WebP: every pixel as it was, and what cannot be kept stays PNG."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from advnotes.publish.site.lean import pictures
from advnotes.publish.site.lean.pictures import as_png, pack_pictures, packed, renamed


def drawn(seed: int = 0, shape: tuple[int, ...] = (40, 60, 4)) -> np.ndarray[Any, Any]:
    """Bars with soft edges on a transparent ground, and some noise: what a figure consists of."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros(shape, np.uint8)
    pixels[..., :3] = 255
    pixels[5:20, 10:30] = (31, 119, 180, 255)[: shape[-1]]
    pixels[5:20, 30] = (31, 119, 180, 90)[: shape[-1]]
    pixels[25:35, 40:50] = rng.integers(0, 256, (10, 10, shape[-1]))
    return pixels


def png(image: Image.Image, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, "PNG", **options)
    return written.getvalue()


def seen(content: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


@pytest.mark.parametrize("shape", [(40, 60, 4), (40, 60, 3)], ids=["transparent", "opaque"])
def test_every_pixel_stays_also_the_hidden_colour_of_transparent_ones(shape: tuple[int, ...]) -> None:
    before = png(Image.fromarray(drawn(shape=shape)))
    after = packed(before)
    assert after is not None
    assert len(after) < len(before)
    assert np.array_equal(seen(after), seen(before))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_other_kinds_look_the_same(mode: str) -> None:
    before = png(Image.fromarray(drawn()).convert("RGB").convert(mode), compress_level=0)
    after = packed(before)
    assert after is not None
    assert np.array_equal(seen(after), seen(before))


def test_what_webp_cannot_hold_stays() -> None:
    wide = Image.new("L", (pictures.LONGEST + 1, 1))
    deep = Image.fromarray(np.arange(6000, dtype=np.uint16).reshape(60, 100))
    assert packed(png(wide, compress_level=0)) is None
    assert packed(png(deep, compress_level=0)) is None
    profiled = png(Image.fromarray(drawn()), icc_profile=b"a profile", compress_level=0)
    assert packed(profiled) is None
    first, second = (Image.fromarray(drawn(seed)) for seed in (0, 1))
    assert packed(png(first, save_all=True, append_images=[second], compress_level=0)) is None


def test_what_webp_makes_larger_stays() -> None:
    dot = png(Image.new("L", (1, 1)))
    small = packed(dot)
    assert small is None or len(small) < len(dot)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "html/_images"
    folder.mkdir(parents=True)
    for name in ("a.png", "twin.png"):
        (folder / name).write_bytes(png(Image.fromarray(drawn())))
    (folder / "deep.png").write_bytes(png(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30))))
    (folder / "photograph.webp").write_bytes(b"lossy")
    return tmp_path / "html"


def test_a_picture_is_packed_once_and_what_is_not_asked_for_goes(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, images = tmp_path / "kept", site / "_images"
    before = {path.name: path.read_bytes() for path in images.iterdir()}
    assert pack_pictures(site, kept) == {"a.png": "a.webp", "twin.png": "twin.webp"}
    assert {path.name for path in images.iterdir()} == {"a.webp", "twin.webp", "deep.png", "photograph.webp"}
    assert np.array_equal(seen((images / "a.webp").read_bytes()), seen(before["a.png"]))
    assert len(list(kept.iterdir())) == 2  # twins once, and the one that stays
    after = (images / "a.webp").read_bytes()

    (images / "a.png").write_bytes(before["a.png"])
    (images / "a.webp").unlink()
    (images / "deep.png").unlink()
    monkeypatch.setattr(pictures, "packed", lambda content: pytest.fail("a picture was packed again"))
    assert pack_pictures(site, kept) == {"a.png": "a.webp"}
    assert (images / "a.webp").read_bytes() == after
    assert len(list(kept.iterdir())) == 1


def test_another_picture_of_that_name_is_not_overwritten(site: Path, tmp_path: Path) -> None:
    (site / "_images/a.webp").write_bytes(b"another")
    assert "a.png" not in pack_pictures(site, tmp_path / "kept")
    assert (site / "_images/a.webp").read_bytes() == b"another"


def test_pages_show_and_link_the_new_files_only() -> None:
    page = (
        '<a href="../_images/a.png"><img alt="_images/a.png" src="../_images/a.png"/></a>\n'
        '<img src="../_images/b.png"/> <img src="../_static/a.png"/>'
    )
    assert renamed(page, {"a.png": "a.webp"}) == (
        '<a href="../_images/a.webp"><img alt="_images/a.webp" src="../_images/a.webp"/></a>\n'
        '<img src="../_images/b.png"/> <img src="../_static/a.png"/>'
    )


def test_a_packed_picture_comes_back_as_png_and_a_photograph_does_not() -> None:
    before = png(Image.fromarray(drawn()))
    after = packed(before)
    assert after is not None
    back = as_png(after)
    assert back is not None
    assert back.startswith(b"\x89PNG")
    assert np.array_equal(seen(back), seen(before))
    lossy = io.BytesIO()
    Image.fromarray(drawn()).convert("RGB").save(lossy, "WEBP", quality=80)
    assert as_png(lossy.getvalue()) is None
    assert as_png(before) is None
