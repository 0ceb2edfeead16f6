"""One Grafana dashboard per model: a panel for each SLO, its limits as lines, by layer, segment and fairness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlslo.catalogue import Layer, Metric
from rulegen.promql.conventions import BUDGET_REMAINING_RECORD, BURN_RATE_RECORD, LAYERS
from rulegen.slo.links import dashboard_uid
from rulegen.slo.plan import Plan, SloPlan

# Grafana 10's; older JSON is migrated when it is loaded.
SCHEMA_VERSION = 38
_BY_SEGMENT, _FAIRNESS = "By segment", "Fairness"
_WIDTH, _PANEL, _HEIGHT = 24, 12, 8
_UNITS = {"seconds": "s", "Unix seconds": "dateTimeAsIso", "bytes": "bytes"}
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


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
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": f'ALERTS{{model="{_escaped(plan.file.model)}",alertstate="firing"}}',
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
        rows.setdefault(_row(slo), []).extend(_panels(slo))
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


def _panels(slo: SloPlan) -> Iterator[dict[str, Any]]:
    if slo.series is not None:
        yield _gauge_panel(slo)
    if slo.budget is not None:
        budget = slo.budget
        title = f"{budget.slo}: error budget left of {budget.time_window}"
        target = _target(budget.select(BUDGET_REMAINING_RECORD), "left")
        yield _timeseries(title, [target], "percentunit", [(0.0, "below")])
        factors = [(float(pair.factor), "above") for pair in budget.pairs]
        burn = _target(budget.select(BURN_RATE_RECORD), f"over {budget.pairs[0].long}")
        yield _timeseries(f"{budget.slo}: burn rate", [burn], "none", factors)


def _gauge_panel(slo: SloPlan) -> dict[str, Any]:
    series = slo.series
    assert series is not None
    legend = " ".join(f"{{{{{label}}}}}" for label in (*series.entities, *_versions(series.varying)))
    targets = [_target(series.expression, legend or series.title)]
    for line in dict.fromkeys(line for alert in slo.gauge_alerts for line in alert.kind.lines()):
        targets.append(_target(line.expression, f"{line.name} {legend}".strip()))
    limits: list[tuple[float, str]] = [limit for alert in slo.gauge_alerts for limit in alert.kind.limits()]
    where = ", ".join(f"{label} {value}" for label, value in series.fixed.items() if label != "model")
    title = f"{series.slo}: {series.title}" + (f" ({where})" if where else "")
    panel = _timeseries(title, targets, _unit(series.metric), limits)
    return {**panel, "description": series.metric.help}


def _unit(metric: Metric) -> str:
    # An AUC of 0.7 is not 70 % of anything.
    return "percentunit" if metric.name.endswith("_ratio") else _UNITS.get(metric.unit, "none")


def _versions(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(label for label in labels if label == "version")


def _target(expression: str, legend: str) -> dict[str, Any]:
    return {"datasource": _SOURCE, "expr": expression, "legendFormat": legend}


def _timeseries(
    title: str, targets: list[dict[str, Any]], unit: str, limits: list[tuple[float, str]]
) -> dict[str, Any]:
    named = [{**target, "refId": chr(ord("A") + index)} for index, target in enumerate(targets)]
    return {
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "targets": named,
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "custom": {"lineWidth": 1, "showPoints": "never", "thresholdsStyle": {"mode": "dashed"}},
                "thresholds": {"mode": "absolute", "steps": _steps(limits)},
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _steps(limits: list[tuple[float, str]]) -> list[dict[str, Any]]:
    """Colours from each limit upwards. Grafana's first step has no value: it reaches down to -inf."""
    above = {value for value, side in limits if side == "above"}
    below = {value for value, side in limits if side == "below"}
    steps: list[dict[str, Any]] = [{"color": "red" if below else "green", "value": None}]
    for value in sorted(above | below):
        bad = value in above or any(limit > value for limit in below)
        steps.append({"color": "red" if bad else "green", "value": value})
    return steps


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
