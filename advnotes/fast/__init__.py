"""Models prepared for many forward and input-gradient passes: what makes attacks fast."""

from advnotes.fast.prepare import Autocast, keeping, prepared, why_not

__all__ = ["Autocast", "keeping", "prepared", "why_not"]
