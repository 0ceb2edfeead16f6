"""Figures of static references, for those of now to be held against: missing values, calibration, fairness."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.fold.schema import Schema
from exporter.measure import fairness
from exporter.measure.gauges import Gauges, Reason
from exporter.references.reference import Reference
from exporter.state import Scope
from exporter.statistics.probability import expected_calibration_error
from exporter.summary.base import ratio
from mlslo.catalogue import METRICS
from mlslo.monitor import Spec, scope_name

_MISSING, _CALIBRATION = "ml_feature_missing_ratio_reference", "ml_calibration_error_reference"


def export(
    gauges: Gauges,
    spec: Spec,
    schema: Schema,
    version: str,
    scope: Scope,
    static: Mapping[str, Reference],
    absent: Mapping[str, Reason],
) -> None:
    """Export the figures of each reference's rows of all traffic, or of one segment value.

    ``static`` and ``absent``: as ``WindowSummaries`` has them.
    """
    of = {"version": version, "segment": scope.segment, "segment_value": scope.value}
    calibrated = (
        spec.labels is not None
        and spec.predictions.fields.score is not None
        and spec.task in METRICS[_CALIBRATION].tasks
    )
    for name, reference in static.items():
        if gauges.wants(_MISSING, scope.segment):
            for feature in reference.kinds:
                if (view := schema.kinds[feature].primary(feature)) in reference.views:
                    summary = reference.views[view].summary
                    share = ratio(summary.missing, summary.rows)
                    gauges.set(_MISSING, share, **of, reference=name, feature=feature)
        if calibrated and reference.outcomes is None:
            gauges.withhold(_CALIBRATION, Reason.REFERENCE_WITHOUT_LABELS, **of, reference=name)
        elif calibrated and reference.outcomes is not None:
            if float(reference.outcomes.scored) >= spec.minSamples:
                error = expected_calibration_error(reference.outcomes)
                gauges.set(_CALIBRATION, error, **of, reference=name)
            else:
                gauges.withhold(_CALIBRATION, Reason.REFERENCE_TOO_SMALL, **of, reference=name)
    if calibrated:
        for name, reason in absent.items():
            gauges.withhold(_CALIBRATION, reason, **of, reference=name)


def export_fairness(gauges: Gauges, spec: Spec, schema: Schema, version: str) -> None:
    """Export how far the groups of each attribute lay apart in each reference."""
    if spec.fairness is None or spec.task != "binary":
        return
    for attribute in map(scope_name, spec.fairness.attributes):
        for name, reference in schema.references.items():
            of = {"version": version, "reference": name, "attribute": attribute}
            groups = reference.groups.get(attribute, {})
            fairness.export_reference(gauges, spec, of, [group.counts for group in groups.values()])
