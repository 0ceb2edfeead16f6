"""Alerts for when nothing is measured any more, or not well: silence must not look like health.

One cause raises one alert: what is silent because of something that is told raises none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlslo.yamlfile import Duration
from rulegen.slo.companions import features, labels, monitor, references, sinks
from rulegen.slo.companions.causes import Causes
from rulegen.slo.companions.companion import Companion
from rulegen.slo.companions.demand import Demand
from rulegen.slo.companions.nodata import SloCompanion, slo_companion
from rulegen.spec.model_slo import ModelSlo
from rulegen.spec.routing import Routing

__all__ = ["Causes", "Companion", "Demand", "SloCompanion", "of_model", "slo_companion"]


def of_model(file: ModelSlo, routing: Routing, causes: Causes) -> tuple[Companion, ...]:
    """The companions of a model as a whole, in the order of their rules."""
    return tuple(_all(file, routing, causes, routing.spec.evaluationInterval))


def _all(file: ModelSlo, routing: Routing, causes: Causes, interval: Duration) -> Iterator[Companion]:
    for demand in causes.monitor:
        yield monitor.stale(file, routing, demand)
        yield monitor.absent(file, routing, demand)
    for demand in causes.labels:
        yield labels.stale(file, routing, causes, demand)
    own = file.spec.companions
    if own is None:
        return
    if own.sinkDown:
        yield sinks.down(file, routing, Demand(own.sinkDown.tier, own.sinkDown.after))
    if own.sinkBehind:
        yield sinks.behind(file, routing, Demand(own.sinkBehind.tier, own.sinkBehind.after), interval)
    if own.referenceOld:
        yield references.old(file, routing, Demand(own.referenceOld.tier, own.referenceOld.after))
    if own.unmonitored:
        demand = Demand(own.unmonitored.tier, own.unmonitored.after)
        yield features.unmonitored(file, routing, demand, own.unmonitored.atLeastRatio, interval)
