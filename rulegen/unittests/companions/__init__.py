"""Tests of the alerts for when nothing is measured any more, or not well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import (
    FEATURES_UNMONITORED,
    LABELS_STALE,
    MONITOR_ABSENT,
    MONITOR_STALE,
    REFERENCE_OLD,
    SINK_BEHIND,
    SINK_DOWN,
)
from rulegen.slo.companions import Companion
from rulegen.slo.companions.sinks import LABELS_SINK, PREDICTIONS_SINK
from rulegen.slo.plan import Plan
from rulegen.unittests.companions import features, labels, monitor, nodata, references, sinks


def of_slos(plan: Plan, interval: Duration) -> list[dict[str, Any]]:
    """The test of the alerts that SLOs are not measured."""
    return nodata.tests(plan, interval)


def of_model(plan: Plan, interval: Duration) -> list[dict[str, Any]]:
    """The tests of the alerts about a model as a whole."""
    named: dict[str, list[Companion]] = {}
    for companion in plan.companions:
        named.setdefault(companion.rule.name, []).append(companion)
    return [one for name, found in named.items() for one in _tests(plan, name, found, interval)]


def _tests(plan: Plan, name: str, found: list[Companion], interval: Duration) -> Iterator[dict[str, Any]]:
    """``found``: all of a name, one for each tier that is told."""
    match name:
        case _ if name == MONITOR_STALE:
            yield monitor.stale(plan, found, interval)
        case _ if name == MONITOR_ABSENT:
            yield monitor.absent(plan, found, interval)
        case _ if name == LABELS_STALE:
            yield labels.stale(plan, found, interval)
            if any(one.sinks for one in found):
                yield labels.unreadable(plan, found, interval)
        case _ if name == SINK_DOWN:
            for sink in (PREDICTIONS_SINK, LABELS_SINK):
                yield sinks.down(plan, found[0], sink, interval)
        case _ if name == SINK_BEHIND:
            yield sinks.behind(plan, found[0], interval)
        case _ if name == REFERENCE_OLD:
            yield references.old(plan, found[0], interval)
        case _ if name == FEATURES_UNMONITORED:
            yield features.unmonitored(plan, found[0], interval)
        case _:
            raise AssertionError(f"no test for {name}")
