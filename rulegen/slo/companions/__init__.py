"""Alerts for when nothing is measured any more, or not well: silence must not look like health.

Each shared dependency raises one alert: an SLO that is silent because of it raises none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from rulegen.slo.companions import features, labels, monitor, references, sinks
from rulegen.slo.companions.companion import Builder, Companion, Demand
from rulegen.slo.companions.dependencies import Dependencies
from rulegen.slo.companions.nodata import SloCompanion, slo_companion
from rulegen.spec.model_slo import ModelSlo
from rulegen.spec.routing import Routing

__all__ = ["Companion", "Demand", "Dependencies", "SloCompanion", "of_model", "slo_companion"]


def of_model(file: ModelSlo, routing: Routing, dependencies: Dependencies) -> Iterator[Companion]:
    """Yield the companions of a model as a whole, in the order of their rules."""
    build = Builder(file, routing)
    for demand in dependencies.monitor:
        yield monitor.stale(build, demand)
        yield monitor.absent(build, demand)
    for demand in dependencies.labels:
        yield labels.stale(build, dependencies, demand)
    own = file.spec.companions
    if own is None:
        return
    if own.sinkDown:
        yield sinks.down(build, Demand(own.sinkDown.tier, own.sinkDown.after))
    if own.sinkBehind:
        yield sinks.behind(build, Demand(own.sinkBehind.tier, own.sinkBehind.after))
    if own.referenceOld:
        yield references.old(build, Demand(own.referenceOld.tier, own.referenceOld.after))
    if own.unmonitored:
        demand = Demand(own.unmonitored.tier, own.unmonitored.after)
        yield features.unmonitored(build, demand, own.unmonitored.atLeastRatio)
