from .parts.replay import Replay

__all__ = [
    "Replay",
]
