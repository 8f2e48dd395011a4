import time

import nbformat
import pytest

from advnotes.publish.execution import printed_text
from advnotes.publish.execution.printed_text import LIMIT, Text, bounded, coalesce, cut, shown


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("plain", "plain"),
        ("one\rtwo", "two"),
        ("longer\rone", "oneger"),
        ("one\r", "one"),
        ("1\r22\r\r", "22"),
        ("abc\b\bX", "aXc"),
        ("\babc\rX\b\bYY", "YYc"),
        ("\x1b[31mred and long\x1b[0m\rplain", "plain"),
        ("first\r\x1b[32mgreen\x1b[0m", "\x1b[32mgreen\x1b[0m"),
        ("\x1b[1ma\x1b[0m\rlonger\rone", "oneger"),
    ],
)
def test_a_line_is_what_a_terminal_shows(line: str, seen: str) -> None:
    assert shown(line) == seen


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_pieces_may_break_anywhere(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed_text, "PORTION", 5)
    printed = "begin\r\nof 1\rof 22\r\n\x1b[1mbold\x1b[0m\rover\rv\n0%\r50%\r100%\ndone"
    text = Text()
    for start in range(0, len(printed), size):
        text.add(printed[start : start + size])
    assert str(text) == "begin\nof 22\nvver\n100%\ndone"
    text.add("\rD")
    assert str(text).endswith("Done")


@pytest.mark.parametrize("size", [10, 999, 10_000])
def test_a_long_text_keeps_its_beginning_and_its_end(size: int) -> None:
    printed = "".join(f"line {i}\n" for i in range(5000))
    text = Text(2000)
    for start in range(0, len(printed), size):
        text.add(printed[start : start + size])
    kept = str(text)
    assert len(kept) <= 2000
    begin, _, end = kept.partition("[... ")
    assert printed.startswith(begin.rstrip("\n"))
    missing = int(end.split(" ")[0].replace(",", ""))
    assert f"of {len(printed):,} characters of this output are left out here" in end
    end = end.partition("\n")[2]
    assert printed.endswith(end)
    assert missing + len(begin.removesuffix("\n")) + len(end) == len(printed)
    assert kept == cut(printed, 2000)
    assert cut(kept, 2000) == kept  # what was cut is not cut again


def test_a_text_at_the_limit_is_whole() -> None:
    assert cut("x" * 2000, 2000) == "x" * 2000
    assert len(cut("x" * 2001, 2000)) <= 2000
    assert cut("x" * 30, 10).strip() == "[... 30 of 30 characters of this output are left out here ...]"


def test_a_progress_bar_is_one_line_however_often_it_is_drawn() -> None:
    text = Text()
    for i in range(200_000):
        text.add(f"\r{i:>40}")
    assert str(text) == f"{199_999:>40}"


@pytest.mark.parametrize(
    "printed", ["x" * 100_000 + "\n", "x" * 20_000_000, "ab\r" * 1_000_000, "ab\b" * 500_000]
)
def test_joining_takes_linear_time(printed: str) -> None:
    """nbclient's regular expression needs about 20 s for a line of 100,000 characters."""
    started = time.process_time()
    for _ in range(10 if len(printed) < 1_000_000 else 1):
        text = Text()
        for start in range(0, len(printed), 8192):
            text.add(printed[start : start + 8192])
        str(text)
    assert time.process_time() - started < 10


def stream(name: str, text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("stream", name=name, text=text)


def test_each_stream_of_a_cell_is_one_output() -> None:
    picture = nbformat.v4.new_output("display_data", {"image/png": "AA==", "text/plain": "figure"})
    pieces = [
        stream("stdout", "1"),
        stream("stderr", "e"),
        picture,
        stream("stdout", "2\n"),
        stream("stderr", "f"),
    ]
    assert coalesce(pieces) == [stream("stdout", "12\n"), stream("stderr", "ef"), picture]
    assert coalesce([stream("stderr", "e"), stream("stdout", "o")]) == [
        stream("stdout", "o"),
        stream("stderr", "e"),
    ]
    assert coalesce([]) == []


def test_a_results_text_has_the_bound_too() -> None:
    result = nbformat.v4.new_output("execute_result", {"text/plain": "x" * (LIMIT + 1), "text/html": "<p>"})
    (kept,) = bounded([result])
    assert len(kept["data"]["text/plain"]) <= LIMIT
    assert kept["data"]["text/html"] == "<p>"
