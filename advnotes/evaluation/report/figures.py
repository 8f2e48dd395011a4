"""The figures of the report's page: SVG in the page's colours, and pictures as PNG inside the page."""

import base64
import io
from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup, escape
from torch import Tensor

from advnotes.metrics.accuracy import Proportion

__all__ = ["classes", "curve", "picture"]

WIDTH = 400.0  # of every chart's own coordinates: text is about as large on a phone as on a desktop


def curve(
    points: Sequence[tuple[float, Proportion]],
    eps: float | None,
    unit: str,
    alt: str,
    proved: float | None = None,
) -> Markup:
    """Accuracy against eps with its interval, the radius that the verdict is about, and the share proved there."""
    left, right, top, bottom = 44.0, 12.0, 22.0, 44.0
    wide, high = WIDTH - left - right, 170.0
    last = max(radius for radius, _ in points) or 1.0

    def x(radius: float) -> float:
        return left + wide * radius / last

    def y(share: float) -> float:
        return top + high * (1 - share)

    line = " ".join(f"{x(radius):.1f},{y(share.value):.1f}" for radius, share in points)
    upper = [f"{x(radius):.1f},{y(share.high):.1f}" for radius, share in points]
    lower = [f"{x(radius):.1f},{y(share.low):.1f}" for radius, share in reversed(points)]
    parts = [_grid(left, wide, y)]
    parts += [
        f'<polygon points="{" ".join(upper + lower)}" fill="var(--robust)" fill-opacity="var(--band)"/>',
        f'<polyline points="{line}" fill="none" stroke="var(--robust)" stroke-width="2"/>',
    ]
    parts += [
        f'<circle cx="{x(r):.1f}" cy="{y(s.value):.1f}" r="2.6" fill="var(--robust)"/>' for r, s in points
    ]
    if eps is not None:
        # The label stands on the side where there is room.
        side, shift = ("end", -5) if eps > 0.6 * last else ("start", 5)
        parts += [
            f'<line x1="{x(eps):.1f}" x2="{x(eps):.1f}" y1="{top}" y2="{y(0.0):.1f}" stroke="var(--soft)" '
            'stroke-dasharray="4 3"/>',
            f'<text x="{x(eps) + shift:.1f}" y="{top - 8}" text-anchor="{side}">eps of the verdict</text>',
        ]
    if eps is not None and proved is not None:
        # A triangle that stands on the bound and points up to where the truth is.
        ends = f"{x(eps) - 5:.1f},{y(proved) + 8:.1f} {x(eps) + 5:.1f},{y(proved) + 8:.1f} {x(eps):.1f},{y(proved):.1f}"
        side, shift = ("end", -8) if eps > 0.6 * last else ("start", 8)
        parts += [
            f'<polygon points="{ends}" fill="var(--clean)"/>',
            f'<text x="{x(eps) + shift:.1f}" y="{y(proved) + 14:.1f}" text-anchor="{side}">proved</text>',
        ]
    shown: list[float] = []
    for radius, _ in points:
        if not shown or x(radius) - x(shown[-1]) > 34:
            shown.append(radius)
    parts += [
        f'<text x="{x(radius):.1f}" y="{y(0.0) + 16:.1f}" text-anchor="middle">{radius:.3g}</text>'
        for radius in shown
    ]
    parts.append(
        f'<text x="{left + wide / 2}" y="{y(0.0) + 36:.1f}" text-anchor="middle">{escape(unit)}</text>'
    )
    return _chart(top + high + bottom, alt, parts)


def classes(rows: Sequence[tuple[str, Proportion, Proportion]], alt: str) -> Markup:
    """Clean and robust accuracy of each class, on one line with the robust interval."""
    left, right, top, step = 64.0, 22.0, 30.0, 20.0
    wide, high = WIDTH - left - right, step * len(rows)

    def x(share: float) -> float:
        return left + wide * share

    parts = [
        f'<circle cx="{left + 6}" cy="10" r="4" fill="none" stroke="var(--clean)" stroke-width="2"/>'
        f'<text x="{left + 16}" y="14">clean</text>'
        f'<circle cx="{left + 76}" cy="10" r="4" fill="var(--robust)"/>'
        f'<text x="{left + 86}" y="14">under attack, with its interval</text>'
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(
            f'<line x1="{x(share):.1f}" x2="{x(share):.1f}" y1="{top}" y2="{top + high}" stroke="var(--line)"/>'
            f'<text x="{x(share):.1f}" y="{top + high + 16}" text-anchor="middle">{share:.0%}</text>'
        )
    for number, (name, clean, robust) in enumerate(rows):
        y = top + step * (number + 0.5)
        parts.append(
            f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
            f'<line x1="{x(robust.low):.1f}" x2="{x(robust.high):.1f}" y1="{y}" y2="{y}" stroke="var(--robust)" '
            'stroke-width="5" stroke-opacity="0.3"/>'
            f'<circle cx="{x(clean.value):.1f}" cy="{y}" r="4" fill="none" stroke="var(--clean)" stroke-width="2"/>'
            f'<circle cx="{x(robust.value):.1f}" cy="{y}" r="4" fill="var(--robust)"/>'
        )
    return _chart(top + high + 24, alt, parts)


def picture(values: Tensor, bounds: tuple[float, float], alt: str) -> Markup:
    """A grey or colour picture, or where there is none a row of its values, as an ``img`` with its data inside."""
    from matplotlib.image import imsave

    lowest, highest = bounds
    pixels = ((values.detach().float().cpu() - lowest) / (highest - lowest)).clamp(0, 1).numpy()
    if pixels.ndim == 3 and pixels.shape[0] == 3:
        pixels = pixels.transpose(1, 2, 0)
    else:
        pixels = pixels.reshape(-1, pixels.shape[-1]) if pixels.ndim > 1 else pixels.reshape(1, -1)
    buffer = io.BytesIO()
    imsave(
        buffer,
        np.ascontiguousarray(pixels),
        format="png",
        cmap="gray",
        vmin=0,
        vmax=1,
        metadata={"Software": ""},
    )
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Markup(f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">')


def _chart(height: float, alt: str, parts: Sequence[str]) -> Markup:
    view = f"0 0 {WIDTH:g} {height:g}"
    return Markup(
        f'<svg class="chart" viewBox="{view}" role="img" aria-label="{escape(alt)}">{"".join(parts)}</svg>'
    )


def _grid(left: float, wide: float, y: Callable[[float], float]) -> str:
    return "".join(
        f'<line x1="{left}" x2="{left + wide}" y1="{y(share):.1f}" y2="{y(share):.1f}" stroke="var(--line)"/>'
        f'<text x="{left - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
