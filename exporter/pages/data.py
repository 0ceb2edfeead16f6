"""The figures of a model's page, for a program."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from exporter.measure.exposition import Snapshot
from exporter.pages.distributions import Distribution
from exporter.pages.rendering import Choice, View
from mlslo.catalogue import METRICS
from mlslo.version import VERSION


def as_data(snapshot: Snapshot, choice: Choice) -> dict[str, Any]:
    """Return the figures as JSON has them, the gauges of the whole snapshot among them.

    ``from`` and ``to``: of the window, Unix seconds.
    """
    view = View.of(snapshot, choice)
    data: dict[str, Any] = {"mlslo": VERSION, "model": snapshot.model}
    if view is not None:
        outcomes = view.outcomes
        data |= {
            "version": view.version,
            "window": view.window,
            "from": view.start,
            "to": view.end,
            "reference": view.reference,
            "segment": view.segment,
            "rows": view.rows,
            "others": view.others,
            "features": [_distribution(item) for item in view.features],
            "prediction": None if view.prediction is None else _distribution(view.prediction),
            "outcomes": None
            if outcomes is None
            else {
                **asdict(outcomes),
                "confusion": None if outcomes.confusion is None else outcomes.confusion.tolist(),
                "delays": {str(share): seconds for share, seconds in outcomes.delays.items()},
            },
        }
    data["gauges"] = [
        {"name": name, "labels": dict(zip(METRICS[name].labels, labels, strict=True)), "value": value}
        for name, series in snapshot.series.items()
        for labels, value in series.items()
    ]
    return data


def _distribution(item: Distribution) -> dict[str, Any]:
    return {
        **asdict(item),
        "now": item.now.tolist(),
        "then": item.then.tolist(),
        "drifted": item.drifted,
    }
