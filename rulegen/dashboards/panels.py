"""Panels of a Grafana dashboard, and their form in its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rulegen.slo.links import panel_id

SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Kind = Literal["timeseries", "stacked", "stat", "table", "bars", "heatmap", "states"]
Step = tuple[str, float | None]
Limit = tuple[float, str]
"""A value, and whether what is bad lies above or below it."""
Link = tuple[str, str]
"""A title and an address."""

_TYPES = {
    "stacked": "timeseries",
    "bars": "bargauge",
    "states": "state-timeline",
}
# A long range costs no more than a short one.
_MOST_POINTS = 400


@dataclass(frozen=True)
class Panel:
    """One panel.

    ``key``: names it for good; ``queries``: legend -> PromQL; ``steps``: colours from each value upwards; ``missing``:
    what is shown where there is no data; ``limits``: whether the steps are drawn as lines. Of a table: ``ascending``:
    whether the lowest value of the first query comes first; ``units``: of single columns.
    """

    key: str
    title: str
    description: str
    queries: Mapping[str, str] = field(default_factory=dict)
    kind: Kind = "timeseries"
    unit: str = "none"
    width: int = 12
    height: int = 8
    steps: Sequence[Step] = (("green", None),)
    missing: str | None = None
    links: Sequence[Link] = ()
    limits: bool = False
    ascending: bool = False
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """Its number in Grafana, the same wherever it stands."""
        return panel_id(self.key)

    def as_data(self, x: int, y: int) -> dict[str, Any]:
        """Return its JSON at a place of the grid."""
        data: dict[str, Any] = {
            "id": self.id,
            "type": _TYPES.get(self.kind, self.kind),
            "title": self.title,
            "description": self.description,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
        }
        if self.links:
            data["links"] = [{"title": title, "url": url, "targetBlank": True} for title, url in self.links]
        shape = _SHAPES[self.kind](self)
        defaults: dict[str, Any] = {
            "unit": self.unit,
            "thresholds": {"mode": "absolute", "steps": [{"color": c, "value": v} for c, v in self.steps]},
            **shape.pop("defaults", {}),
        }
        if self.missing is not None:
            defaults["noValue"] = self.missing
        return {
            **data,
            "datasource": SOURCE,
            "maxDataPoints": _MOST_POINTS,
            "targets": self._targets(),
            "fieldConfig": {"defaults": defaults, "overrides": shape.pop("overrides", [])},
            **shape,
        }

    def _targets(self) -> list[dict[str, Any]]:
        now = {"instant": True, "range": False} if self.kind in ("table", "stat", "bars") else {}
        form = {"table": {"format": "table"}, "heatmap": {"format": "heatmap"}}.get(self.kind, {})
        return [
            {"refId": ref(number), "expr": query, "legendFormat": legend, **now, **form}
            for number, (legend, query) in enumerate(self.queries.items())
        ]


def ref(number: int) -> str:
    """Return the letter of a query."""
    return chr(ord("A") + number)


def steps_of(limits: Sequence[Limit]) -> list[Step]:
    """Return colours from each limit upwards. Grafana's first step has no value: it reaches down to -inf."""
    above = {value for value, side in limits if side == "above"}
    below = {value for value, side in limits if side == "below"}
    steps: list[Step] = [("red" if below else "green", None)]
    for value in sorted(above | below):
        bad = value in above or any(limit > value for limit in below)
        steps.append(("red" if bad else "green", value))
    return steps


def _series(panel: Panel, **custom: Any) -> dict[str, Any]:
    lines = {"thresholdsStyle": {"mode": "dashed"}} if panel.limits else {}
    return {
        "defaults": {"custom": {"lineWidth": 1, "showPoints": "never", **lines, **custom}},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _stacked(panel: Panel) -> dict[str, Any]:
    return _series(panel, fillOpacity=30, stacking={"mode": "normal", "group": "A"})


def _stat(panel: Panel) -> dict[str, Any]:  # noqa: ARG001 - one interface for all
    return {
        "options": {
            "colorMode": "background",
            "graphMode": "none",
            "textMode": "value_and_name",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    }


def _table(panel: Panel) -> dict[str, Any]:
    """One row for each combination of labels, one column for each query; the first query sorts."""
    columns = {f"Value #{ref(number)}": legend for number, legend in enumerate(panel.queries)}
    first = next(iter(panel.queries))
    colour = {"id": "custom.cellOptions", "value": {"type": "color-text"}}
    return {
        "transformations": [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": columns}},
        ],
        "overrides": [
            {"matcher": {"id": "byName", "options": first}, "properties": [colour]},
            *(
                {
                    "matcher": {"id": "byName", "options": column},
                    "properties": [{"id": "unit", "value": unit}],
                }
                for column, unit in panel.units.items()
            ),
        ],
        "options": {"showHeader": True, "sortBy": [{"displayName": first, "desc": not panel.ascending}]},
    }


def _bars(panel: Panel) -> dict[str, Any]:  # noqa: ARG001
    return {
        "options": {
            "displayMode": "basic",
            "orientation": "horizontal",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    }


def _heatmap(panel: Panel) -> dict[str, Any]:
    return {
        "options": {
            "calculate": False,
            "color": {"mode": "scheme", "scheme": "Blues", "steps": 64},
            "yAxis": {"unit": panel.unit},
            "tooltip": {"mode": "single", "yHistogram": True},
        }
    }


def _states(panel: Panel) -> dict[str, Any]:  # noqa: ARG001
    return {
        "defaults": {"color": {"mode": "thresholds"}, "custom": {"fillOpacity": 80, "lineWidth": 0}},
        "options": {
            "mergeValues": True,
            "showValue": "never",
            "rowHeight": 0.9,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "single"},
        },
    }


_SHAPES = {
    "timeseries": _series,
    "stacked": _stacked,
    "stat": _stat,
    "table": _table,
    "bars": _bars,
    "heatmap": _heatmap,
    "states": _states,
}
