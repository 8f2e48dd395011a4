"""What a cell prints, of any length: joined as a terminal would show it, in linear time, and with a bound.

nbclient and nbval join the pieces with regular expressions that are quadratic in the length of a line, and hold the
interpreter meanwhile. Here every character is looked at a bounded number of times, and of a cell's text the beginning
and the end are kept; a line between them says how much was left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

#: Characters of standard output (and as many of standard error, and of a result's text) that a cell may keep.
LIMIT = 1_000_000
#: Characters that may come in before they are joined.
PORTION = 1 << 18
# Room for the line that says what is missing: a text that was cut is within the limit, and is not cut again.
_ROOM = 200


class Text:
    """A text that comes in pieces; ``str()`` shows what is kept of it.

    A carriage return goes back to the beginning of its line, a backspace one character to the left, and what comes
    next is written over what is there.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._portion = PORTION
        self._half = max(0, limit - _ROOM) // 2
        self._first: list[str] = []  # up to `limit` characters, as long as they are all
        self._kept = 0
        self._last: deque[str] = deque()  # what came after the first ones: no more pieces than its half needs
        self._later = 0
        self._total = 0
        self._open: list[str] = []  # the line that has no end yet, as it came
        self._waiting = 0

    def add(self, piece: str) -> None:
        """The next piece."""
        self._open.append(piece)
        self._waiting += len(piece)
        if self._waiting > self._portion:
            self._settle()

    def _settle(self) -> None:
        lines, end, rest = "".join(self._open).rpartition("\n")
        if end:
            self._keep("\n".join(map(shown, lines.split("\n"))) + "\n")
        # Up to the last return a line is what it shows; what is written over it may still come.
        before, back, after = rest.rpartition("\r")
        if back:
            rest = f"{shown(before)}\r{after}"
        if len(rest) > max(
            self.limit, self._portion
        ):  # longer than can be kept: nothing is written over it any more
            self._keep(shown(rest))
            rest = ""
        self._open = [rest]
        self._waiting = 0

    def _keep(self, text: str) -> None:
        self._total += len(text)
        if free := self.limit - self._kept:
            self._first.append(text[:free])
            self._kept += len(self._first[-1])
            text = text[free:]
        if text:
            self._last.append(text)
            self._later += len(text)
            while self._last and self._later - len(self._last[0]) >= self._half:
                self._later -= len(self._last.popleft())

    def __str__(self) -> str:
        self._settle()
        # The open line is shown and stays open.
        line = shown("".join(self._open))
        total = self._total + len(line)
        first, later = "".join(self._first), "".join(self._last) + line
        if total <= self.limit:
            return first + later
        # What is left of the first characters may reach into the last half.
        start = first[: self._half]
        end = (first[self._half :] + later)[-self._half :] if self._half else ""
        return f"{start}{notice(total - len(start) - len(end), total, start)}{end}"


def notice(missing: int, total: int, before: str) -> str:
    """The line that stands where something was left out."""
    begin = "" if before.endswith("\n") or not before else "\n"
    return f"{begin}[... {missing:,} of {total:,} characters of this output are left out here ...]\n"


def shown(line: str) -> str:
    """What a terminal shows of a line with carriage returns and backspaces in it."""
    if "\b" in line:
        return _typed(line)
    if "\r" not in line:
        return line
    layers: list[str] = []
    for layer in line.split("\r"):
        # Colours have no width: with them, a layer takes the place of what is there, and is replaced as a whole.
        if layer and ("\x1b" in layer or (layers and "\x1b" in layers[-1])):
            layers = [layer]
        elif layer:
            layers.append(layer)
    pieces, width = [], 0
    for layer in reversed(layers):
        if len(layer) > width:
            pieces.append(layer[width:])
            width = len(layer)
    return "".join(pieces)


def _typed(line: str) -> str:
    cells: list[str] = []
    cursor = 0
    for character in line:
        if character == "\r":
            cursor = 0
        elif character == "\b":
            cursor = max(0, cursor - 1)
        else:
            cells[cursor : cursor + 1] = [character]
            cursor += 1
    return "".join(cells)


def cut(text: str, limit: int = LIMIT) -> str:
    """A text within the limit: its beginning and its end."""
    if len(text) <= limit:
        return text
    kept = Text(limit)
    kept._keep(text)
    return str(kept)


def coalesce(outputs: Iterable[Any]) -> list[Any]:
    """A cell's outputs with what it printed in one piece for each stream, and every text within the limit."""
    joined: list[Any] = []
    texts: dict[str, tuple[Any, Text]] = {}
    for output in outputs:
        if output["output_type"] != "stream":
            joined.append(output)
            continue
        if output["name"] not in texts:
            joined.append(output)
            texts[output["name"]] = output, Text()
        texts[output["name"]][1].add(output["text"])
    for output, text in texts.values():
        output["text"] = str(text)
    return bounded(joined)


def bounded(outputs: list[Any]) -> list[Any]:
    """The outputs with results' texts within the limit, and standard error after the standard output beside it."""
    for output in outputs:
        data = output.get("data", {})
        if "text/plain" in data:
            data["text/plain"] = cut(data["text/plain"])
    # The two streams come by different ways: which one is first is luck.
    names = [output.get("name") for output in outputs]
    if "stderr" in names and names[names.index("stderr") + 1 :][:1] == ["stdout"]:
        i = names.index("stderr")
        outputs[i : i + 2] = [outputs[i + 1], outputs[i]]
    return outputs
