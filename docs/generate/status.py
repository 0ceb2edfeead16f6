"""Pictures of the example's status page, for README: its own charts, side by side."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path

from exporter.daemon.models import load_all
from exporter.measure.exposition import Snapshot
from exporter.pages import Choice, svg
from exporter.pages.rendering import View
from exporter.references.baseline import build
from exporter.references.reference_file import dump
from mlslo.monitor import load

_EXAMPLE = Path(__file__).parents[2] / "examples" / "diabetes"
_AT = "2025-01-06T08:40:00+00:00"
_STYLE = """text { font: 11px system-ui, sans-serif; fill: #595f69 } .title { font-size: 13px; font-weight: 600 }
.now, .dot { fill: #1f6fb2 } .now { opacity: .8 } .then { fill: none; stroke: #8a4b00; stroke-width: 2 }
.axis, .chance { stroke: #9aa1ab; fill: none } .chance { stroke-dasharray: 3 3 } .interval { stroke: #1f6fb2 }
.line { fill: none; stroke: #1f6fb2; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #a9b1bc } .now, .dot { fill: #6fb3ee } .then { stroke: #f0b060 }
.interval, .line { stroke: #6fb3ee } }"""
_HEIGHT, _GAP, _TOP = 256, 16, 24


def picture() -> str:
    """Return the picture of the example's features and outcome, at a moment when it had drifted."""
    with tempfile.TemporaryDirectory(prefix="mlslo-picture-") as name:
        view = View.of(measured(Path(name) / "diabetes"), Choice())
    assert view is not None
    assert view.outcomes is not None
    by_name = {item.name: item for item in view.features}
    charts = []
    for feature in ("glucose", "age"):
        item = by_name[feature]
        assert item.distance is not None
        words = "drifted" if item.drifted else "not drifted"
        charts.append((f"{feature}: PSI {item.distance:.2f}, {words}", str(svg.histogram(item))))
    charts.append(("Reliability", str(svg.calibration(view.outcomes.calibration))))
    x, parts = 0.0, []
    for title, chart in charts:
        (width,) = map(float, re.findall(r'^<svg [^>]* width="([\d.]+)"', chart))
        parts.append(f'<text class="title" x="{x + 42:g}" y="14">{title}</text>')
        parts.append(chart.replace("<svg ", f'<svg x="{x:g}" y="{_TOP}" ', 1))
        x += width + _GAP
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {x - _GAP:g} {_HEIGHT}" role="img" '
        f'aria-label="Distributions and reliability of the example model">\n<style>{_STYLE}</style>\n{inside}\n</svg>\n'
    )


def measured(folder: Path) -> Snapshot:
    """Return what the exporter finds in a copy of the example, which is made in ``folder``."""
    shutil.copytree(_EXAMPLE, folder)
    path = folder / "monitor.yaml"
    built = build(load(path), [folder / "reference-data.jsonl"])
    reference = folder / "references" / "validation.json"
    reference.parent.mkdir(exist_ok=True)
    reference.write_text(dump("diabetes", built.reference))
    (model,) = load_all([path])
    with closing(model.open(None)) as cycle:
        snapshot = cycle.run(at=datetime.fromisoformat(_AT).timestamp(), final=True)
    assert snapshot is not None
    return snapshot
