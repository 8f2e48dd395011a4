from .diagnosis import diagnose
from .report import AttackResult, Example, Finding, Report
from .worst_case import evaluate

__all__ = ["AttackResult", "Example", "Finding", "Report", "diagnose", "evaluate"]
