"""A report as one page of HTML that stands by itself: for the reader who has to decide, and for whoever "
"asks after."""

from collections.abc import Sequence
from html import escape

from advnotes.evaluation import page_figures as figures
from advnotes.evaluation.page_style import STYLE
from advnotes.evaluation.report import Example, Finding, Report
from advnotes.metrics.accuracy import Proportion
from advnotes.threats import L1, L2, Linf

__all__ = ["page"]

#: Nothing may be loaded: the page is also safe to open where its strings came from somebody else.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

#: Of more classes than these the weakest are shown.
CLASSES = 20

ALLOWED = {
    "Linf": "every value of an input may change by at most {eps}",
    "L2": "the changes of an input's values may have a Euclidean length of at most {eps}",
    "L1": "the changes of an input's values may sum to at most {eps}",
}
NORMS = {"Linf": Linf, "L2": L2, "L1": L1}
WEIGHT = {"masking": "Masking: attacks are misled", "warning": "Warning", "note": "Note"}


def page(report: Report) -> str:
    """One self-contained page of HTML: the verdict, what speaks against it, the measurements, how to repeat them.

    It loads nothing, follows the reader's choice of light or dark, and prints. Every string of the report is escaped.
    """
    title = f"Robustness of {report.model}"
    sections = [_verdict(report), _findings(report), _curve(report), _classes(report), _examples(report)]
    sections += [_attacks(report), _again(report), _method(report)]
    head = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<style>{STYLE}</style>\n</head>'
    )
    top = (
        f'<header>\n<h1>{escape(title)}</h1>\n<p class="soft">{report.parameters:,} parameters · '
        f"{report.size:,} samples · "
        f"{escape(report.threat)} · {escape(report.date)}</p>\n</header>"
    )
    body = "\n".join(section for section in sections if section)
    return f"{head}\n<body>\n{top}\n<main>\n{body}\n</main>\n</body>\n</html>\n"


def _verdict(report: Report) -> str:
    robust, clean = report.robust, report.clean
    allowed = ALLOWED.get(report.norm, "inputs may move by at most {eps}").format(eps=escape(_eps(report)))
    lowest, highest = report.bounds
    doubt = ""
    if report.masking:
        names = ", ".join(finding.name for finding in report.masking)
        so = (
            "Do not rely on this number: it may be far too high."
            if robust.count
            else "Nothing withstood, so that the number stands; other numbers for this model may not."
        )
        doubt = (
            f'<p class="alarm">{so} The diagnosis found that attacks are misled: {escape(names)}. '
            "What was done about it, and what remains to be done, stands below.</p>"
        )
    safe = (
        f"That the {robust.count:,} are safe. An attack that was not tried may move them: the number is "
        f"an upper bound."
        if robust.count
        else "How small a change would have been enough: see the accuracy against eps."
    )
    return f"""<section class="verdict{" doubt" if report.masking else ""}" aria-labelledby="verdict">
<h2 id="verdict" style="border:0;margin:0;padding:0">Verdict</h2>
<dl class="numbers">
<div class="number main"><dt>robust accuracy, at most</dt><dd>{robust.value:.1%}
<small>{_interval(robust)}</small></dd></div>
<div class="number"><dt>accuracy without an attack</dt><dd>{clean.value:.1%}
<small>{_interval(clean)}</small></dd></div>
</dl>
{doubt}
<p>Of {report.size:,} samples, {clean.count:,} are in their class without an attack and {robust.count:,} stayed
there under every attack that was tried, where {allowed}, in a range from {lowest:g} to {highest:g}.</p>
<h3>What this does not say</h3>
<ul>
<li>{safe}</li>
<li>Anything about other changes: other norms, a larger eps, rotations, patches, corruptions, poisoned training
data.</li>
<li>Anything about other inputs than those that these samples were drawn from. The interval in brackets (Wilson, 95%)
covers the luck of the draw of {report.size:,} samples, and nothing else.</li>
<li>Anything about a system around the model, that refuses, filters or asks again.</li>
</ul>
</section>"""


def _findings(report: Report) -> str:
    if not report.diagnosed:
        said = (
            '<p class="alarm">The diagnosis of masked gradients was left out: whether the attacks '
            "worked is not known.</p>"
        )
    elif not report.findings:
        said = (
            "<p>The diagnosis found nothing: there were gradients, they agreed with finite differences, "
            "no weaker attack "
            "beat a stronger one, and where every change is allowed, the accuracy fell to almost nothing. This is no "
            "proof that gradients are sound.</p>"
        )
    else:
        order = {"masking": 0, "warning": 1, "note": 2}
        said = "\n".join(_finding(f) for f in sorted(report.findings, key=lambda f: order[f.severity]))
    return f'<section aria-labelledby="findings">\n<h2 id="findings">Findings</h2>\n{said}\n</section>'


