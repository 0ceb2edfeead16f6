"""Figures of a snapshot as tables, for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from exporter.measure.exposition import Snapshot
from mlslo.catalogue import METRICS, Layer

_OF_A_COLUMN = {"model", "version", "window", "reference", "segment", "segment_value"}
# A view is shown by the first of these that it has.
_DRIFT = ("psi", "embedding_cosine_distance", "js_distance")
# Labels of which a row's name has the value.
_IN_NAMES = frozenset(("average", "class", "k", "quantile"))
_COMPLETENESS = ("missing", "invalid", "out_of_range")

Labels = dict[str, str]


class Cell(NamedTuple):
    """``level``: what the value exceeds without drift. ``size``: of the effect. ``matters``: whether that is enough."""

    row: str
    column: str
    value: float
    level: float | None = None
    size: float | None = None
    matters: bool = True

    @property
    def loud(self) -> bool:
        """True of drift: beyond the noise, and large enough to matter."""
        return self.level is not None and self.value > self.level and self.matters


class Shown:
    """What the template shows of a snapshot. ``silent``: versions without a prediction in any window."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        rows: dict[str, float] = {}
        for labels, value in self.series("ml_monitor_samples"):
            rows[labels["version"]] = max(rows.get(labels["version"], 0.0), value)
        busiest_first = sorted(rows, key=lambda version: -rows[version])
        self.versions = [version for version in busiest_first if rows[version]] or busiest_first[:1]
        self.silent = [version for version in busiest_first if version not in self.versions]

    def series(self, name: str, **having: str) -> list[tuple[Labels, float]]:
        """Return the labels and values of a metric's series, of those ``having`` some labels."""
        return self._snapshot.having(name, **having)

    def total(self, name: str, **having: str) -> float:
        """Return the sum of a metric's series."""
        return sum(value for _, value in self.series(name, **having))

    def tables(self, version: str) -> Iterator[tuple[str, list[Cell]]]:
        """Yield the title and the cells of each table of all traffic, then of each segment."""
        traffic = {"version": version, "segment": ""}
        for layer in Layer:
            cells = []
            for name, metric in METRICS.items():
                more = [label for label in metric.labels if label not in _OF_A_COLUMN]
                if metric.layer is layer and "segment" in metric.labels and {*more} <= _IN_NAMES:
                    for labels, value in self.series(name, **traffic):
                        row = " ".join([name, *(labels[label] for label in more if labels[label])])
                        cells.append(Cell(row, _column(labels), value))
            yield layer.value.capitalize(), cells
        yield "Drift of each feature", self._drift(traffic)
        incomplete = [
            Cell(labels["feature"], f"{what.replace('_', ' ')}, {_column(labels)}", value)
            for what in _COMPLETENESS
            for labels, value in self.series(f"ml_feature_{what}_ratio", **traffic)
            if value
        ]
        yield "Missing, invalid and out of range", _largest_first(incomplete)
        for segment in sorted({labels["segment"] for labels, _ in self.series("ml_monitor_samples")} - {""}):
            yield f"Segment {segment}", self._segment({"version": version, "segment": segment})

    def _drift(self, traffic: Labels) -> list[Cell]:
        """Show each view by one statistic, beside its noise level; what has the largest effect size first."""
        levels = {
            (labels["statistic"], labels["feature"], _column(labels)): value
            for labels, value in self.series("ml_feature_drift_noise_level", **traffic)
        }
        sizes = {
            (labels["feature"], _column(labels)): value
            for labels, value in self.series("ml_feature_drift_effect_size", **traffic)
        }
        least = max((window.spec.drift.effectSize for window in self._snapshot.windows), default=0.0)
        views: dict[str, str] = {}
        cells = []
        for statistic in _DRIFT:
            for labels, value in self.series(f"ml_feature_{statistic}", **traffic):
                view, column = labels["feature"], _column(labels)
                if views.setdefault(view, statistic) == statistic:
                    level = levels.get((statistic, view, column))
                    size = sizes.get((view, column))
                    matters = size is None or size >= least
                    cells.append(Cell(f"{view} {statistic}", column, value, level, size, matters))
        return _largest_first(cells)

    def _segment(self, of: Labels) -> list[Cell]:
        """Show rows, quality and drift of each value of a segment, the value of most rows first."""
        quality = [name for name in METRICS if name.startswith("ml_model_") and self.series(name, **of)]
        cells = []
        for name in ("ml_monitor_samples", *quality[:1], "ml_features_drifted"):
            found = [
                Cell(labels["segment_value"], f"{name}, {_column(labels)}", value)
                for labels, value in self.series(name, **of)
            ]
            cells += sorted(found, key=lambda cell: -cell.value)
        return cells


def _largest_first(cells: list[Cell]) -> list[Cell]:
    """Put the rows first that have the largest effect size, or value where they have none."""
    largest: dict[str, float] = {}
    for cell in cells:
        largest[cell.row] = max(largest.get(cell.row, 0.0), cell.value if cell.size is None else cell.size)
    return sorted(cells, key=lambda cell: -largest[cell.row])


def _column(labels: Labels) -> str:
    if "window" not in labels:
        return f"in {labels['reference']}"
    return labels["window"] + (f" against {labels['reference']}" if labels.get("reference") else "")
