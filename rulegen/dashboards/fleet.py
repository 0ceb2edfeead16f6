"""The overview of all models: a row each, the worst first, and a link to its dashboard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rulegen.dashboards.dashboard import data_source, framed, variable
from rulegen.dashboards.panels import Panel
from rulegen.dashboards.sections import placed
from rulegen.promql.expressions import quote
from rulegen.slo.links import FLEET_UID, UID_PREFIX

_ALL = 'segment="",window="$window"'
_COLUMNS = {
    "budget left": "min by (model) (model_slo:ml_slo_error_budget_remaining:ratio)",
    "features drifted": f"max by (model) (ml_features_drifted_ratio{{{_ALL}}})",
    "quality": f'min by (model) (ml_model_auc_roc{{{_ALL},average=~"|macro",class=""}}) or '
    f"min by (model) (ml_model_accuracy{{{_ALL}}}) or min by (model) (ml_model_r2{{{_ALL}}}) or "
    f"min by (model) (ml_model_ndcg{{{_ALL}}})",
    "labelled": f"min by (model) (ml_label_coverage_ratio{{{_ALL}}})",
    "failed": f"max by (model) (ml_prediction_error_ratio{{{_ALL}}})",
    "predictions per second": f"sum by (model) (ml_predictions_per_second{{{_ALL}}})",
    "since the last cycle": "time() - max by (model) (ml_monitor_last_success_timestamp_seconds)",
}
_EPISODES = "sum by (model, alertname) (increase(ml_alert_actions_total[90d]))"
_NOBODY = (
    f"({_EPISODES} > 0) unless sum by (model, alertname) "
    '(increase(ml_alert_actions_total{outcome=~"acted|acknowledged"}[90d])) > 0'
)
_SILENCED = 'sum by (model, alertname) (increase(ml_alert_actions_total{outcome="silenced"}[90d]))'
_ALERTS = (
    Panel(
        "fleet.acted",
        "Alerts that somebody acted on",
        "Share of the alerts of 30 days that called an action or were acknowledged. Bad: a low one; people have "
        "stopped reading what this model says.",
        {
            "{{model}}": 'sum by (model) (increase(ml_alert_actions_total{outcome=~"acted|acknowledged"}[30d])) / '
            "(sum by (model) (increase(ml_alert_actions_total[30d])) > 0)"
        },
        kind="bars",
        unit="percentunit",
        steps=(("red", None), ("#EAB839", 0.25), ("green", 0.5)),
        missing="No alert has ended, or mlslo-exporter act is not scraped",
    ),
    Panel(
        "fleet.nobody",
        "Alerts that nobody acted on",
        "Alerts of 90 days that began and were never acted on or acknowledged. mlslo-rulegen tune proposes what to do "
        "with each.",
        {"times": _NOBODY, "silenced": f"{_SILENCED} and ({_NOBODY})"},
        kind="table",
        missing="Somebody acted on each, or mlslo-exporter act is not scraped",
    ),
)
_UNITS = {
    "budget left": "percentunit", "features drifted": "percentunit", "labelled": "percentunit", "failed": "percentunit",
    "predictions per second": "reqps", "since the last cycle": "s",
}  # fmt: skip


def build(tiers: Sequence[str], mark: str) -> str:
    """Return the dashboard as JSON. ``tiers``: of alerts, the most urgent first."""
    worst = " or ".join(
        f'{number} * group by (model) (ALERTS{{alertstate="firing",tier={quote(tier)},model!=""}})'
        for number, tier in enumerate(tiers, 1)
    )
    queries = {
        "fires": f"{worst} or {len(tiers) + 1} * group by (model) (ml_monitor_last_success_timestamp_seconds)",
        **_COLUMNS,
    }
    table = Panel(
        "fleet.models",
        "Models",
        "A row a model: the most urgent tier that fires, the least error budget left of any SLO, the share of features "
        "that drifted, quality (the first that there is of AUC, accuracy, R² and NDCG), label coverage, errors, "
        "traffic, and the time since its exporter's last good cycle. A click on the model opens its dashboard.",
        queries,
        kind="table",
        width=24,
        height=20,
        missing="No exporter is scraped",
    ).as_data(0, 0)
    table["fieldConfig"]["overrides"] += [_link(), _tiers(tiers), *_columns()]
    table["options"]["sortBy"] = [{"displayName": "fires", "desc": False}]
    firing = Panel(
        "fleet.firing",
        "Alerts that fire, by tier",
        "How many alerts of models fire, by how urgent they are.",
        {"{{tier}}": 'count by (tier) (ALERTS{alertstate="firing",model!=""})'},
        kind="stacked",
        width=24,
    ).as_data(0, 20)
    alerts = placed(_ALERTS, 28)
    window = variable("window", "label_values(ml_monitor_samples, window)")
    data = {
        "uid": FLEET_UID,
        "title": "Models: overview",
        "description": mark,
        "time": {"from": "now-24h", "to": "now"},
        "annotations": {"list": []},
        "templating": {"list": [data_source(), window]},
        "links": [{"title": "Models", "type": "dashboards", "tags": ["mlslo"], "asDropdown": True}],
    }
    return framed(data, [json.dumps(panel, ensure_ascii=False) for panel in (table, firing, *alerts)])


def _override(column: str, *properties: tuple[str, Any]) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": column},
        "properties": [{"id": name, "value": value} for name, value in properties],
    }


def _link() -> dict[str, Any]:
    url = f"/d/{UID_PREFIX}${{__value.raw}}?${{datasource:queryparam}}"
    return _override("model", ("links", [{"title": "Open its dashboard", "url": url}]))


def _tiers(tiers: Sequence[str]) -> dict[str, Any]:
    colours = ["red", "orange", "#EAB839"]
    shown = {
        str(number): {"text": tier, "color": colours[min(number, len(colours)) - 1], "index": number}
        for number, tier in enumerate(tiers, 1)
    }
    shown[str(len(tiers) + 1)] = {"text": "nothing", "color": "green", "index": len(tiers) + 1}
    return _override("fires", ("mappings", [{"type": "value", "options": shown}]))


def _columns() -> list[dict[str, Any]]:
    bad_below = [
        {"color": "red", "value": None},
        {"color": "#EAB839", "value": 0.0},
        {"color": "green", "value": 0.25},
    ]
    budget = _override(
        "budget left",
        ("thresholds", {"mode": "absolute", "steps": bad_below}),
        ("custom.cellOptions", {"type": "color-text"}),
    )
    return [*(_override(column, ("unit", unit)) for column, unit in _UNITS.items()), budget]
