"""Whether there is a notebook to show something in."""

import sys

__all__ = ["in_notebook"]


def in_notebook() -> bool:
    """Whether the code runs under IPython, as in a notebook; importing IPython alone does not make it so."""
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    return get_ipython() is not None
