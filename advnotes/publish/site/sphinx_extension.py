"""A Sphinx extension with which an incremental rendering gives the same pages as a complete one.

`advnotes.publish.site.jupyter_book` renders incrementally only where no docstring and no module has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    from pybtex import plugin
    from pybtex.style import formatting

    from advnotes.publish.site.solutions import OneFold

    # Every list of sources looks through all that is installed, several times: a second in a book of sixteen chapters.
    if look := vars(plugin).get("_load_entry_point"):
        plugin._load_entry_point = cache(look)
    # And every list formats its sources anew, although they read the same in each: a second and a half more.
    formatting.BaseStyle.format_entry = formatted_once(formatting.BaseStyle.format_entry)
    app.add_post_transform(OneFold)
    app.connect("builder-inited", leave_modules)
    app.connect("config-inited", without_numbers, priority=900)
    app.connect("env-updated", in_order, priority=100)  # before sphinxcontrib.bibtex looks at them
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def formatted_once(format_entry: Callable[..., Any]) -> Callable[..., Any]:
    """A style's method that formats each source once; only the label differs between two lists."""
    from pybtex.style import FormattedEntry

    texts: dict[tuple[type, str], Any] = {}

    def format_once(style: Any, label: str, entry: Any, bib_data: Any = None) -> Any:
        kind = type(style), entry.key
        if kind not in texts:
            texts[kind] = format_entry(style, label, entry, bib_data).text
        return FormattedEntry(entry.key, texts[kind], label)

    return format_once


def leave_modules(app: Any) -> None:
    """Keep the pages of the modules' code where they exist: checking their dates would load torch."""
    from sphinx.ext import viewcode

    if (Path(app.outdir) / "_modules").is_dir():
        for listener in list(app.events.listeners.get("html-collect-pages", [])):
            if listener.handler is viewcode.collect_pages:
                app.disconnect(listener.id)


def without_numbers(app: Any, config: Any) -> None:
    """Figures without numbers: no page refers to one by it, and numbering reads every page again.

    Set here, since sphinx-jupyterbook-latex turns them on whatever `_config.yml` says.
    """
    config.numfig = False


def in_order(app: Any, env: Any) -> None:
    """Sort the lists of sources by page: a citation links to the last list, and a page read again would be last."""
    bibliographies = env.get_domain("cite").bibliographies
    ordered = sorted(bibliographies.items(), key=lambda item: (item[0].docname, item[0].id_))
    bibliographies.clear()
    bibliographies.update(ordered)
