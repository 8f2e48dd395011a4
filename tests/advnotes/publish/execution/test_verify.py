import json
from typing import Any

import pytest

from advnotes.publish.chapters import select
from advnotes.publish.execution.run import run
from advnotes.publish.execution.verify import verify
from advnotes.publish.staleness.plan import plan

# A grey picture of one pixel, made without plotting: the shade is the expression's value.
PICTURE = """
import os, struct, zlib
from IPython.display import Image

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

pixel = zlib.compress(bytes([0, {shade}]))
header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
Image(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b""))
"""


def test_every_output_is_compared_pictures_included(book: Any, capfd: pytest.CaptureFixture[str]) -> None:
    book.add("a/same", "print(profile)", PICTURE.format(shade="7"))
    # The second execution finds a file that the first one left.
    mark = f"Path({str(book.root / 'mark')!r})"
    once = f"from pathlib import Path\nseen = {mark}.exists(); {mark}.touch()"
    book.add("a/other", once, PICTURE.format(shade="seen"), "print('same')", "print(seen)")
    book.profile("smoke", "")
    wanted = select(book.root)
    with pytest.raises(ValueError, match=r"executed copies of a/same.*advnotes run --profile smoke"):
        verify(wanted, "smoke")
    run(plan(wanted, "smoke"), jobs=2)

    first = verify(wanted, "smoke", jobs=2)
    assert first.agree == ["a/same"]
    assert first.earlier == []
    # nbval counts code cells from 0: parameters, injected parameters, then the chapter's own.
    assert first.differences == {"a/other": ["Cell 3", "Cell 5"]}
    assert "image/png" in capfd.readouterr().out

    # What agreed is not executed again, unless that is asked for.
    second = verify(select(book.root, ["a/same"]), "smoke")
    assert (second.agree, second.earlier) == (["a/same"], ["a/same"])
    assert json.loads((book.root / "_build" / "smoke" / "verified.json").read_text()).keys() == {"a/same"}


def test_nothing_to_compare_is_no_comparison(book: Any) -> None:
    book.add("a/one")
    assert verify([], "laptop").agree == []
