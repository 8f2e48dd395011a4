"""What decides whether two models, attacks or runs are the same, and which modules a callable reaches."""

from advnotes.identity.digest import Identity, identify, modules, parameters, same, versions

__all__ = ["Identity", "identify", "modules", "parameters", "same", "versions"]
