"""The templates of what is written as HTML; text in them is text, whatever it holds."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

__all__ = ["TEMPLATES", "block"]

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


def block(template: str, /, **facts: Any) -> str:
    """A template filled in for a Markdown page: a line that is empty would end its block of HTML there."""
    html = TEMPLATES.get_template(template).render(facts)
    return "\n".join(line for line in html.splitlines() if line.strip())
