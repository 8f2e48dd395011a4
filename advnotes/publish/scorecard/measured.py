"""What was measured where: one small file for each profile and machine in ``book/measured``.

``advnotes record`` writes the values of every claim that was executed here into the file of this machine; the
scorecard puts the runs of all files side by side. A recorded run counts as long as the chapter's
code is the same: after a change the chapter has to be recorded again.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from advnotes.claims import Claim
from advnotes.environment import machine
from advnotes.publish import chapters as book
from advnotes.publish.chapters import Chapter
from advnotes.publish.files import write
from advnotes.publish.staleness.plan import plan
from advnotes.publish.staleness.sources import digest
from advnotes.publish.staleness.stamps import claims, read_stamp

SCHEMA = 1


@dataclass(frozen=True)
class Machine:
    """One file: what a profile measured on one machine, chapter by chapter."""

    name: str
    profile: str
    environment: dict[str, str]
    chapters: dict[str, Any]

    def claims(self, chapter: Chapter) -> list[Claim]:
        """What was recorded of a chapter, where it still has the code that it ran with."""
        kept = self.chapters.get(chapter.name)
        if kept is None or kept["code"] != code_hash(chapter):
            return []
        same = {"environment": self.environment, "profile": self.profile}
        return [Claim.read(stored | same) for stored in kept["claims"]]

    def outdated(self, chapter: Chapter) -> bool:
        """Whether the chapter has changed since it was recorded here."""
        kept = self.chapters.get(chapter.name)
        return kept is not None and kept["code"] != code_hash(chapter)


def folder(root: Path) -> Path:
    """Where the files are kept, in the repository."""
    return root / "book" / "measured"


def machines(root: Path, profile: str | None = None) -> list[Machine]:
    """Every recorded machine, of one profile or of all, in the order of their files' names.

    Raises:
        ValueError: where a file is not what `advnotes record` writes.
    """
    found = []
    for file in sorted(folder(root).glob("*.json")):
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["schema"] != SCHEMA:
                raise ValueError(f"its schema is {kept['schema']!r}")
            one = Machine(kept["machine"], kept["profile"], kept["environment"], dict(kept["chapters"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"expected what `advnotes record` writes (schema {SCHEMA}) in {file}, got {error!r}; record it again"
            ) from error
        if profile in (None, one.profile):
            found.append(one)
    return found


def executed_claims(chapter: Chapter, profile: str) -> list[Claim]:
    """The claims in a chapter's executed copy.

    Raises:
        ValueError: where two have the same id.
    """
    notebook = json.loads(chapter.executed(profile).read_text(encoding="utf-8"))
    found = [Claim.read(stored) for stored in claims(notebook)]
    counts = Counter(claim.id for claim in found)
    if twice := [id for id, count in counts.items() if count > 1]:
        raise ValueError(f"{chapter.name} makes the claim {twice[0]!r} twice; give one of the two another id")
    return found


def record(root: Path, profile: str) -> list[Path]:
    """Keep the claims of every chapter with a current execution at this profile, in the file of its machine.

    Chapters that were not executed keep what was recorded of them before.

    Returns:
        The files written: one for each machine (and choice of parameters) that the chapters were executed with.

    Raises:
        ValueError: at the smoke profile, which measures nothing, and where no chapter has been executed.
    """
    if profile == "smoke":
        raise ValueError("expected a profile that measures something, got smoke; record laptop or gpu")
    files: dict[Path, dict[str, Any]] = {}
    for p in plan(book.chapters(root), profile):
        found = [] if p.reason else executed_claims(p.chapter, profile)
        if not found:
            continue
        where = found[0].environment
        name = machine(where)
        path = folder(root) / f"{profile}-{_slug(name)}.json"
        kept = files.setdefault(path, _kept(path) | {"schema": SCHEMA, "machine": name, "profile": profile})
        kept["environment"] = where
        kept["chapters"][p.chapter.name] = {
            "recorded": date.today().isoformat(),
            "code": code_hash(p.chapter),
            "seconds": _seconds(read_stamp(p.chapter.executed(profile)) or {}),
            "claims": [_stored(one) for one in found],
        }
    if not files:
        raise ValueError(
            f"expected chapters executed at {profile}, got none; `advnotes run --profile {profile}`"
        )
    for path, kept in files.items():
        write(path, json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return list(files)


def _seconds(stamp: dict[str, Any]) -> float:
    """How long a chapter takes on a machine that does nothing else: other work lengthens the wall time alone."""
    known = [float(stamp.get(name, 0)) for name in ("seconds", "processor_seconds")]
    return min((seconds for seconds in known if seconds > 0), default=0.0)


def _stored(claim: Claim) -> dict[str, Any]:
    """A claim without what the file states once for all claims, and without its verdict, which is over all machines."""
    said = ("environment", "profile", "verdict")
    return {name: value for name, value in claim.record().items() if name not in said}


def _kept(path: Path) -> dict[str, Any]:
    """What a file holds, or the beginnings of a new one."""
    if not path.is_file():
        return {"chapters": {}}
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def code_hash(chapter: Chapter) -> str:
    """A hash of what the chapter's code computes: its words can be changed, and what was recorded stays valid.

    Left out are comments and layout, how statements are shared out among cells, sentences made by ``tell``, a claim's
    statement, reason and sources, and a figure's title, labels and alt text.
    """
    return digest([statement for cell in book.code_cells(chapter) for statement in _statements(cell)])


@cache  # a command asks for the same cells once for each machine
def _statements(cell: str) -> list[str]:
    """The syntax of a cell's statements without words for a reader; its text where it is not plain Python."""
    try:
        tree = _WithoutWords().visit(ast.parse(cell))
    except SyntaxError:  # such as a magic
        return [book.as_counted(cell)]
    return [ast.dump(statement) for statement in tree.body]


