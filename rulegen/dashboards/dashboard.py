"""One Grafana dashboard per model: a panel for each SLO, its limits as lines, by layer, segment and fairness."""

from __future__ import annotations

from typing import Any

from mlslo.catalogue import Layer
from rulegen.dashboards import budget, gauge
from rulegen.dashboards.timeseries import SOURCE
from rulegen.promql.conventions import LAYERS, MODEL
from rulegen.promql.expressions import selector
from rulegen.slo.links import dashboard_uid
from rulegen.slo.plan import Plan, SloPlan

# One line for each kind of panel, in the order in which an SLO shows them.
PANELS = (gauge, budget)
# Grafana 10's; older JSON is migrated when it is loaded.
SCHEMA_VERSION = 38
_BY_SEGMENT, _FAIRNESS = "By segment", "Fairness"
_WIDTH, _PANEL, _HEIGHT = 24, 12, 8


def build(plan: Plan, mark: str) -> dict[str, Any]:
    """The dashboard as Grafana imports or provisions it. The data source is chosen in Grafana."""
    name, model = plan.file.name, plan.file.model
    return {
        "uid": dashboard_uid(name),
        "title": f"Model {model}" + (f" ({name})" if name != model else ""),
        "description": mark,
        "tags": ["mlslo"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "",
        "annotations": {"list": [_alerts(plan)]},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
            ]
        },
        "links": _links(plan),
        "panels": _placed(plan),
    }


def _alerts(plan: Plan) -> dict[str, Any]:
    """Marks where alerts of the model fired."""
    return {
        "name": "Alerts",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": selector("ALERTS", {MODEL: plan.file.model, "alertstate": "firing"}),
        "titleFormat": "{{alertname}}",
        "textFormat": "{{slo}} {{tier}}",
    }


def _links(plan: Plan) -> list[dict[str, Any]]:
    runbook = plan.file.file.metadata.annotations.get("runbook_url")
    if runbook is None:
        return []
    return [{"title": "Runbook", "type": "link", "url": runbook, "icon": "doc", "targetBlank": True}]


def _placed(plan: Plan) -> list[dict[str, Any]]:
    """Rows and panels, from left to right and top to bottom."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for slo in plan.slos:
        rows.setdefault(_row(slo), []).extend(panel for kind in PANELS for panel in kind.panels(slo))
    placed: list[dict[str, Any]] = []

    def place(panel: dict[str, Any], x: int, y: int, width: int, height: int) -> None:
        position = {"x": x, "y": y, "w": width, "h": height}
        placed.append({"id": len(placed) + 1, **panel, "gridPos": position})

    y = 0
    for title in (*map(str.capitalize, LAYERS), _BY_SEGMENT, _FAIRNESS):
        if title not in rows:
            continue
        place({"type": "row", "title": title, "collapsed": False, "panels": []}, 0, y, _WIDTH, 1)
        y += 1
        for number, panel in enumerate(rows[title]):
            line, column = divmod(number, _WIDTH // _PANEL)
            place(panel, column * _PANEL, y + line * _HEIGHT, _PANEL, _HEIGHT)
        y += -(-len(rows[title]) // (_WIDTH // _PANEL)) * _HEIGHT
    return placed


def _row(slo: SloPlan) -> str:
    """The title of the row that an SLO's panels are in."""
    if slo.series is not None and slo.series.metric.layer is Layer.FAIRNESS:
        return _FAIRNESS
    if slo.series is not None and "segment" in slo.series.labels:
        return _BY_SEGMENT
    return slo.slo.layer.capitalize()
