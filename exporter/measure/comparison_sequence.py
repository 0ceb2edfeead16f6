"""Difference of two versions since the candidate began, with bounds that hold at every look at once."""

from __future__ import annotations

from exporter.measure.classification import has_unnamed_class
from exporter.measure.comparison import correct, error_moments, failures, lacks_labels
from exporter.measure.gauges import Gauges, Reason, WindowSummaries
from exporter.statistics.confidence_sequence import Sample, difference_bounds
from mlslo.monitor import Sequential, Spec
from mlslo.monitor.measurable import SEQUENTIAL, lacks_sequence

BOUNDS = ("ml_comparison_sequence_lower_bound", "ml_comparison_sequence_upper_bound")
LABELS = "ml_comparison_sequence_labels"


def statistics(spec: Spec) -> list[str]:
    """Return the names of the statistics that a model has: all are means, of which the theory is."""
    return [name for name in SEQUENTIAL if not lacks_sequence(name, spec)]


def export(
    gauges: Gauges,
    chosen: Sequential,
    pair: tuple[WindowSummaries, WindowSummaries],
    withheld: Reason | None = None,
) -> None:
    """Export the bounds of baseline and candidate; ``withheld``: why there are none of either."""
    old, new = pair
    for name in statistics(new.spec):
        of = {
            "version": new.version,
            "baseline": old.version,
            "candidate": new.version,
            "statistic": name,
        }
        samples = [_sample(window, name) for window in pair]
        rows = min(0.0 if sample is None else sample.rows for sample in samples)
        reason = withheld
        if reason is None:
            gauges.set(LABELS, rows, **of)
            if name != "error_ratio" and lacks_labels(pair):
                reason = Reason.LABELS_INCOMPLETE
            if name == "accuracy" and new.spec.task == "binary" and any(map(has_unnamed_class, pair)):
                reason = Reason.CLASSES_UNKNOWN
            if rows < chosen.tunedAt:
                reason = Reason.TOO_FEW_SAMPLES
        else:
            gauges.withhold(LABELS, reason, **of)
        baseline, candidate = samples
        bounds = None
        if reason is None and baseline is not None and candidate is not None:
            bounds = difference_bounds(
                baseline, candidate, confidence=chosen.confidence, tuned_at=chosen.tunedAt
            )
        for bound, value in zip(BOUNDS, bounds or (None, None), strict=True):
            if reason is not None:
                gauges.withhold(bound, reason, **of)
            else:
                gauges.set(bound, value, **of)


def _sample(window: WindowSummaries, name: str) -> Sample | None:
    """Return what a version has shown of a statistic; None without rows."""
    if name == "mae":
        sample = Sample(*error_moments(window, "absolute_errors"))
        return sample if sample.rows else None
    part, rows = failures(window) if name == "error_ratio" else correct(window)
    return Sample.of_share(part, rows) if rows else None
