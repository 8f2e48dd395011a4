"""A Sphinx extension: a rendering that goes on from the last one gives the same pages as one that starts anew.

`advnotes.publish.render` goes on only where no docstring and no module has changed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    from pybtex import plugin

    # Every list of sources looks through all that is installed, several times: a second in a book of sixteen chapters.
    if look := getattr(plugin, "_load_entry_point", None):
        plugin._load_entry_point = cache(look)
    app.connect("builder-inited", leave_modules)
    app.connect("env-updated", in_order, priority=100)  # before sphinxcontrib.bibtex looks at them
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def leave_modules(app: Any) -> None:
    """Where the pages of the modules' code are there, leave them: looking at their dates would load torch."""
    from sphinx.ext import viewcode

    if (Path(app.outdir) / "_modules").is_dir():
        for listener in list(app.events.listeners.get("html-collect-pages", [])):
            if listener.handler is viewcode.collect_pages:
                app.disconnect(listener.id)


def in_order(app: Any, env: Any) -> None:
    """Lists of sources in the order of their pages: a citation leads to the last one, and a page read again is last."""
    bibliographies = env.get_domain("cite").bibliographies
    ordered = sorted(bibliographies.items(), key=lambda item: (item[0].docname, item[0].id_))
    bibliographies.clear()
    bibliographies.update(ordered)
