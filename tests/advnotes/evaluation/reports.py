"""Reports made by hand, for tests of what shows them."""

import dataclasses
from typing import Any

import torch

from advnotes.evaluation import AttackResult, Example, Finding, Report
from advnotes.metrics.accuracy import Proportion

EVIL = "<script>alert('1')</script> & \"co\""


def report(**changes: Any) -> Report:
    """Forty samples of four classes, half of them fooled, with everything that a page can show."""
    torch.manual_seed(0)
    labels = tuple(k % 4 for k in range(40))
    fooled_by = tuple(-1 if k % 2 else k % 4 // 2 for k in range(40))
    x = torch.rand(3, 1, 8, 8)
    x_adv = (x + 0.1 * torch.randn(3, 1, 8, 8).sign()).clamp(0, 1)
    made = Report(
        model="SmallNet (Conv2d, ReLU, Linear)",
        parameters=1234,
        model_hash="0123456789abcdef" * 4,
        data_hash="fedcba9876543210" * 4,
        shape=(1, 8, 8),
        classes=4,
        bounds=(0.0, 1.0),
        norm="Linf",
        eps=0.1,
        seed=7,
        labels=labels,
        predictions=labels,
        adversarial_predictions=tuple(
            y if f < 0 else (y + 1) % 4 for y, f in zip(labels, fooled_by, strict=True)
        ),
        fooled_by=fooled_by,
        attacks=(
            AttackResult("APGD-CE", 40, 10, 1.5, 4000, 0, "APGD(threat=Linf(eps=0.1), steps=100)"),
            AttackResult("Square", 30, 10, 2.5, 9000, 2, "Square(threat=Linf(eps=0.1), queries=5000)"),
        ),
        options={},
        curve=tuple(
            (r, Proportion(n, 40)) for r, n in ((0.0, 40), (0.05, 33), (0.1, 20), (0.2, 3), (0.3, 0))
        ),
        curve_attack="PGD (20 steps) at each radius.",
        findings=(
            Finding("a note", "note", "1 of 40.", "Little.", "Nothing."),
            Finding(
                "zero gradients", "masking", "90% are zero.", "Attacks stand still.", "Square was added."
            ),
            Finding("batch dependence", "warning", "3% of the spread.", "Answers differ.", "Fix statistics."),
        ),
        notes=("Two samples occur twice.",),
        examples=tuple(Example(3 * k, k, k, k + 1, "Square", x[k], x_adv[k]) for k in range(3)),
        environment="advnotes 0.1.0, torch 2.13.0, CPU",
        date="2026-01-02T03:04:05+00:00",
        seconds=4.25,
    )
    return dataclasses.replace(made, **changes)
