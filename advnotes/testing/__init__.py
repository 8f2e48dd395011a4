"""Checks for attacks and games that you write yourself: what every one in this package promises.

As ``sklearn.utils.estimator_checks.check_estimator`` does for estimators, :func:`check_attack` and :func:`check_game`
run a series of checks and raise an :class:`AssertionError` that says what was expected and what was seen.
"""

from advnotes.testing.attacks import check_attack
from advnotes.testing.games import check_game

__all__ = ["check_attack", "check_game"]
