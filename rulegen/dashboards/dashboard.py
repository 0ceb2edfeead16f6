"""One Grafana dashboard per model, as the on-call asks: what fires, what is promised, then layer by layer."""

from __future__ import annotations

import json
from typing import Any

from mlslo.catalogue import Layer
from rulegen.dashboards.of_slo import budgets, gauge
from rulegen.dashboards.panels import SOURCE, Panel
from rulegen.dashboards.sections import placed, sections, texts_of
from rulegen.promql.conventions import MODEL
from rulegen.promql.expressions import quote, selector
from rulegen.slo.links import FLEET_UID, dashboard_uid, panel_id
from rulegen.slo.plan import Plan, SloPlan

# Grafana 10's; older JSON is migrated when it is loaded.
SCHEMA_VERSION = 38
_FIRING = Panel(
    "firing",
    "What fires now",
    "Alerts of this model that fire or are pending, by tier, and for how long.",
    {
        "series": 'count by (tier, alertname, slo, alertstate) (ALERTS{model="$model"})',
        "for": 'time() - min by (tier, alertname, slo) (ALERTS_FOR_STATE{model="$model"})',
    },
    kind="table",
    unit="s",
    width=24,
    height=6,
    missing="Nothing fires",
)
# Grafana moves panels up to the next one above: room for any number of an SLO's.
_ROOM = 1000
_PLACEHOLDER = "panels that all models have"


def build(plan: Plan, mark: str, task: str | None = None) -> str:
    """Return the dashboard as JSON that Grafana imports or provisions. The data source is chosen in Grafana.

    ``task``: of the model, where it is known: panels that others have are left out.
    """
    name, model = plan.file.name, plan.file.model
    panels: list[str] = []
    for number, (title, own, common, collapsed) in enumerate(_rows(plan, task)):
        top = number * _ROOM
        row: dict[str, Any] = {
            "id": panel_id(f"row/{number}"), "type": "row", "title": title, "collapsed": collapsed,
            "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}, "panels": [],
        }  # fmt: skip
        mine = [_line(panel) for panel in placed(tuple(own), top + 1)]
        theirs = texts_of(common, top + _ROOM // 2) if common is not None else ()
        if collapsed:
            panels.append(_line(row).replace('"panels": []', _nested([*mine, *theirs])))
        else:
            panels += [_line(row), *mine, *theirs]
    return framed(
        {
            "uid": dashboard_uid(name),
            "title": f"Model {model}" + (f" ({name})" if name != model else ""),
            "description": mark,
            "time": {"from": "now-24h", "to": "now"},
            "annotations": {"list": [_alerts(model)]},
            "templating": {"list": _variables(model, plan)},
            "links": [
                {"title": "All models", "type": "link", "url": f"/d/{FLEET_UID}", "icon": "dashboard"},
                *_links(plan),
            ],
        },
        panels,
    )


def framed(data: dict[str, Any], panels: list[str]) -> str:
    """Return a dashboard with what all have; ``panels``: JSON, written a line each, so that changes can be reviewed."""
    frame = {
        **data,
        "tags": ["mlslo"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "1m",
        "timezone": "",
        "panels": [_PLACEHOLDER],
    }
    text = json.dumps(frame, indent=2, ensure_ascii=False)
    return (
        text.replace(f"    {json.dumps(_PLACEHOLDER)}", ",\n".join(f"    {panel}" for panel in panels)) + "\n"
    )


def _nested(panels: list[str]) -> str:
    """Return what a collapsed row holds, a line each too."""
    inner = ",\n      ".join(panels)
    return f'"panels": [\n      {inner}\n    ]'


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False)


def _rows(plan: Plan, task: str | None) -> list[tuple[str, list[Panel], Any, bool]]:
    """Return title, own panels, section of ``panels.yaml`` and whether it is collapsed, for each row."""
    promised = [panel for slo in plan.slos for panel in budgets(slo)]
    rows: list[tuple[str, list[Panel], Any, bool]] = [("What fires now", [_FIRING], None, False)]
    if promised:
        rows.append(("What is promised, and what is left of it", promised, None, False))
    own: dict[str, list[Panel]] = {}
    for slo in plan.slos:
        own.setdefault(_section(slo), []).extend(gauge(slo))
    for section in sections(task):
        mine = own.pop(section.title, [])
        if mine or section.panels:
            rows.append((section.title, mine, section, section.collapsed))
    assert not own, f"no section for {list(own)}"
    return rows


def _section(slo: SloPlan) -> str:
    """Return the title of the section that an SLO's gauge is in."""
    if slo.series is not None and slo.series.metric.layer is Layer.FAIRNESS:
        return "Fairness"
    if slo.series is not None and "segment" in slo.series.labels:
        return "Segments: $segment"
    if slo.series is not None and slo.series.metric.name.startswith("ml_calibration"):
        return "Calibration"
    return {"meta": "Exporter"}.get(slo.slo.layer, slo.slo.layer.capitalize())


def _alerts(model: str) -> dict[str, Any]:
    """Marks where alerts of the model fired."""
    return {
        "name": "Alerts",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": selector("ALERTS", {MODEL: model, "alertstate": "firing"}),
        "titleFormat": "{{alertname}}",
        "textFormat": "{{slo}} {{tier}}",
    }


def data_source() -> dict[str, Any]:
    """Return the variable that chooses the data source."""
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _variables(model: str, plan: Plan) -> list[dict[str, Any]]:
    of_model = f"{{model={quote(model)}}}"
    windows = [
        slo.series.example["window"] for slo in plan.slos if slo.series and "window" in slo.series.example
    ]
    references = [slo.series.reference for slo in plan.slos if slo.series and slo.series.reference]
    constant = {"name": "model", "label": "Model", "type": "custom", "query": _escaped(model), "hide": 2}
    return [
        data_source(),
        {**constant, "current": {"text": model, "value": model}},
        {
            **variable("version", f"label_values(ml_monitor_samples{of_model}, version)"),
            # A model without versions has the empty one.
            "includeAll": True, "allValue": ".*", "multi": True, "current": {"text": ["All"], "value": ["$__all"]},
        },
        variable("window", f"label_values(ml_monitor_samples{of_model}, window)", first=windows[:1]),
        variable("reference", f"label_values(ml_reference_info{of_model}, reference)", first=references[:1]),
        variable("segment", f"label_values(ml_monitor_samples{of_model}, segment)", label="Segments by"),
        variable("feature", f"label_values(ml_feature_missing_ratio{of_model}, feature)"),
    ]  # fmt: skip


def variable(
    name: str, query: str, *, label: str | None = None, first: list[str] | None = None
) -> dict[str, Any]:
    """Return a variable whose values are those of a label; ``first``: the one that is chosen at first."""
    data: dict[str, Any] = {
        "name": name, "label": label or name.capitalize(), "type": "query", "datasource": SOURCE, "refresh": 2,
        "sort": 1, "query": {"query": query, "refId": name}, "definition": query,
    }  # fmt: skip
    if first:
        data["current"] = {"text": first[0], "value": first[0]}
    return data


def _escaped(value: str) -> str:
    """Return one value of a list of them."""
    return value.replace("\\", "\\\\").replace(",", "\\,")


def _links(plan: Plan) -> list[dict[str, Any]]:
    runbook = plan.file.file.metadata.annotations.get("runbook_url")
    if runbook is None:
        return []
    return [{"title": "Runbook", "type": "link", "url": runbook, "icon": "doc", "targetBlank": True}]
