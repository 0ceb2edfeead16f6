"""Status page: what each model's last cycle found, for a person."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
_TRAFFIC = (
    "ml_monitor_samples",
    "ml_predictions_per_second",
    "ml_prediction_error_ratio",
    "ml_prediction_mean",
    "ml_prediction_top_value_ratio",
)
_DATA_SET = ("ml_features_drifted", "ml_dataset_reconstruction_error_ratio", "ml_dataset_frechet_distance")
_COMPLETENESS = ("ml_feature_missing_ratio", "ml_feature_invalid_ratio", "ml_feature_out_of_range_ratio")
# A view is shown by the first of these that it has.
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


@dataclass
class _Table:
    """Cells by row and column, in the order in which they were set."""

    title: str
    note: str = ""
    columns: dict[str, None] = field(default_factory=dict)
    cells: dict[str, dict[str, _Cell]] = field(default_factory=dict)

    def set(self, row: str, column: str, cell: _Cell, *, shown: bool = True) -> None:
        """Set a cell; a column of which none is ``shown`` is left out."""
        if shown:
            self.columns.setdefault(column)
        self.cells.setdefault(row, {})[column] = cell

    def sort(self, key: Callable[[str], float]) -> None:
        """Put the rows of the largest ``key`` first."""
        self.cells = {row: self.cells[row] for row in sorted(self.cells, key=lambda row: -key(row))}

    @property
    def rows(self) -> list[tuple[str, list[_Cell]]]:
        return [
            (name, [found.get(column, _Cell()) for column in self.columns])
            for name, found in list(self.cells.items())[:_MOST_ROWS]
        ]

    @property
    def hidden(self) -> int:
        return max(0, len(self.cells) - _MOST_ROWS)


def render(models: Sequence[ModelStatus], now: float | None = None) -> str:
    """Render the page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("exporter.web"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    shown = [_model(model, time.time() if now is None else now) for model in models]
    return environment.get_template("status.html").render(models=shown, version=VERSION)


def _model(model: ModelStatus, now: float) -> dict[str, object]:
    """Return what the template shows of a model; ``silent``: versions without a prediction in any window."""
    shown: dict[str, object] = {"name": model.name, "file": model.file}
    snapshot = model.snapshot
    if snapshot is None:
        nothing = dict.fromkeys(("sinks", "versions", "silent", "withheld"), ())
        return {**shown, "freshness": "the first cycle has not ended yet", **nothing}
    last = _single(snapshot, "ml_monitor_last_success_timestamp_seconds")
    took = _single(snapshot, "ml_monitor_cycle_duration_seconds")
    rows: dict[str, float] = {}
    for labels, value in _series(snapshot, "ml_monitor_samples"):
        rows[labels["version"]] = max(rows.get(labels["version"], 0.0), value)
    busiest_first = sorted(rows, key=lambda version: -rows[version])
    versions = [version for version in busiest_first if rows[version]] or busiest_first[:1]
    return {
        **shown,
        "freshness": f"last cycle {_ago(now - last)}, took {took:.2g} s",
        "sinks": _sinks(snapshot, now),
        "versions": [(version, _tables(_Scope(snapshot, version))) for version in versions],
        "silent": [version for version in busiest_first if version not in versions],
        "withheld": _withheld(snapshot),
    }


@dataclass(frozen=True)
class _Scope:
    """Series of one version."""

    snapshot: Snapshot
    version: str

    def series(self, name: str) -> Iterator[tuple[Labels, float]]:
        found = _series(self.snapshot, name)
        return ((labels, value) for labels, value in found if labels["version"] == self.version)

    def of_all(self, name: str) -> Iterator[tuple[Labels, float]]:
        """Yield the series of all traffic."""
        return ((labels, value) for labels, value in self.series(name) if not labels.get("segment"))


def _tables(scope: _Scope) -> list[_Table]:
    tables = [
        _by_window(scope, "Traffic and predictions", _TRAFFIC),
        _by_window(scope, "Quality", _QUALITY),
        _by_window(scope, "Drift of the data set", _DATA_SET),
        _drift(scope),
        _completeness(scope),
        *_segments(scope),
    ]
    return [table for table in tables if table.cells]


def _by_window(scope: _Scope, title: str, names: Sequence[str]) -> _Table:
    table = _Table(title)
    for name in names:
        for labels, value in scope.of_all(name):
            row = " ".join(filter(None, (name, labels.get("average", ""), labels.get("k", ""))))
            table.set(row, _column(labels), _Cell(_number(value)))
    return table


def _drift(scope: _Scope) -> _Table:
    """Show each view by one statistic, beside what chance alone does to it."""
    levels = {
        (*_pair(labels), labels["statistic"]): value
        for labels, value in scope.of_all("ml_feature_drift_noise_level")
    }
    table = _Table(
        "Drift of each feature",
        "Noise, the mark in the middle of each bar, is what chance alone exceeds in 1 of 100 windows: an alert "
        "below it rings for nothing.",
        {"statistic": None},
    )
    excess: dict[str, float] = {}
    for statistic in _DRIFT:
        for labels, value in scope.of_all(f"ml_feature_{statistic}"):
            view = labels["feature"]
            if table.cells.setdefault(view, {"statistic": _Cell(statistic)})["statistic"].text != statistic:
                continue
            level = levels.get((*_pair(labels), statistic))
            table.set(view, _column(labels), _against(value, level))
            excess[view] = max(excess.get(view, 0.0), value / level if level else value)
    table.sort(excess.__getitem__)
    return table


def _pair(labels: Labels) -> tuple[str, str, str]:
    return labels["window"], labels["reference"], labels["feature"]


def _against(value: float, level: float | None) -> _Cell:
    if not level:
        return _Cell(_number(value))
    share = round(100 * max(0.0, value) / (max(0.0, value) + level))
    return _Cell(_number(value), f"noise {_number(level)}", share, loud=value > level)


def _completeness(scope: _Scope) -> _Table:
    table = _Table("Missing, invalid and out of range")
    worst: dict[str, float] = {}
    for name in _COMPLETENESS:
        what = name.removeprefix("ml_feature_").removesuffix("_ratio").replace("_", " ")
        for labels, value in scope.of_all(name):
            feature = labels["feature"]
            worst[feature] = max(worst.get(feature, 0.0), value)
            cell = _Cell(_number(value), loud=value > 0)
            table.set(feature, f"{what}, {_column(labels)}", cell, shown=value != 0)
    others = [feature for feature in table.cells if not worst[feature]]
    for feature in others:
        del table.cells[feature]
    table.sort(worst.__getitem__)
    if others:
        table.note = f"Of {len(others)} others every value is there, of its type and in its range."
    return table


def _segments(scope: _Scope) -> Iterator[_Table]:
    """Show the values of each segment by size, each with its rows, its quality and its drift."""
    quality = next((name for name in _QUALITY if any(scope.of_all(name))), None)
    tables: dict[str, _Table] = {}
    size: dict[tuple[str, str], float] = {}
    for name in ("ml_monitor_samples", *([quality] if quality else []), "ml_features_drifted"):
        short = name.removeprefix("ml_features_").removeprefix("ml_model_").removeprefix("ml_monitor_")
        short = short.removeprefix("ml_").replace("_", " ")
        for labels, value in scope.series(name):
            segment, part = labels["segment"], labels["segment_value"]
            if segment:
                table = tables.setdefault(segment, _Table(f"Segment {segment}"))
                table.set(part, f"{short}, {_column(labels)}", _Cell(_number(value)))
                if name == "ml_monitor_samples":
                    size[segment, part] = max(size.get((segment, part), 0.0), value)
    for segment, table in tables.items():
        rows = {part: size.get((segment, part), 0.0) for part in table.cells}
        table.cells = {part: cells for part, cells in table.cells.items() if rows[part]}
        table.sort(rows.__getitem__)
        yield table


def _sinks(snapshot: Snapshot, now: float) -> list[tuple[str, list[_Cell]]]:
    newest, records, rejected = (
        _by_sink(snapshot, name)
        for name in (
            "ml_sink_last_event_timestamp_seconds",
            "ml_sink_records_total",
            "ml_sink_rejected_records_total",
        )
    )
    rows = []
    for labels, up in _series(snapshot, "ml_sink_up"):
        sink = labels["sink"]
        age = _ago(now - newest[sink]) if sink in newest else "none yet"
        state = _Cell("readable") if up else _Cell("cannot be read", loud=True)
        counts = (_Cell(f"{found.get(sink, 0):.0f}") for found in (records, rejected))
        rows.append((sink, [state, *counts, _Cell(age)]))
    return rows


def _by_sink(snapshot: Snapshot, name: str) -> dict[str, float]:
    """Sink -> the sum of its series."""
    found: dict[str, float] = {}
    for labels, value in _series(snapshot, name):
        found[labels["sink"]] = found.get(labels["sink"], 0.0) + value
    return found


def _withheld(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return gauges by reason, over all windows and versions."""
    names: dict[str, dict[str, float]] = {}
    for labels, value in _series(snapshot, "ml_gauge_withheld"):
        by_gauge = names.setdefault(labels["reason"], {})
        by_gauge[labels["gauge"]] = by_gauge.get(labels["gauge"], 0.0) + value
    return [
        (reason, ", ".join(f"{gauge} ×{number:.0f}" for gauge, number in sorted(found.items())))
        for reason, found in sorted(names.items())
    ]


def _series(snapshot: Snapshot, name: str) -> Iterator[tuple[Labels, float]]:
    found: Mapping[tuple[str, ...], float] = snapshot.series.get(name, {})
    for values, value in found.items():
        yield dict(zip(METRICS[name].labels, values, strict=True)), value


def _single(snapshot: Snapshot, name: str) -> float:
    return next((value for _, value in _series(snapshot, name)), float("nan"))


def _ago(seconds: float) -> str:
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def _number(value: float) -> str:
    if 0 < abs(value) < 1e-4:
        return "< 0.0001" if value > 0 else "> -0.0001"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}" if abs(value) < 1e9 else f"{value:.3e}"


def _column(labels: Labels) -> str:
    return labels["window"] + (f" against {labels['reference']}" if labels.get("reference") else "")
