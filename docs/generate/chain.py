"""The picture of the chain: boxes and arrows as data, drawn as SVG for light and for dark pages."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from xml.etree import ElementTree

_TITLE = "From a prediction log to the on-call's phone"
_DESCRIPTION = (
    "mlslo-exporter reads the prediction log, the labels, and a ModelMonitor file with a reference; Prometheus scrapes "
    "its gauges. mlslo-rulegen reads ModelSLO and AlertRouting files and writes rules for Prometheus, "
    "alertmanager.yaml for Alertmanager, a unit test for every alert, and dashboards. "
    "Prometheus sends alerts to Alertmanager, which pages PagerDuty, writes to Slack, "
    "and lets act roll back."
)
WIDTH, HEIGHT = 1000, 430
_FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Palette:
    """Colours of one theme; ``kinds``: (fill, outline) by kind of box."""

    text: str
    quiet: str
    line: str
    kinds: dict[str, tuple[str, str]]


PALETTES = {
    "light": Palette(
        text="#1f2328",
        quiet="#59636e",
        line="#59636e",
        kinds={
            "mlslo": ("#ddf4ff", "#0969da"),
            "yours": ("#fff8c5", "#9a6700"),
            "generated": ("#dafbe1", "#1a7f37"),
            "others": ("#f6f8fa", "#818b98"),
        },
    ),
    "dark": Palette(
        text="#f0f6fc",
        quiet="#9198a1",
        line="#9198a1",
        kinds={
            "mlslo": ("#12305a", "#4493f8"),
            "yours": ("#3b2e0a", "#d29922"),
            "generated": ("#12361f", "#3fb950"),
            "others": ("#21262d", "#656c76"),
        },
    ),
}
KINDS = {
    "yours": "yours",
    "mlslo": "mlslo",
    "generated": "generated, reviewed, in Git",
    "others": "other programs, unchanged",
}


@dataclass(frozen=True)
class Box:
    x: int
    y: int
    width: int
    height: int
    kind: str
    name: str
    note: str = ""

    @property
    def left(self) -> tuple[float, float]:
        return self.x, self.y + self.height / 2

    @property
    def right(self) -> tuple[float, float]:
        return self.x + self.width, self.y + self.height / 2

    @property
    def top(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y

    @property
    def bottom(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height


@dataclass(frozen=True)
class Arrow:
    """Through ``points``; ``label`` stands over the first stretch."""

    points: tuple[tuple[float, float], ...]
    label: str = ""


PREDICTIONS = Box(16, 20, 150, 48, "yours", "prediction log", "JSON lines")
LABELS = Box(16, 88, 150, 48, "yours", "labels", "whenever they come")
EXPORTER = Box(226, 28, 150, 100, "mlslo", "mlslo-exporter", "log → gauges")
PROMETHEUS = Box(456, 28, 140, 100, "others", "Prometheus", "evaluates rules")
ALERTMANAGER = Box(676, 28, 160, 100, "others", "Alertmanager", "routes, inhibits")
PAGERDUTY = Box(884, 20, 100, 48, "others", "PagerDuty", "P1")
SLACK = Box(884, 88, 100, 48, "others", "Slack", "P1, P2, P3")
ACT = Box(884, 156, 100, 48, "mlslo", "act", "rolls back")

MONITOR = Box(226, 190, 150, 48, "yours", "ModelMonitor", "and a reference")
RULES = Box(456, 190, 140, 48, "generated", "rules", "recording, alerting")
CONFIGURATION = Box(670, 190, 172, 48, "generated", "alertmanager.yaml", "and templates")

SLO = Box(226, 290, 150, 40, "yours", "ModelSLO")
ROUTING = Box(226, 342, 150, 40, "yours", "AlertRouting")
RULEGEN = Box(456, 300, 140, 72, "mlslo", "mlslo-rulegen", "SLO → rules")
UNIT_TESTS = Box(676, 290, 160, 40, "generated", "unit tests")
DASHBOARDS = Box(676, 342, 160, 40, "generated", "dashboards")

BOXES = (
    PREDICTIONS, LABELS, EXPORTER, PROMETHEUS, ALERTMANAGER, PAGERDUTY, SLACK, ACT,
    MONITOR, RULES, CONFIGURATION, SLO, ROUTING, RULEGEN, UNIT_TESTS, DASHBOARDS,
)  # fmt: skip


def _across(start: Box, end: Box) -> Arrow:
    """Straight from the right side of one to the left side of the other, at the height of the lower box."""
    height = min(start, end, key=lambda box: box.height).right[1]
    return Arrow(((start.right[0], height), (end.left[0], height)))


ARROWS = (
    _across(PREDICTIONS, EXPORTER),
    _across(LABELS, EXPORTER),
    Arrow((EXPORTER.right, PROMETHEUS.left), "/metrics"),
    Arrow((PROMETHEUS.right, ALERTMANAGER.left), "alerts"),
    _across(ALERTMANAGER, PAGERDUTY),
    _across(ALERTMANAGER, SLACK),
    Arrow(((ALERTMANAGER.right[0], 120), (860, 120), (860, ACT.left[1]), ACT.left)),
    Arrow((MONITOR.top, EXPORTER.bottom)),
    Arrow((RULES.top, PROMETHEUS.bottom)),
    Arrow((CONFIGURATION.top, ALERTMANAGER.bottom)),
    _across(SLO, RULEGEN),
    _across(ROUTING, RULEGEN),
    Arrow((RULEGEN.top, RULES.bottom)),
    Arrow(((576, RULEGEN.y), (576, 268), (640, 268), (640, CONFIGURATION.left[1]), CONFIGURATION.left)),
    _across(RULEGEN, UNIT_TESTS),
    _across(RULEGEN, DASHBOARDS),
)


def render(theme: str) -> str:
    """The picture as SVG text; ``theme``: light or dark."""
    palette = PALETTES[theme]
    svg = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {HEIGHT}",
            "width": str(WIDTH),
            "height": str(HEIGHT),
            "role": "img",
            "font-family": _FONT,
        },
    )
    ElementTree.SubElement(svg, "title").text = _TITLE
    ElementTree.SubElement(svg, "desc").text = _DESCRIPTION
    for arrow in ARROWS:
        _draw_arrow(svg, palette, arrow)
    for box in BOXES:
        _draw_box(svg, palette, box)
    _draw_legend(svg, palette)
    ElementTree.indent(svg)
    return ElementTree.tostring(svg, encoding="unicode") + "\n"


def _draw_box(svg: ElementTree.Element, palette: Palette, box: Box) -> None:
    _rectangle(svg, palette, box.kind, box.x, box.y, box.width, box.height)
    x, y = box.x + box.width / 2, box.y + box.height / 2
    _text(svg, x, y - 3 if box.note else y + 5, box.name, palette.text, 14, weight="600")
    if box.note:
        _text(svg, x, y + 15, box.note, palette.quiet, 12)


def _draw_arrow(svg: ElementTree.Element, palette: Palette, arrow: Arrow) -> None:
    *_, (x1, y1), (x2, y2) = arrow.points
    along_x, along_y = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    tip = (x2 - 2 * along_x, y2 - 2 * along_y)
    base = (tip[0] - 8 * along_x, tip[1] - 8 * along_y)
    corners = [tip, *((base[0] + side * along_y, base[1] + side * along_x) for side in (-4.5, 4.5))]
    line = [*arrow.points[:-1], base]
    attributes = {"fill": "none", "stroke": palette.line, "stroke-width": "1.6", "stroke-linejoin": "round"}
    ElementTree.SubElement(svg, "polyline", {"points": _points(line), **attributes})
    ElementTree.SubElement(svg, "polygon", {"points": _points(corners), "fill": palette.line})
    if arrow.label:
        (start, y), (end, _) = next(pairwise(arrow.points))
        _text(svg, (start + end) / 2, y - 8, arrow.label, palette.quiet, 12)


def _draw_legend(svg: ElementTree.Element, palette: Palette) -> None:
    x = 16.0
    for kind, words in KINDS.items():
        _rectangle(svg, palette, kind, x, HEIGHT - 22, 14, 14, radius=3)
        _text(svg, x + 20, HEIGHT - 11, words, palette.quiet, 12, anchor="start")
        x += 52 + 6.4 * len(words)


def _rectangle(
    svg: ElementTree.Element,
    palette: Palette,
    kind: str,
    x: float,
    y: float,
    width: float,
    height: float,
    radius: int = 7,
) -> None:
    fill, outline = palette.kinds[kind]
    numbers = {"x": x, "y": y, "width": width, "height": height, "rx": radius}
    ElementTree.SubElement(
        svg,
        "rect",
        {
            **{name: f"{value:g}" for name, value in numbers.items()},
            "fill": fill,
            "stroke": outline,
            "stroke-width": "1.5",
        },
    )


def _text(
    svg: ElementTree.Element,
    x: float,
    y: float,
    words: str,
    colour: str,
    size: int,
    *,
    weight: str = "400",
    anchor: str = "middle",
) -> None:
    attributes = {
        "x": f"{x:g}",
        "y": f"{y:g}",
        "fill": colour,
        "font-size": str(size),
        "font-weight": weight,
        "text-anchor": anchor,
    }
    ElementTree.SubElement(svg, "text", attributes).text = words


def _points(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
