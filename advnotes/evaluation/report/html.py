"""A report as one page of HTML. Its text stands in ``templates/report.html``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from advnotes.evaluation.report import figures
from advnotes.evaluation.results import EvaluationResult, Example
from advnotes.metrics.accuracy import Proportion
from advnotes.threats import L1, L2, Linf

__all__ = ["command_line", "html_page", "python_call"]

#: Of more classes than these the weakest are shown.
CLASSES = 20

ALLOWED = {
    "Linf": "every value of an input may change by at most {eps}",
    "L2": "the changes of an input's values may have a Euclidean length of at most {eps}",
    "L1": "the changes of an input's values may sum to at most {eps}",
}
NORMS = {"Linf": Linf, "L2": L2, "L1": L1}
#: The command line's words for options that are not the defaults.
FLAGS = {"attacks": "--attacks {}", "batch_size": "--batch-size {}", "pad_batches": "--pad-batches"}
FLAGS |= {
    "certify": "--certify-seconds {}",
    "diagnose": "--no-diagnosis",
    "curve": "--no-curve",
    "precision": "--precision {}",
}
SEVERITIES = ("masking", "warning", "note")


def html_page(report: EvaluationResult) -> str:
    """One self-contained page: the verdict, what speaks against it, the measurements, how to repeat them.

    It loads nothing, follows the reader's choice of light or dark, and prints. Every string of the report is escaped.
    """
    own_radii = isinstance(report.eps, tuple)
    unit = "radius, as a multiple of each sample’s eps" if own_radii else f"eps, {report.norm}"
    allowed = ALLOWED.get(report.norm, "inputs may move by at most {eps}")
    every = list(report.per_class.items())
    weakest = sorted(every, key=lambda item: item[1][1].value)
    shown = weakest[:CLASSES] if len(every) > CLASSES else every
    return _template().render(
        report=report,
        allowed=allowed.format(eps=report.radius),
        findings=sorted(report.findings, key=lambda finding: SEVERITIES.index(finding.severity)),
        unit=unit,
        curve=_curve(report, unit) if report.curve else "",
        curve_rows=[
            (f"{radius:.4g}", percent(share.value), _interval(share), f"{share.count:,}")
            for radius, share in report.curve
        ],
        classes=figures.classes(
            [(f"class {label}", clean, robust) for label, (clean, robust) in shown],
            f"Clean and robust accuracy of each class. Under attack class {weakest[0][0]} is the weakest with "
            f"{weakest[0][1][1].value:.0%}, class {weakest[-1][0]} the strongest with {weakest[-1][1][1].value:.0%}.",
        ),
        class_rows=[
            (label, f"{clean.total:,}", percent(clean.value), percent(robust.value), _interval(robust))
            for label, (clean, robust) in shown
        ],
        hidden_classes=len(every) > CLASSES,
        examples=[_example(report, example) for example in report.examples],
        attack_rows=[
            (a.name, f"{a.tried:,}", f"{a.fooled:,}", f"{a.unverified:,}", f"{a.passes:,}", f"{a.seconds:.2f}",
             f"{1000 * a.seconds / a.tried:.1f}" if a.tried else "–")
            for a in report.attacks
        ],
        python_call=python_call(report),
        command="" if own_radii else command_line(report),
    )  # fmt: skip


def python_call(report: EvaluationResult) -> str:
    """The call of ``evaluate`` that repeats a report; names in capitals are the reader's."""
    eps = "EPS" if isinstance(report.eps, tuple) else repr(report.eps)
    options = {"attacks": "standard", "bounds": str(report.bounds), "seed": str(report.seed)} | report.options
    options["attacks"] = "ATTACKS" if options["attacks"] == "list" else repr(options["attacks"])
    arguments = ", ".join(f"{name}={value}" for name, value in options.items())
    return f"report = evaluate(MODEL, (X, Y), threats.{report.norm}({eps}), {arguments})"


def command_line(report: EvaluationResult) -> str:
    """The command that repeats a report with one radius; names in capitals are the reader's."""
    low, high = report.bounds
    words = [
        f"advnotes evaluate MODULE:MODEL --data MODULE:DATA --threat {report.norm.lower()}:{report.eps!r}",
        f"--bounds {low!r} {high!r} --seed {report.seed} --size {report.size}",
    ]
    for name, value in report.options.items():
        if name != "curve" or value == "False":  # radii of one's own are for Python
            given = "MODULE:ATTACKS" if (name, value) == ("attacks", "list") else value.removeprefix("torch.")
            words.append("--certify" if (name, value) == ("certify", "True") else FLAGS[name].format(given))
    return " ".join(words)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals.update(percent=percent, number=lambda n: f"{n:,}", short=lambda value: f"{value:g}")
    return environment.get_template("report.html")


def percent(share: float) -> str:
    """A share as text."""
    return f"{share:.1%}"


def _interval(share: Proportion) -> str:
    return f"[{percent(share.low)}, {percent(share.high)}]"


def _curve(report: EvaluationResult, unit: str) -> Markup:
    eps = 1.0 if isinstance(report.eps, tuple) else report.eps
    points = "; ".join(f"{share.value:.0%} at {radius:.3g}" for radius, share in report.curve)
    proved = None if report.certified is None else report.certified.value
    said = "" if proved is None else f" At eps {proved:.0%} are proved."
    return figures.curve(
        report.curve, eps, unit, f"Accuracy under attack against eps: {points}.{said}", proved=proved
    )


def _example(report: EvaluationResult, example: Example) -> tuple[Example, list[tuple[str, Markup]], str]:
    """An example, its three pictures, and the length of its change."""
    change = example.x_adv - example.x
    largest = float(change.abs().max()) or 1.0
    length = float(NORMS[report.norm](1.0).norm(change[None])) if report.norm in NORMS else largest
    pictures = (
        ("input", example.x, report.bounds, f"Sample {example.index}, class {example.label}"),
        ("under attack", example.x_adv, report.bounds, f"Sample {example.index} after {example.attack}"),
        ("change", change, (-largest, largest), f"The change, at most {largest:.3g} in a value"),
    )
    shown = [(name, figures.picture(values, ends, alt)) for name, values, ends, alt in pictures]
    return example, shown, f"{length:.4g}"