def _finding(finding: Finding) -> str:
    rows = (("measured", finding.evidence), ("means", finding.meaning), ("done, to do", finding.done))
    facts = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in rows if text)
    return (
        f'<article class="finding {finding.severity}"><p class="badge">{WEIGHT[finding.severity]}</p>'
        f"<h3>{escape(finding.name)}</h3><dl>{facts}</dl></article>"
    )


def _curve(report: Report) -> str:
    if not report.curve:
        return ""
    own = isinstance(report.eps, tuple)
    said = "; ".join(f"{share.value:.0%} at {radius:.3g}" for radius, share in report.curve)
    unit = "radius, as a multiple of each sample’s eps" if own else f"eps, {report.norm}"
    mark = 1.0 if own or isinstance(report.eps, tuple) else report.eps
    alt = f"Accuracy under attack against eps: {said}."
    rows = [[f"{radius:.4g}", f"{s.value:.1%}", _interval(s), f"{s.count:,}"] for radius, s in report.curve]
    return f"""<section aria-labelledby="curve">
<h2 id="curve">Accuracy against eps</h2>
<figure>{figures.curve(report.curve, mark, unit, alt)}
<figcaption>The share of samples that no attack was seen to fool within each radius; the band is the 95% interval.
{escape(report.curve_attack)} A curve that does not reach almost nothing at its right end is a reason for
doubt.</figcaption>
</figure>
{_table("Accuracy against eps", (unit, "accuracy", "interval", "samples"), rows)}
</section>"""


def _classes(report: Report) -> str:
    every = list(report.per_class.items())
    rows = sorted(every, key=lambda item: item[1][1].value)[:CLASSES] if len(every) > CLASSES else every
    which = f"The {CLASSES} weakest of {len(every)} classes. " if len(every) > CLASSES else ""
    weakest, (_, least) = min(every, key=lambda item: item[1][1].value)
    strongest, (_, most) = max(every, key=lambda item: item[1][1].value)
    alt = (
        f"Clean and robust accuracy of each class. Under attack class {weakest} is the weakest with "
        f"{least.value:.0%}, "
        f"class {strongest} the strongest with {most.value:.0%}."
    )
    shown = [(f"class {label}", clean, robust) for label, (clean, robust) in rows]
    cells = [
        [str(label), f"{clean.total:,}", f"{clean.value:.1%}", f"{robust.value:.1%}", _interval(robust)]
        for label, (clean, robust) in rows
    ]
    return f"""<section aria-labelledby="classes">
<h2 id="classes">Class by class</h2>
<figure>{figures.classes(shown, alt)}
<figcaption>{which}An average can hide a class that has no robustness at all. Intervals of few samples are
wide.</figcaption>
</figure>
{_table("Accuracy by class", ("class", "samples", "clean", "under attack", "interval"), cells)}
</section>"""


def _examples(report: Report) -> str:
    if not report.examples:
        return ""
    shown = "\n".join(_example(report, example) for example in report.examples)
    return f"""<section aria-labelledby="examples">
<h2 id="examples">Examples</h2>
<p>Samples that were fooled: the input, the input under attack, and the change between them, drawn around
mid-grey with its
own largest value as the full range.</p>
<div class="examples">
{shown}
</div>
</section>"""


def _example(report: Report, example: Example) -> str:
    change = example.x_adv - example.x
    largest = float(change.abs().max()) or 1.0
    length = float(NORMS[report.norm](1.0).norm(change[None])) if report.norm in NORMS else largest
    pictures = (
        ("input", example.x, report.bounds, f"Sample {example.index}, class {example.label}"),
        ("under attack", example.x_adv, report.bounds, f"The same, read as class {example.attacked}"),
        ("change", change, (-largest, largest), f"The change, at most {largest:.3g} in a value"),
    )
    cells = "".join(
        f"<div>{figures.picture(values, ends, alt)}<span>{name}</span></div>"
        for name, values, ends, alt in pictures
    )
    return (
        f'<figure><div class="triple">{cells}</div><figcaption>Sample {example.index} is a {example.label}: read as '
        f"{example.prediction}, and as <strong>{example.attacked}</strong> after {escape(example.attack)}. "
        f"{escape(report.norm)} length of the change: {length:.4g}.</figcaption></figure>"
    )


