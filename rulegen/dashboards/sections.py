"""The panels that every model's dashboard has: rows of ``panels.yaml``, and their text, made once."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

import yaml

from mlslo.catalogue import METRICS
from rulegen.dashboards.panels import Panel

_TABLE: dict[str, Any] = yaml.load(
    (resources.files("rulegen") / "dashboards" / "panels.yaml").read_bytes(),
    getattr(yaml, "CSafeLoader", yaml.SafeLoader),  # noqa: S506 - both are safe
)
_MATCHER = re.compile(rf"\b(?:{'|'.join(_TABLE['matchers'])})\b")
_METRIC = re.compile(r"\bml_\w+")
_SUFFIXES = ("_bucket", "_sum", "_count")
_WIDTH = 24

LEFT_OUT: dict[str, str] = _TABLE["left_out"]
"""Metrics that are on no dashboard -> why."""


@dataclass(frozen=True, eq=False)
class Section:
    """A row of a dashboard and its panels. ``collapsed``: shown once somebody asks."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@cache
def sections(task: str | None = None) -> tuple[Section, ...]:
    """Return the sections in their order, with the panels that a model of ``task`` can have; None: all."""
    return tuple(
        Section(
            row["title"],
            tuple(panel for one in row["panels"] if (panel := _panel(one, task)) is not None),
            row.get("collapsed", False),
        )
        for row in _TABLE["sections"]
    )


def metrics_of(query: str) -> list[str]:
    """Return the metrics of the catalogue that a query reads."""
    found = []
    for name in _METRIC.findall(query):
        bare = next((name.removesuffix(end) for end in _SUFFIXES if name.removesuffix(end) in METRICS), name)
        if bare in METRICS:
            found.append(bare)
    return list(dict.fromkeys(found))


def placed(panels: tuple[Panel, ...], top: int) -> list[dict[str, Any]]:
    """Return panels from left to right and top to bottom, beginning at ``top``."""
    found, x, y, height = [], 0, top, 0
    for panel in panels:
        if x + panel.width > _WIDTH:
            x, y, height = 0, y + height, 0
        found.append(panel.as_data(x, y))
        x, height = x + panel.width, max(height, panel.height)
    return found


@cache
def texts_of(section: Section, top: int) -> tuple[str, ...]:
    """Return the panels of a section as JSON, a line each: they are the same for all models."""
    return tuple(json.dumps(panel, ensure_ascii=False) for panel in placed(section.panels, top))


def _panel(row: dict[str, Any], task: str | None) -> Panel | None:
    """Return the panel of a row; None where no query of it is for ``task``."""
    queries = {legend: _expanded(query) for legend, query in row["queries"].items() if _has_data(query, task)}
    if not queries:
        return None
    names = dict.fromkeys(name for query in queries.values() for name in metrics_of(query))
    panel = Panel(
        row["key"],
        row["title"],
        row.get("about") or " ".join(METRICS[name].help for name in names),
        queries,
        kind=row.get("kind", "timeseries"),
        unit=row["unit"],
        steps=tuple((colour, value) for colour, value in _TABLE["scales"][row.get("scale", "none")]),
        missing=row.get("missing"),
    )
    return replace(panel, **{key: row[key] for key in ("width", "height") if key in row})


def _has_data(query: str, task: str | None) -> bool:
    """Return whether any metric of a query is measured for ``task``; metrics of others than the exporter always are."""
    tasks = [METRICS[name].tasks for name in metrics_of(query)]
    return task is None or not tasks or any(not known or task in known for known in tasks)


def _expanded(query: str) -> str:
    while _MATCHER.search(query):
        query = _MATCHER.sub(lambda found: str(_TABLE["matchers"][found.group()]), query)
    return query
