"""Finds results that were typed by hand into a notebook's sentences, where code should have written them."""

import ast
import re
from typing import Any

WORDS = "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty half third quarter"
NUMBER = rf"(?:\d[\d.,]*|\b(?:{'|'.join(WORDS.split())})\b)"
UNIT = "|".join(
    [
        "%",
        r"percent\b",
        r"(?:percentage )?points?\b(?! of\b| in\b| on\b)",
        r"nats?\b",
        # "32 of 100", "32 digits of 100", "three in a hundred"
        r"(?:\w+ )?(?:of|in) (?:a |every )?(?:hundred|thousand|ten\b|\d+)",
    ]
)
PART = r"(?:half|(?:third|quarter|fifth|sixth|seventh|eighth|tenth|twentieth|hundredth)s?)"
SAMPLES = "digits|images|pictures|samples|points|errors|reviews|texts|mails|programs|poses|records|runs"
RESULT = re.compile(
    rf"[-+−]?{NUMBER}\s*(?:{UNIT})"
    rf"|\b{PART} of (?:all |the |its )?(?:\w+ )?(?:{SAMPLES})\b"  # a third of the digits
    rf"|{NUMBER} times (?:as|what|more|less|the|slower|faster)\b"  # three times as far
    rf"|{NUMBER},? {NUMBER},? and {NUMBER}",  # 12, 22 and 29
    re.IGNORECASE,
)
OURS = re.compile(r"\b(?:ours?|here|we (?:get|find|found|see|saw|measured?|have))\b", re.IGNORECASE)
SEEDS = re.compile(
    rf"(?P<count>{NUMBER})\s+(?P<of>of (?:the )?{NUMBER}\s+)?seeds?\b|\bseeds? (?P<which>\d+)\b",
    re.IGNORECASE,
)
FOLD = ":::{dropdown} Tried beside this page"  # what was tried and is not computed on the page is told here alone
SHOWN = ("plots.show", "sliders.show", "claim(", "tell(")


def typed_results(notebook: Any) -> list[str]:
    """Sentences of Markdown cells, after the first result, that state a measured number.

    Allowed are the fold of what was tried beside the page, numbers of papers in a sentence that cites one or names "the
    paper" and says nothing of ours, formulas and code, and how many seeds a chapter has by its parameters.
    """
    lengths, found, shown = _seed_counts(notebook), [], False
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            shown = shown or any(word in source for word in SHOWN)
        elif shown and not source.startswith(FOLD):
            found += [text for text in _sentences(source) if _states(text, lengths)]
    return found


def _sentences(source: str) -> list[str]:
    """The sentences of a Markdown cell, without formulas, code, directives and the targets of links."""
    plain = re.sub(
        r"^```.*?^```|\$\$.*?\$\$|(?<!\\)\$[^$]*\$|`[^`]*`|\]\([^)]*\)", " ", source, flags=re.S | re.M
    )
    return [
        " ".join(text.split())
        for text in re.split(r"(?<=[.!?:;])\s+|\n\s*\n|\n(?=[-*#|])", plain)
        if text.strip()
    ]


def _states(sentence: str, lengths: set[str]) -> bool:
    cited = "{cite" in sentence or re.search(r"\b(?:paper|authors)\b", sentence, re.IGNORECASE)
    if cited and not OURS.search(sentence):
        return False
    if RESULT.search(sentence):
        return True
    return any(
        match["which"] or match["of"] or match["count"].lower() not in lengths
        for match in SEEDS.finditer(sentence)
    )


def _seed_counts(notebook: Any) -> set[str]:
    """How many seeds the parameters name, as numerals and as words."""
    names = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    counts = {1}
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            for node in ast.parse("".join(cell["source"])).body:
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
                    counts.add(len(node.value.elts))
    return {str(n) for n in counts} | {names[n - 1] for n in counts if n <= len(names)}
