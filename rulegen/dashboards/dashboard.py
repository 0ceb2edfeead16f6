"""One Grafana dashboard per model: a panel for each SLO, its limits as lines, by layer, segment and fairness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from mlslo.catalogue import Layer, Metric
from rulegen.output.generated_files import MARK, json_text
from rulegen.output.opentext import OpenText
from rulegen.promql.conventions import BUDGET_REMAINING_RECORD, BURN_RATE_RECORD, LAYERS
from rulegen.slo.alike import OfModel
from rulegen.slo.links import dashboard_uid
from rulegen.slo.plan import Plan, SloPlan

# Grafana 10's; older JSON is migrated when it is loaded.
SCHEMA_VERSION = 38
_BY_SEGMENT, _FAIRNESS = "By segment", "Fairness"
_WIDTH, _PANEL, _HEIGHT = 24, 12, 8
_UNITS = {"seconds": "s", "Unix seconds": "dateTimeAsIso", "bytes": "bytes"}
_END = "]\n}\n"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboard(model: OfModel, source: str) -> str:
    """The dashboard, in JSON, as Grafana imports or provisions it. The data source is chosen in Grafana.

    ``source``: what it is made from, names open as in the plan.
    """
    named = model.file.name != model.file.model
    start = model.json(model.text("dashboard", named, partial(_start, named, source)))
    return f"{start}\n{_placed(model)}\n  {_END}"


def _start(named: bool, source: str, plan: Plan) -> str:
    """What stands before the panels; ``named``: the file's name is not the model's."""
    name = plan.file.name
    frame = {
        "uid": dashboard_uid(name),
        "title": f"Model {plan.file.model}" + (f" ({name})" if named else ""),
        "description": f"{MARK} from {source}; do not edit.",
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
        "panels": [],
    }
    return json_text(frame).removesuffix(_END)


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


def _placed(model: OfModel) -> str:
    """Rows and panels, from left to right and top to bottom: the items of a list in JSON."""
    rows: dict[str, list[int]] = {}
    for index, slo in enumerate(model.plan.slos):
        rows.setdefault(_row(slo), []).append(index)
    placed: list[tuple[str, tuple[int, int, int, int]]] = []
    y = 0
    for title in (*map(str.capitalize, LAYERS), _BY_SEGMENT, _FAIRNESS):
        if title not in rows:
            continue
        placed.append((_header(title), (0, y, _WIDTH, 1)))
        y += 1
        x = 0
        for index in rows[title]:
            make = partial(_texts, index, model.opened)
            for text in model.part("panels", model.conditions(index), make, whole=False):
                placed.append((model.json(text), (x, y, _PANEL, _HEIGHT)))
                x += _PANEL
                if x == _WIDTH:
                    x, y = 0, y + _HEIGHT
        y += _HEIGHT if x else 0
    return ",\n".join(
        f'    {{\n      "id": {number},{text},{_at(*place)}\n    }}'
        for number, (text, place) in enumerate(placed, 1)
    )


@cache
def _header(title: str) -> str:
    return _inner({"type": "row", "title": title, "collapsed": False, "panels": []})


@cache
def _at(x: int, y: int, width: int, height: int) -> str:
    return _inner({"gridPos": {"x": x, "y": y, "w": width, "h": height}})


def _texts(index: int, opened: Callable[[str], OpenText], plan: Plan) -> list[OpenText]:
    return [opened(_inner(panel)) for panel in _panels(plan.slos[index])]


def _inner(data: dict[str, Any]) -> str:
    """The pairs of a mapping that stands in a list at the top of a document."""
    return json_text(data)[1:-3].replace("\n", "\n    ")


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
