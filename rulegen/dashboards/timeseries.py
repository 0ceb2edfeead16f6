"""A panel of time series, with limits as dashed lines."""

from __future__ import annotations

from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def target(expression: str, legend: str) -> dict[str, Any]:
    """A query, and how its series are named."""
    return {"datasource": SOURCE, "expr": expression, "legendFormat": legend}


def timeseries(
    title: str, targets: list[dict[str, Any]], unit: str, limits: list[tuple[float, str]]
) -> dict[str, Any]:
    """A panel of ``targets``; ``limits``: values, and whether what is bad lies above or below each."""
    named = [{**target, "refId": chr(ord("A") + index)} for index, target in enumerate(targets)]
    return {
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
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
