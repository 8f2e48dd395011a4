"""What a fold is called on a page: the reader sees what is in it before it is opened."""

from __future__ import annotations

from typing import Any

#: The first that fits: a tag, or a piece of the code, and the words for it.
TAGS = {"solution": "the solution", "tell": "where these numbers come from", "parameters": "the parameters"}
CODE = {"plots.show(": "how it is drawn", "sliders.show(": "how it is drawn", "claim(": "how it is judged"}
CODE["find_spec("] = "the set-up"


def name_folds(notebook: Any) -> None:
    """Give each folded cell of code the words that open and close it."""
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and {"hide-input", "hide-cell"} & set(tags):
            words = content(tags, cell.source)
            options = cell.metadata.setdefault("mystnb", {})
            options["code_prompt_show"], options["code_prompt_hide"] = f"Show {words}", f"Hide {words}"


def content(tags: list[str], source: str) -> str:
    """What a folded cell holds."""
    fitting = [words for tag, words in TAGS.items() if tag in tags]
    fitting += [words for piece, words in CODE.items() if piece in source]
    return fitting[0] if fitting else "the code"
