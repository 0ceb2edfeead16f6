"""Charts as inline SVG: no script, colours of the page, a title for those who cannot see them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from exporter.pages.distributions import Distribution
from exporter.pages.outcomes import CalibrationBin, Points

_WIDTH, _HEIGHT = 340, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 8, 8, 20
_SQUARE = 230
_MOST_BARS = 40
_MOST_NAMED, _LETTERS = 5, 48


class _Plot(NamedTuple):
    """The area of a chart within its frame, in pixels, for values of 0 to 1."""

    width: float
    height: float

    def x(self, share: float) -> str:
        return f"{_LEFT + share * (self.width - _LEFT - _RIGHT):.1f}"

    def y(self, share: float) -> str:
        return f"{_TOP + (1 - share) * (self.height - _TOP - _BOTTOM):.1f}"


def histogram(distribution: Distribution) -> str:
    """Return bars of the shares now, with the reference's as a line of steps."""
    plot = _Plot(_WIDTH, _HEIGHT)
    now, names = distribution.now.tolist(), distribution.bins
    then = distribution.then.tolist()
    if len(now) > _MOST_BARS:
        # The largest of either; the others are in the table of the report's data.
        order = sorted(range(len(now)), key=lambda bin_: -max(now[bin_], then[bin_]))
        kept = sorted(order[:_MOST_BARS])
        now, names = [now[bin_] for bin_ in kept], tuple(names[bin_] for bin_ in kept)
        then = [then[bin_] for bin_ in kept]
    top = max(*now, *then, 1e-9)
    step = 1 / len(now)
    bars, steps = [], []
    for position, (name, share) in enumerate(zip(names, now, strict=True)):
        left, right = position * step, (position + 1) * step
        x, width = float(plot.x(left)), float(plot.x(right)) - float(plot.x(left))
        y, bottom = float(plot.y(share / top)), float(plot.y(0))
        hint = escape(f"{shortened(name)}: {percent(share)}, reference {percent(then[position])}")
        bars.append(
            f'<rect class="now" x="{x + 0.5:.1f}" y="{y:.1f}" width="{max(width - 1, 0.5):.1f}" '
            f'height="{bottom - y:.1f}"><title>{hint}</title></rect>'
        )
        level = plot.y(then[position] / top)
        steps.append(f"{'M' if not position else 'L'}{plot.x(left)} {level}L{plot.x(right)} {level}")
    line = f'<path class="then" d="{"".join(steps)}"/>'
    if len(names) <= _MOST_NAMED:
        named = [((position + 0.5) * step, name, "middle") for position, name in enumerate(names)]
    else:
        named = [(0.0, names[0], "start"), (1.0, names[-1], "end")]
    most = _LETTERS // len(named)
    ticks = "".join(
        f'<text x="{plot.x(at)}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{escape(shortened(name, most))}</text>'
        for at, name, anchor in named
    )
    title = f"Histogram of {distribution.name}: now as bars, the reference as a line"
    return _framed(plot, title, f"{''.join(bars)}{line}{ticks}{_levels(plot, top)}")


def curve(points: Points, title: str, x: str, y: str, *, diagonal: bool) -> str:
    """Return a line through points of 0 to 1, with the diagonal of chance."""
    plot = _Plot(_SQUARE + _LEFT - _BOTTOM, _SQUARE)
    line = " ".join(f"{plot.x(a)},{plot.y(b)}" for a, b in points)
    chance = _diagonal(plot) if diagonal else ""
    return _framed(plot, title, f'{chance}<polyline class="line" points="{line}"/>{_axes(plot, x, y)}')


def calibration(bins: Sequence[CalibrationBin]) -> str:
    """Return the observed share by the score, each with its 95 % interval, and larger where more rows are."""
    plot = _Plot(_SQUARE + _LEFT - _BOTTOM, _SQUARE)
    most = max(item.rows for item in bins)
    marks = []
    for item in bins:
        title = escape(
            f"score {item.score:.3f}: {percent(item.observed)} of {item.rows:,} rows, "
            f"95 % interval {percent(item.low)} to {percent(item.high)}"
        )
        x = plot.x(item.score)
        radius = 2 + 4 * (item.rows / most) ** 0.5
        marks.append(
            f'<g><title>{title}</title><line class="interval" x1="{x}" x2="{x}" y1="{plot.y(item.low)}" '
            f'y2="{plot.y(item.high)}"/>'
            f'<circle class="dot" cx="{x}" cy="{plot.y(item.observed)}" r="{radius:.1f}"/></g>'
        )
    axes = _axes(plot, "score", "observed share")
    return _framed(plot, "Reliability: observed share by score", f"{_diagonal(plot)}{''.join(marks)}{axes}")


def percent(share: float) -> str:
    """Return a share as a person reads it."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"


def shortened(text: str, length: int = 60) -> str:
    """Return a name of at most ``length`` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _framed(plot: _Plot, title: str, content: str) -> str:
    frame = f'<path class="axis" d="M{plot.x(0)} {plot.y(1)}V{plot.y(0)}H{plot.x(1)}"/>'
    # What is put in is escaped where it is made.
    return (
        f'<svg viewBox="0 0 {plot.width:g} {plot.height:g}" width="{plot.width:g}" height="{plot.height:g}" role="img" '
        f'aria-label="{escape(shortened(title, 200))}">{content}{frame}</svg>'
    )


def _levels(plot: _Plot, top: float) -> str:
    return "".join(
        f'<text x="{_LEFT - 4}" y="{float(plot.y(at)) + 4:.1f}" text-anchor="end">{100 * top * at:.3g}%</text>'
        for at in (0, 1)
    )


def _axes(plot: _Plot, x: str, y: str) -> str:
    middle = float(plot.y(0.5))
    ends = "".join(
        f'<text x="{plot.x(at)}" y="{plot.height - 6}" text-anchor="{anchor}">{at:g}</text>'
        for at, anchor in ((0, "middle"), (1, "end"))
    )
    return (
        f'{ends}<text x="{plot.x(0.5)}" y="{plot.height - 6}" text-anchor="middle">{escape(x)}</text>'
        f'<text transform="translate(12 {middle:.1f}) rotate(-90)" text-anchor="middle">{escape(y)}</text>'
        f'<text x="{_LEFT - 4}" y="{float(plot.y(1)) + 8:.1f}" text-anchor="end">1</text>'
    )


def _diagonal(plot: _Plot) -> str:
    return f'<line class="chance" x1="{plot.x(0)}" y1="{plot.y(0)}" x2="{plot.x(1)}" y2="{plot.y(1)}"/>'
