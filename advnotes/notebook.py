"""What a notebook shows: objects, and sentences whose numbers were measured."""

import sys
from typing import Any

__all__ = ["in_notebook", "show", "tell"]


def in_notebook() -> bool:
    """Whether the code runs under IPython, as in a notebook; importing IPython alone does not make it so."""
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    return get_ipython() is not None


def show(thing: Any) -> None:
    """Display in a notebook, print elsewhere."""
    if in_notebook():
        from IPython.display import display

        display(thing)
    else:
        print(thing)


def tell(text: str) -> None:
    """Say a sentence that holds measured numbers: as Markdown in a notebook, printed elsewhere.

    ``tell(f"After two steps {left:.0%} of the digits are left.")``. A number that a page states was measured by the
    code beside it, and so it is written by that code too. Formulas in dollar signs and links work as in the text.

    Raises:
        ValueError: where there is no text.
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"expected a sentence, got {text!r}")
    if in_notebook():
        from IPython.display import Markdown, display

        display(Markdown(text))
    else:
        print(text)
