"""Threats: what an adversary may do to an input. One object per norm, shared by every attack and every game."""

from advnotes.threats.base import Bounds, Threat
from advnotes.threats.base import blocked as blocked
from advnotes.threats.base import check_threat as check_threat
from advnotes.threats.base import per_sample as per_sample
from advnotes.threats.base import radius_of as radius_of
from advnotes.threats.base import tiny as tiny
from advnotes.threats.l1 import L1
from advnotes.threats.l2 import L2
from advnotes.threats.linf import Linf

__all__ = ["L1", "L2", "Bounds", "Linf", "Threat"]
