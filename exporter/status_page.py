"""The status page: what each model's last cycle found, for a person."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2

from exporter.catalogue import METRICS
from exporter.daemon import ModelStatus
from exporter.snapshot import Snapshot
from exporter.version import VERSION

_QUALITY = (
    "ml_model_auc_roc",
    "ml_model_auc_pr",
    "ml_model_accuracy",
    "ml_model_precision",
    "ml_model_recall",
    "ml_model_f1",
    "ml_model_brier_score",
    "ml_model_log_loss",
    "ml_calibration_error",
    "ml_label_coverage_ratio",
)
_SERVICE = ("ml_monitor_samples", "ml_predictions_per_second", "ml_prediction_error_ratio")
_PREDICTION = ("ml_prediction_mean", "ml_prediction_top_value_ratio")
_MOST_ROWS = 60


@dataclass(frozen=True)
class _Row:
    name: str
    cells: list[str]


@dataclass(frozen=True)
class _Table:
    title: str
    columns: list[str]
    rows: list[_Row]
    hidden: int


@dataclass(frozen=True)
class _Model:
    name: str
    file: str
    freshness: str
    sinks: list[_Row]
    tables: list[_Table]
    withheld: list[_Row]


def render(models: Sequence[ModelStatus], now: float | None = None) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("exporter"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    shown = [_model(model, time.time() if now is None else now) for model in models]
    return environment.get_template("status.html").render(models=shown, version=VERSION)


def _model(model: ModelStatus, now: float) -> _Model:
    snapshot = model.snapshot
    if snapshot is None:
        return _Model(model.name, model.file, "the first cycle has not ended yet", [], [], [])
    last = _single(snapshot, "ml_monitor_last_success_timestamp_seconds")
    took = _single(snapshot, "ml_monitor_cycle_duration_seconds")
    freshness = f"last cycle {_ago(now - last)}, took {took:.2g} s"
    tables = [
        _by_window(snapshot, "Traffic and predictions", (*_SERVICE, *_PREDICTION)),
        _by_window(snapshot, "Quality", _QUALITY),
        _by_feature(snapshot, "ml_feature_psi", "Drift: population stability index"),
        _by_feature(snapshot, "ml_feature_missing_ratio", "Missing ratio"),
    ]
    return _Model(
        name=model.name,
        file=model.file,
        freshness=freshness,
        sinks=_sinks(snapshot, now),
        tables=[table for table in tables if table.rows],
        withheld=_withheld(snapshot),
    )


def _ago(seconds: float) -> str:
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def _series(snapshot: Snapshot, name: str) -> list[tuple[dict[str, str], float]]:
    labels = METRICS[name].labels
    found: Mapping[tuple[str, ...], float] = snapshot.series.get(name, {})
    return [(dict(zip(labels, values, strict=True)), value) for values, value in found.items()]


def _single(snapshot: Snapshot, name: str) -> float:
    return next((value for _, value in _series(snapshot, name)), float("nan"))


def _by_window(snapshot: Snapshot, title: str, names: Sequence[str]) -> _Table:
    columns: dict[str, None] = {}
    cells: dict[str, dict[str, str]] = {}
    for name in names:
        for labels, value in _series(snapshot, name):
            column = _column(labels)
            columns.setdefault(column)
            cells.setdefault(name, {})[column] = f"{value:.4g}"
    rows = [_Row(name, [found.get(column, "–") for column in columns]) for name, found in cells.items()]
    return _Table(title, list(columns), rows, 0)


def _by_feature(snapshot: Snapshot, name: str, title: str) -> _Table:
    columns: dict[str, None] = {}
    cells: dict[str, dict[str, float]] = {}
    for labels, value in _series(snapshot, name):
        column = _column(labels)
        columns.setdefault(column)
        cells.setdefault(labels["feature"], {})[column] = value
    worst_first = sorted(cells.items(), key=lambda item: -max(item[1].values()))
    rows = [
        _Row(feature, [f"{found[column]:.4g}" if column in found else "–" for column in columns])
        for feature, found in worst_first[:_MOST_ROWS]
    ]
    return _Table(title, list(columns), rows, max(0, len(worst_first) - _MOST_ROWS))


def _column(labels: Mapping[str, str]) -> str:
    reference = f" against {labels['reference']}" if labels.get("reference") else ""
    return f"{labels['window']}{reference}" + (f" · {labels['version']}" if labels["version"] else "")


def _sinks(snapshot: Snapshot, now: float) -> list[_Row]:
    newest = {
        labels["sink"]: value for labels, value in _series(snapshot, "ml_sink_last_event_timestamp_seconds")
    }
    records = {labels["sink"]: value for labels, value in _series(snapshot, "ml_sink_records_total")}
    rejected: dict[str, float] = {}
    for labels, value in _series(snapshot, "ml_sink_rejected_records_total"):
        rejected[labels["sink"]] = rejected.get(labels["sink"], 0.0) + value
    rows = []
    for labels, up in _series(snapshot, "ml_sink_up"):
        sink = labels["sink"]
        age = _ago(now - newest[sink]) if sink in newest else "none yet"
        state = "readable" if up else "cannot be read"
        rows.append(_Row(sink, [state, f"{records.get(sink, 0):.0f}", f"{rejected.get(sink, 0):.0f}", age]))
    return rows


def _withheld(snapshot: Snapshot) -> list[_Row]:
    """Gauges by reason, over all windows and versions."""
    names: dict[str, dict[str, float]] = {}
    for labels, value in _series(snapshot, "ml_gauge_withheld"):
        by_gauge = names.setdefault(labels["reason"], {})
        by_gauge[labels["gauge"]] = by_gauge.get(labels["gauge"], 0.0) + value
    return [
        _Row(reason, [", ".join(f"{gauge} ×{number:.0f}" for gauge, number in sorted(found.items()))])
        for reason, found in sorted(names.items())
    ]