def _attacks(report: Report) -> str:
    rows = [
        [a.name, f"{a.tried:,}", f"{a.fooled:,}", f"{a.unverified:,}", f"{a.passes:,}", f"{a.seconds:.2f}",
         f"{1000 * a.seconds / a.tried:.1f}" if a.tried else "–"]
        for a in report.attacks
    ]  # fmt: skip
    heads = ("attack", "tried", "fooled", "unverified", "passes", "seconds", "ms per sample")
    times = [(a.name, a.seconds) for a in report.attacks]
    most = max(report.attacks, key=lambda a: a.seconds, default=None)
    alt = "Seconds of each attack." + (f" {most.name} took longest, {most.seconds:.2f} s." if most else "")
    chart = (
        f"<figure>{figures.bars(times, alt)}\n<figcaption>Time of each attack.</figcaption></figure>"
        if times
        else ""
    )
    settings = "".join(
        f"<dt>{escape(a.name)}</dt><dd><code>{escape(a.settings)}</code></dd>"
        for a in report.attacks
        if a.settings
    )
    how = f'<h3>Every choice of every attack</h3>\n<dl class="choices">{settings}</dl>' if settings else ""
    return f"""<section aria-labelledby="attacks">
<h2 id="attacks">Attacks</h2>
<p>In this order, each on the samples that those before it had left. Every success was looked at again on the
untouched model;
what did not hold there counts as unverified, not as fooled. A pass is one sample going forward through the model.</p>
{_table("Attacks", heads, rows)}
{chart}
{how}
</section>"""


def _again(report: Report) -> str:
    facts = {
        "model": escape(report.model),
        "SHA-256 of the model": f"<code>{escape(report.model_hash)}</code>",
        "SHA-256 of the data": f"<code>{escape(report.data_hash)}</code>",
        "input": f"{' × '.join(map(str, report.shape))} values in [{report.bounds[0]:g}, {report.bounds[1]:g}]",
        "classes": str(report.classes),
        "seed": str(report.seed),
        "environment": escape(report.environment),
        "ended": f"{escape(report.date)}, after {report.seconds:.1f} s",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in facts.items() if text)
    own = isinstance(report.eps, tuple)
    lowest, highest = report.bounds
    call = (
        "from advnotes import threats\nfrom advnotes.evaluation import evaluate\n\n"
        f"report = evaluate(model, (x, y), threats.{report.norm}({'eps' if own else _number(report)}), "
        f"bounds={report.bounds}, seed={report.seed})"
    )
    if not own:
        call += (
            f"\n\n# or, in a terminal\nadvnotes evaluate MODULE:MODEL --data MODULE:NAME "
            f"--threat {report.norm.lower()}:{_number(report)} --bounds {lowest:g},{highest:g} --seed {report.seed}"
        )
    return f"""<section aria-labelledby="again">
<h2 id="again">To repeat it</h2>
<dl class="facts">{listed}</dl>
<p>With the same model and data, judged by their hashes, and the same versions, this gives the same verdict for
every sample,
whatever the batch size and the order. Where other attacks than the standard ones were chosen, the list above
has them.</p>
<pre tabindex="0"><code>{escape(call)}</code></pre>
</section>"""


def _method(report: Report) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return f"""<section aria-labelledby="method">
<h2 id="method">Method and limits</h2>
<ul>
<li>A sample counts as robust if it is in its class without an attack and no attack was found to move it out:
the worst case
over all attacks, sample by sample, as in AutoAttack (Croce and Hein 2020).</li>
<li>The attacks know the model completely. That a real attacker knows less is no defence that can be relied on.</li>
<li>Intervals are Wilson’s at 95%, for samples drawn independently.</li>
<li>The diagnosis looks for masked gradients (Athalye, Carlini and Wagner 2018) on about a hundred samples. A
defence may
hide its gradients in a way that it does not know; an attack adapted to the defence is the better judge.</li>
{notes}
</ul>
</section>"""


def _eps(report: Report) -> str:
    return report.threat.partition("eps = ")[2] or report.threat.partition(", ")[2]


def _number(report: Report) -> str:
    """The radius with all its digits, where one holds for all samples."""
    return repr(report.eps)


def _interval(share: Proportion) -> str:
    return f"[{share.low:.1%}, {share.high:.1%}]"


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls by itself where it is too wide. The first cell of each row heads it."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "\n".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="Table: {escape(caption, quote=True)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )
