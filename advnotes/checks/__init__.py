"""What every entrance asks of its arguments: one function for each kind of argument, and one message for each mistake.

Attacks, games, metrics, the scikit-learn classes and the command line call these before any work starts. A message
says what was expected, what came, and how to mend it.
"""

from advnotes.checks.inputs import (
    check_floating,
    check_inputs,
    check_labels,
    check_range,
    check_same_kind,
    clip_rounding,
)
from advnotes.checks.models import (
    call_model,
    check_finite_logits,
    check_label_range,
    check_logits,
    check_logits_shape,
    check_model,
    logits_of,
    with_remedies,
)
from advnotes.checks.numbers import (
    check_bounds,
    check_count,
    check_counts,
    check_device,
    check_number,
    check_per_sample,
)

__all__ = [
    "call_model",
    "check_bounds",
    "check_count",
    "check_counts",
    "check_device",
    "check_finite_logits",
    "check_floating",
    "check_inputs",
    "check_label_range",
    "check_labels",
    "check_logits",
    "check_logits_shape",
    "check_model",
    "check_number",
    "check_per_sample",
    "check_range",
    "check_same_kind",
    "clip_rounding",
    "logits_of",
    "with_remedies",
]
