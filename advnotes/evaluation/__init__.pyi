from .report import AttackResult, Example, Finding, Report

__all__ = ["AttackResult", "Example", "Finding", "Report"]