class _WithoutWords(ast.NodeTransformer):
    """Takes the words for a reader out of code."""

    #: Arguments that are words where they are text: of claims and figures, and of a claim's bound.
    NAMES = frozenset({"alt", "label", "paper", "reason", "title", "where", "xlabel", "ylabel"})
    OF_BOUNDS = frozenset({"by", "on"})
    BOUNDS = frozenset({"at_least", "at_most", "between"})
    #: Calls whose first argument is words where it is text.
    TITLES = frozenset({"set_title", "suptitle"})

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        match node.value:
            case ast.Call(func=ast.Name(id="tell")):
                return None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        names = {word.arg for word in node.keywords}
        heading = isinstance(node.func, ast.Attribute) and node.func.attr in self.TITLES
        if node.args and _text(node.args[0]) and (heading or {"id", "measured"} <= names):
            del node.args[0]
        bound = isinstance(node.func, ast.Name) and node.func.id in self.BOUNDS
        words = self.OF_BOUNDS if bound else self.NAMES
        node.keywords = [word for word in node.keywords if not (word.arg in words and _text(word.value))]
        return self.generic_visit(node)


def _text(node: ast.expr) -> bool:
    """Whether an expression is text, perhaps with values in it, or such texts joined with other things."""
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _text(left) or _text(right)
    return False


def claimed(cells: Iterable[str]) -> list[re.Pattern[str]]:
    """Patterns of the claims' ids in a notebook's code: that of an f-string matches every id that it can give."""
    found = []
    for cell in cells:
        try:
            tree = ast.parse(cell)
        except SyntaxError:
            continue
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "claim":
                found += [_pattern(word.value) for word in call.keywords if word.arg == "id"]
    return found


def _pattern(value: ast.expr) -> re.Pattern[str]:
    match value:
        case ast.Constant(value=str(text)):
            return re.compile(re.escape(text))
        case ast.JoinedStr(values=parts):
            texts = (re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".+" for p in parts)
            return re.compile("".join(texts))
    return re.compile(".+")


def missing(chapter: Chapter, ids: Collection[str]) -> list[str]:
    """Claims that the chapter's code states and its execution did not make."""
    patterns = claimed(book.code_cells(chapter))
    return [pattern.pattern for pattern in patterns if not any(pattern.fullmatch(id) for id in ids)]
