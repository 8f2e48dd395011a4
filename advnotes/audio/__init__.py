"""Sound: mel spectrograms and a way back, how periodic a sound is, and a player for the page."""

from advnotes.audio.griffin_lim import griffin_lim, unmel
from advnotes.audio.mel import MelSpectrogram, mel_filters
from advnotes.audio.periodicity import Pitch, periodicity_error, pitch
from advnotes.audio.player import listen, wav
from advnotes.audio.wave_match import WaveMatch, wave_match

__all__ = [
    "MelSpectrogram",
    "Pitch",
    "WaveMatch",
    "griffin_lim",
    "listen",
    "mel_filters",
    "periodicity_error",
    "pitch",
    "unmel",
    "wav",
    "wave_match",
]
