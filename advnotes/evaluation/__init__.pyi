from .evaluate import evaluate
from .masking.checks import diagnose
from .proved import Proof
from .report import Report, load_adversarial
from .results import AttackResult, EvaluationResult, Example, Finding

__all__ = [
    "AttackResult",
    "EvaluationResult",
    "Example",
    "Finding",
    "Proof",
    "Report",
    "diagnose",
    "evaluate",
    "load_adversarial",
]
