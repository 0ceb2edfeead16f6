"""The status page: what each model's last cycle found, for a person."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import jinja2

from exporter.daemon.daemon import ModelStatus
from exporter.measure.snapshot import Snapshot
from mlslo.catalogue import METRICS
from mlslo.version import VERSION

_QUALITY = (
    "ml_model_auc_roc",
    "ml_model_auc_pr",
    "ml_model_accuracy",
    "ml_model_precision",
    "ml_model_recall",
    "ml_model_f1",
    "ml_model_brier_score",
    "ml_model_log_loss",
    "ml_model_mae",
    "ml_model_rmse",
    "ml_model_r2",
    "ml_model_ndcg",
    "ml_calibration_error",
    "ml_label_coverage_ratio",
)
_SERVICE = ("ml_monitor_samples", "ml_predictions_per_second", "ml_prediction_error_ratio")
_PREDICTION = ("ml_prediction_mean", "ml_prediction_top_value_ratio")
_DATA_SET = ("ml_features_drifted", "ml_dataset_reconstruction_error_ratio", "ml_dataset_frechet_distance")
_COMPLETENESS = ("ml_feature_missing_ratio", "ml_feature_invalid_ratio", "ml_feature_out_of_range_ratio")
# What a view is shown by: the first of these that it has.
_DRIFT = ("psi", "embedding_cosine_distance", "js_distance")
_MOST_ROWS = 60

Labels = dict[str, str]


@dataclass(frozen=True)
class _Cell:
    """``level``: what chance alone does. ``share``: of a bar whose middle is that level, in percent."""

    text: str = "–"
    level: str = ""
    share: int | None = None
    loud: bool = False


@dataclass(frozen=True)
class _Row:
    name: str
    cells: list[_Cell]


@dataclass(frozen=True)
class _Table:
    title: str
    columns: list[str]
    rows: list[_Row]
    hidden: int = 0
    note: str = ""


@dataclass(frozen=True)
class _Version:
    name: str
    tables: list[_Table]


@dataclass(frozen=True)
class _Model:
    """``silent``: versions without a prediction in any window."""

    name: str
    file: str
    freshness: str
    sinks: list[_Row]
    versions: list[_Version]
    silent: list[str]
    withheld: list[_Row]


def render(models: Sequence[ModelStatus], now: float | None = None) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("exporter.web"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    shown = [_model(model, time.time() if now is None else now) for model in models]
    return environment.get_template("status.html").render(models=shown, version=VERSION)


def _model(model: ModelStatus, now: float) -> _Model:
    snapshot = model.snapshot
    if snapshot is None:
        return _Model(model.name, model.file, "the first cycle has not ended yet", [], [], [], [])
    last = _single(snapshot, "ml_monitor_last_success_timestamp_seconds")
    took = _single(snapshot, "ml_monitor_cycle_duration_seconds")
    rows: dict[str, float] = {}
    for labels, value in _series(snapshot, "ml_monitor_samples"):
        rows[labels["version"]] = max(rows.get(labels["version"], 0.0), value)
    busiest_first = sorted(rows, key=lambda version: -rows[version])
    shown = [version for version in busiest_first if rows[version]] or busiest_first[:1]
    return _Model(
        name=model.name,
        file=model.file,
        freshness=f"last cycle {_ago(now - last)}, took {took:.2g} s",
        sinks=_sinks(snapshot, now),
        versions=[_version(_Scope(snapshot, version)) for version in shown],
        silent=[version for version in busiest_first if version not in shown],
        withheld=_withheld(snapshot),
    )


def _version(scope: _Scope) -> _Version:
    tables = [
        _by_window(scope, "Traffic and predictions", (*_SERVICE, *_PREDICTION)),
        _by_window(scope, "Quality", _QUALITY),
        _by_window(scope, "Drift of the data set", _DATA_SET),
        _drift(scope),
        _completeness(scope),
        *_segments(scope),
    ]
    return _Version(scope.version, [table for table in tables if table.rows])


def _ago(seconds: float) -> str:
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def _series(snapshot: Snapshot, name: str) -> Iterator[tuple[Labels, float]]:
    labels = METRICS[name].labels
    found: Mapping[tuple[str, ...], float] = snapshot.series.get(name, {})
    for values, value in found.items():
        yield dict(zip(labels, values, strict=True)), value


@dataclass(frozen=True)
class _Scope:
    """The series of one version."""

    snapshot: Snapshot
    version: str

    def series(self, name: str) -> Iterator[tuple[Labels, float]]:
        found = _series(self.snapshot, name)
        return ((labels, value) for labels, value in found if labels["version"] == self.version)

    def of_all(self, name: str) -> Iterator[tuple[Labels, float]]:
        """Of all traffic."""
        return ((labels, value) for labels, value in self.series(name) if not labels.get("segment"))


def _single(snapshot: Snapshot, name: str) -> float:
    return next((value for _, value in _series(snapshot, name)), float("nan"))


def _by_window(scope: _Scope, title: str, names: Sequence[str]) -> _Table:
    columns: dict[str, None] = {}
    cells: dict[str, dict[str, _Cell]] = {}
    for name in names:
        for labels, value in scope.of_all(name):
            column = _column(labels)
            columns.setdefault(column)
            row = " ".join(filter(None, (name, labels.get("average", ""), labels.get("k", ""))))
            cells.setdefault(row, {})[column] = _Cell(_number(value))
    return _table(title, columns, cells)


def _drift(scope: _Scope) -> _Table:
    """Each view by one statistic, beside what chance alone does to it."""
    levels = {
        (*_place(labels), labels["statistic"]): value
        for labels, value in scope.of_all("ml_feature_drift_noise_level")
    }
    columns: dict[str, None] = {"statistic": None}
    cells: dict[str, dict[str, _Cell]] = {}
    excess: dict[str, float] = {}
    for statistic in _DRIFT:
        for labels, value in scope.of_all(f"ml_feature_{statistic}"):
            view, column = labels["feature"], _column(labels)
            row = cells.setdefault(view, {"statistic": _Cell(statistic)})
            if row["statistic"].text != statistic:
                continue
            columns.setdefault(column)
            level = levels.get((*_place(labels), statistic))
            row[column] = _against(value, level)
            excess[view] = max(excess.get(view, 0.0), value / level if level else value)
    worst_first = sorted(cells, key=lambda view: -excess[view])
    return _table(
        "Drift of each feature",
        columns,
        {view: cells[view] for view in worst_first},
        "Noise, the mark in the middle of each bar, is what chance alone exceeds in 1 of 100 windows: an alert "
        "below it rings for nothing.",
    )


def _place(labels: Labels) -> tuple[str, str, str]:
    return labels["window"], labels["reference"], labels["feature"]


def _against(value: float, level: float | None) -> _Cell:
    if not level:
        return _Cell(_number(value))
    share = round(100 * max(0.0, value) / (max(0.0, value) + level))
    return _Cell(_number(value), f"noise {_number(level)}", share, loud=value > level)


def _completeness(scope: _Scope) -> _Table:
    columns: dict[str, None] = {}
    cells: dict[str, dict[str, _Cell]] = {}
    worst: dict[str, float] = {}
    for name in _COMPLETENESS:
        what = name.removeprefix("ml_feature_").removesuffix("_ratio").replace("_", " ")
        for labels, value in scope.of_all(name):
            feature = labels["feature"]
            worst[feature] = max(worst.get(feature, 0.0), value)
            if value:
                columns.setdefault(f"{what}, {_column(labels)}")
            cells.setdefault(feature, {})[f"{what}, {_column(labels)}"] = _Cell(
                _number(value), loud=value > 0
            )
    worst_first = sorted(
        (feature for feature in cells if worst[feature]), key=lambda feature: -worst[feature]
    )
    others = len(cells) - len(worst_first)
    return _table(
        "Missing, invalid and out of range",
        columns,
        {feature: cells[feature] for feature in worst_first},
        f"Of {others} others every value is there, of its type and in its range." if others else "",
    )


def _segments(scope: _Scope) -> Iterator[_Table]:
    """A table for each segment: its values by size, each with its rows, its quality and its drift."""
    quality = next((name for name in _QUALITY if any(scope.of_all(name))), None)
    names = ["ml_monitor_samples", *([quality] if quality else []), "ml_features_drifted"]
    tables: dict[str, dict[str, dict[str, _Cell]]] = {}
    columns: dict[str, dict[str, None]] = {}
    size: dict[tuple[str, str], float] = {}
    for name in names:
        short = name.removeprefix("ml_features_").removeprefix("ml_model_").removeprefix("ml_monitor_")
        short = short.removeprefix("ml_").replace("_", " ")
        for labels, value in scope.series(name):
            segment, part = labels["segment"], labels["segment_value"]
            if segment:
                column = f"{short}, {_column(labels)}"
                columns.setdefault(segment, {}).setdefault(column)
                tables.setdefault(segment, {}).setdefault(part, {})[column] = _Cell(_number(value))
                if name == "ml_monitor_samples":
                    size[segment, part] = max(size.get((segment, part), 0.0), value)
    for segment, cells in tables.items():
        largest_first = sorted(cells, key=lambda part: -size.get((segment, part), 0.0))
        shown = {part: cells[part] for part in largest_first if size.get((segment, part))}
        yield _table(f"Segment {segment}", columns[segment], shown)


def _table(
    title: str, columns: Mapping[str, None], cells: Mapping[str, Mapping[str, _Cell]], note: str = ""
) -> _Table:
    rows = [
        _Row(name, [found.get(column, _Cell()) for column in columns])
        for name, found in list(cells.items())[:_MOST_ROWS]
    ]
    return _Table(title, list(columns), rows, max(0, len(cells) - _MOST_ROWS), note)


def _number(value: float) -> str:
    if 0 < abs(value) < 1e-4:
        return "< 0.0001" if value > 0 else "> -0.0001"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}" if abs(value) < 1e9 else f"{value:.3e}"


def _column(labels: Labels) -> str:
    return labels["window"] + (f" against {labels['reference']}" if labels.get("reference") else "")


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
        state = _Cell("readable") if up else _Cell("cannot be read", loud=True)
        counts = (_Cell(f"{found.get(sink, 0):.0f}") for found in (records, rejected))
        rows.append(_Row(sink, [state, *counts, _Cell(age)]))
    return rows


def _withheld(snapshot: Snapshot) -> list[_Row]:
    """Gauges by reason, over all windows and versions."""
    names: dict[str, dict[str, float]] = {}
    for labels, value in _series(snapshot, "ml_gauge_withheld"):
        by_gauge = names.setdefault(labels["reason"], {})
        by_gauge[labels["gauge"]] = by_gauge.get(labels["gauge"], 0.0) + value
    return [
        _Row(reason, [_Cell(", ".join(f"{gauge} ×{number:.0f}" for gauge, number in sorted(found.items())))])
        for reason, found in sorted(names.items())
    ]
