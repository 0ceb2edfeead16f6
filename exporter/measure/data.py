"""Data gauges against references: the drift of every feature, and of the data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from exporter.fold.schema import view_part
from exporter.measure.drift import compare, noise, statistics_of
from exporter.measure.gauges import Gauges
from exporter.measure.reasons import Reason
from exporter.measure.window_frame import WindowFrame
from exporter.references.reference import ViewReference
from exporter.statistics.false_discovery import combined_p_value, drifted
from exporter.summary.base import Summary


def measure(frame: WindowFrame, gauges: Gauges) -> None:
    """Every view against every reference, and how many features drifted from each."""
    p_values: dict[str, dict[str, list[float]]] = {name: {} for name in frame.references}
    for view, feature in frame.schema.views.items():
        if view not in frame.schema.binnings:
            continue
        current = frame.traffic[view_part(view)]
        for name, bins, past in compared(frame, view):
            p_value = _drift(frame, gauges, view, current, name, bins, past)
            if p_value is not None and not frame.schema.follows_the_clock(view):
                p_values[name].setdefault(feature, []).append(p_value)
        for name, reason in frame.absent.items():
            for statistic in statistics_of(current, frame.schema.binnings[view]):
                gauges.withhold(f"ml_feature_{statistic}", reason, **frame.labels, reference=name)
    for name, by_feature in p_values.items():
        combined = {feature: combined_p_value(*values) for feature, values in by_feature.items()}
        _of_all(frame, gauges, name, combined)
    for name, reason in frame.absent.items():
        for gauge in ("ml_features_drifted", "ml_features_drifted_ratio"):
            gauges.withhold(gauge, reason, **frame.labels, reference=name)


def compared(frame: WindowFrame, view: str) -> Iterator[tuple[str, ViewReference | None, Summary | None]]:
    """References by name: what fixes the bins of ``view``, and what to compare with if not that."""
    known = [found.views[view] for found in frame.static.values() if view in found.views]
    for name, reference in frame.static.items():
        yield name, reference.views.get(view), None
    for name, past in frame.past.items():
        yield name, known[0] if known else None, past[view_part(view)]


def _of_all(frame: WindowFrame, gauges: Gauges, reference: str, p_values: Mapping[str, float]) -> None:
    labels = {**frame.labels, "reference": reference}
    number = len(drifted(p_values))
    enough = bool(p_values)
    gauges.set_if(enough, "ml_features_drifted", number, **labels)
    gauges.set_if(enough, "ml_features_drifted_ratio", number / len(p_values) if enough else None, **labels)


def _drift(
    frame: WindowFrame,
    gauges: Gauges,
    view: str,
    current: Summary,
    reference: str,
    bins: ViewReference | None,
    past: Summary | None,
) -> float | None:
    """Export the distances; returns the chance of them without drift, None where that is not known."""
    labels = {**frame.labels, "feature": view, "reference": reference}
    reason = withheld(frame, current, bins, past)
    if reason is not None or bins is None:
        for statistic in statistics_of(current, frame.schema.binnings[view]):
            gauges.withhold(f"ml_feature_{statistic}", reason or Reason.NOT_IN_REFERENCE, **labels)
        return None
    comparison = compare(current, bins, past)
    for statistic, value in comparison.values.items():
        gauges.set(f"ml_feature_{statistic}", value, **labels)
    if not frame.segment:
        for statistic, level in noise(current, bins, past).items():
            gauges.set("ml_feature_drift_noise_level", level, **labels, statistic=statistic)
    return comparison.p_value


def withheld(
    frame: WindowFrame, current: Summary, bins: ViewReference | None, past: Summary | None
) -> Reason | None:
    """Why two samples cannot be compared, or None where they can."""
    if bins is None:
        return Reason.NOT_IN_REFERENCE
    if not frame.enough(float(current.present)):  # type: ignore[attr-defined]
        return Reason.TOO_FEW_SAMPLES
    if past is not None and not frame.enough(float(past.present)):  # type: ignore[attr-defined]
        return Reason.REFERENCE_TOO_SMALL
    return None
