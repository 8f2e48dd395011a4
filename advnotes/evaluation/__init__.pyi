from .diagnosis import diagnose
from .worst_case import evaluate
from .report import AttackResult, Example, Finding, Report

__all__ = ["AttackResult", "Example", "Finding", "Report", "diagnose", "evaluate"]
