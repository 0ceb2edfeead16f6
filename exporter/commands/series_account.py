"""Account of the series that a monitor file will export, and of what makes most of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exporter.daemon.models import Model
from exporter.fold.version_schemas import VersionSchemas
from exporter.measure.series_estimate import FEW, Count, choose
from exporter.measure.urgency import Urgency
from exporter.tasks import task_of
from mlslo.catalogue import METRICS
from mlslo.yamlfile import quoted_list

_SHOWN = 3


def series_account(model: Model) -> Iterator[str]:
    """Yield lines about one version's series: how many at most, by urgency, and which metrics have the most."""
    spec = model.monitor.spec
    task = task_of(spec, model.references)
    schemas = VersionSchemas(model.monitor, task, model.references)
    exported, estimate = choose(spec, task, schemas.of(""))
    yield f"series: at most {estimate.total:,} of a version; maxSeries is {spec.maxSeries:,}"
    groups = estimate.by_urgency()
    width = max(len(f"{_total(counts):,}") for counts in groups.values())
    for urgency, counts in groups.items():
        yield f"  {_total(counts):>{width},}  {urgency.title}{_scale(urgency, model)}: {_most(counts)}"
    further = [
        metric.name for metric in METRICS.values() if metric.detail and metric.name not in exported.traffic
    ]
    asked = spec.metrics.exported(detail=True).traffic
    if left_out := [name for name in further if name in asked]:
        yield (
            f"  left out, as all would be more than {min(FEW, spec.maxSeries):,} series: {quoted_list(left_out, 3)}; "
            "include them under 'metrics' where they are needed"
        )
    if missing := schemas.missing(""):
        yield f"  not counted: features that only {quoted_list(missing)} of a version will name"
    if estimate.total > spec.maxSeries:
        yield (
            f"  warning: {estimate.total - spec.maxSeries:,} more than maxSeries: the least urgent would be withheld; "
            "choose with 'metrics', or lower maxSegmentValues"
        )


def _total(counts: Sequence[Count]) -> int:
    return sum(count.series for count in counts)


def _scale(urgency: Urgency, model: Model) -> str:
    spec = model.monitor.spec
    if urgency not in (Urgency.SEGMENTS, Urgency.FEATURES_OF_SEGMENTS):
        return ""
    return f" ({len(spec.segments)} of {spec.maxSegmentValues + 1} values, {len(spec.windows)} windows)"


def _most(counts: Sequence[Count]) -> str:
    listed = [f"{count.metric.name} {count.series:,}" for count in counts]
    return quoted_list(listed, _SHOWN)
