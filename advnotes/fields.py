"""What the fields of a dataclass hold."""

import dataclasses
from collections.abc import Iterable
from typing import Any

__all__ = ["field_values"]


def field_values(thing: object, fields: Iterable[dataclasses.Field[Any]] | None = None) -> dict[str, Any]:
    """The values of a dataclass's fields by name, themselves and not copies as ``dataclasses.asdict`` makes them.

    Args:
        thing: an object of a dataclass.
        fields: which of its fields; all where they are left out.
    """
    chosen = dataclasses.fields(thing) if fields is None else fields  # type: ignore[arg-type]
    return {item.name: getattr(thing, item.name) for item in chosen}
