"""The only training loop there is: devices, processes, precision, progress, checkpoints."""

import warnings

with warnings.catch_warnings():
    # accelerate imports tqdm's notebook bar, which asks for widgets that nothing here uses.
    warnings.filterwarnings("ignore", message="IProgress not found")
    import accelerate  # noqa: F401

from advnotes.loop.callbacks import StopPlaying
from advnotes.loop.checkpoint_files import CheckpointError
from advnotes.loop.history import History, NonFiniteLoss, State
from advnotes.loop.load import load
from advnotes.loop.play import play

__all__ = ["CheckpointError", "History", "NonFiniteLoss", "State", "StopPlaying", "load", "play"]
