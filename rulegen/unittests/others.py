"""Cases of what other models and SLOs have, which no rule of an SLO may take notice of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.conditions import World
from rulegen.conditions.beyond_noise import BeyondNoise
from rulegen.conditions.reference import Reference
from rulegen.promql.conventions import MODEL, SLO
from rulegen.promql.expressions import quote
from rulegen.promql.replicas import WEIGHTED
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.query_series import QuerySeries
from rulegen.slo.alerts import GaugeAlert
from rulegen.slo.events import GoodSli
from rulegen.slo.plan import SloPlan
from rulegen.unittests import events
from rulegen.unittests.case import Case, Series
from rulegen.unittests.expected import recorded_after
from rulegen.unittests.groups import example
from rulegen.unittests.probes import Probe, decoys, lasting, nearby, past_of, probes
from rulegen.unittests.scraped import errors, labels_of, labels_of_history, of_pod, rows, scraped

# Evaluations that it takes: of a rate there must be two samples.
_COUNT = 2
_MANY = Decimal(1000)


def kind_of(slo: SloPlan) -> str:
    """Name the kind of an SLO by all that decides which records it has and how they are selected."""
    conditions = sorted({type(leg).__name__ for alert in slo.gauge_alerts for leg in alert.kind.legs()})
    sli = type(slo.budget.sli).__name__ if slo.budget else ""
    how = slo.series.aggregation if slo.series else ""
    series = f"{type(slo.series).__name__} {'worst' if how in ('min', 'max') else how}"
    return f"{series} {sli} {conditions}"


def case(slo: SloPlan, interval: Duration) -> Case | None:
    """A healthy SLO beside what is as bad as can be and differs in one label: it has its own records, and no alert."""
    name = f"Nothing of {slo.slo.name} comes from other models, SLOs, or series"
    found = Case(name, interval, [])
    if slo.series is not None:
        if not _of_gauge(found, slo, slo.series):
            return None
    elif slo.budget is not None:
        known = events.healthy(slo.budget, interval)
        if known is None:
            return None
        found.series, found.sampled = known
    if slo.budget is not None:
        for record in events.read_alone(slo.budget):
            labels = {MODEL: slo.budget.model, SLO: slo.budget.slo, **example(slo.budget.groups)}
            found.series += Series(record, labels, [_MANY] * _COUNT).of_others()
    own = slo.slo.name
    given_own = [one for one in found.distinct if one.labels.get(SLO) == own]
    records = {record.name for record in slo.group.records}
    of_others = sum(MODEL in one.labels and one.labels[MODEL].endswith("-other") for one in given_own)
    found.gives(_COUNT - 1, f"count({{{SLO}={quote(own)}}})", [({}, Decimal(len(records) + of_others))])
    return found


def _of_gauge(found: Case, slo: SloPlan, series: GaugeSeries) -> bool:
    """Add a gauge at which no alert of the SLO is bad; whether there is such a value."""
    alerts = slo.gauge_alerts
    candidates = [probe for alert in alerts for probe in probes(alert.kind)[0][:1]]
    candidates += [_of_good(slo)] if slo.budget is not None else []
    if not candidates:
        return False
    references = (probe.world.reference for probe in candidates)
    reference = next((one for one in references if one is not None), None)
    error = next((one.world.error for one in candidates if one.world.error is not None), None)
    healthy = next((one.healthy for one in candidates if not _bad(alerts, one.healthy, reference)), None)
    if healthy is None:
        return False
    bad = max((one.beyond for one in candidates), key=lambda value: _bad(alerts, value, reference))
    # Another value, so that a rule that made the same record would fail.
    worse = 2 * bad - healthy
    labels = labels_of(series)
    found.series += scraped(series, labels, [healthy] * _COUNT)
    if not isinstance(series, QuerySeries):
        # As if of a replica.
        own = {**({"version": "1"} if "version" in series.metric.labels else {}), **series.example, **labels}
        for change in decoys(series.matchers):
            found.series.append(of_pod(series, {**own, **change}, "b", [bad] * _COUNT))
            if series.aggregation == WEIGHTED:
                found.series.append(rows(series, {**own, **change}, "b", [_MANY] * _COUNT))
    found.series += Series(series.record, {**labels, SLO: series.slo}, [worse] * _COUNT).of_others()
    found.gives(_COUNT - 1, f"{series.expression} + 0", [({**labels, SLO: series.slo}, healthy)])
    for alert in alerts:
        _past(found, alert, past_of(alert.kind, healthy))
        if reference is not None:
            _references(found, alert, reference)
        if error is not None:
            _errors(found, alert, error)
    return True


def _bad(alerts: Sequence[GaugeAlert], value: Decimal, reference: Decimal | None) -> int:
    """Count the alerts that are bad at ``value``, were it so for long."""
    worlds = ((alert, World(past_of(alert.kind, value), reference)) for alert in alerts)
    return sum(alert.kind.holds(value, lasting(alert.kind, world, value)) for alert, world in worlds)


def _of_good(slo: SloPlan) -> Probe:
    """A good value and a bad one, where there is no alert."""
    assert slo.budget is not None
    assert isinstance(slo.budget.sli, GoodSli)
    good = slo.budget.sli.good
    step = nearby(good.limit)
    values = [good.limit - step, good.limit + step]
    fine, bad = sorted(values, key=lambda value: not good.holds(value, World()))
    return Probe(World(), fine, fine, bad)


def _past(found: Case, alert: GaugeAlert, values: Mapping[str, Decimal]) -> None:
    """A healthy past, and others'."""
    series = alert.series
    for history in alert.kind.histories():
        if recorded_after(alert, history) < _COUNT:
            continue
        past = labels_of_history(series, history)
        found.series.append(Series(history.record.name, past, [values[history.record.name]] * _COUNT))
        found.series += Series(history.record.name, past, [_MANY] * _COUNT).of_others()


def _references(found: Case, alert: GaugeAlert, reference: Decimal) -> None:
    series = alert.series
    for leg in alert.kind.legs():
        if not isinstance(leg, Reference):
            continue
        labels = {label: labels_of(series)[label] for label in leg.shared}
        own = {**labels, "reference": series.reference or "training"}
        worse = reference * 100 if leg.below else reference / 100
        found.series.append(Series(leg.metric.name, own, [reference] * _COUNT))
        for change in decoys(leg.matchers):
            found.series.append(Series(leg.metric.name, {**own, **change}, [worse] * _COUNT))
        recorded = {**labels, SLO: series.slo}
        found.series += Series(leg.record.name, recorded, [worse] * _COUNT).of_others()


def _errors(found: Case, alert: GaugeAlert, error: Decimal) -> None:
    series = alert.series
    for leg in alert.kind.legs():
        if not isinstance(leg, BeyondNoise):
            continue
        labels = labels_of(series)
        own = errors(leg, labels, error, _COUNT)
        found.series.append(own)
        for change in decoys(leg.matchers):
            # The rows, and the worst value, of another pod would have it count.
            found.series.append(replace(own, labels={**own.labels, **change}, samples=[error / 100] * _COUNT))
        recorded = {**labels, SLO: series.slo}
        found.series += Series(leg.record.name, recorded, [error / 100] * _COUNT).of_others()
        found.gives(_COUNT - 1, f"{series.select(leg.record.name)} + 0", [(recorded, error)])
