"""The templates of what is written as HTML; text in them is text, whatever it holds."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

__all__ = ["TEMPLATES"]

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
