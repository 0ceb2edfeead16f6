"""The case of the record of a query, built from what it selects."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

from promql_parser import AggModifierType, AggregateExpr, Call, Expr, MatrixSelector, VectorSelector

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import MODEL, SLO
from rulegen.promql.expressions import exact, selector
from rulegen.promql.query.parse import children
from rulegen.sli.query_series import QuerySeries
from rulegen.unittests.case import MOST_SAMPLES, Case, Series, counter
from rulegen.unittests.evaluated import COUNTED, Fed, Labels, NotUnderstoodError, Vector, evaluate, renamed
from rulegen.unittests.ratios import decoys
from rulegen.unittests.selected import example, selects

_BOUND = "0.5"
# Times a value, so that it would be seen in any mean or sum.
_MUCH = 8
_MOST_EVALUATIONS = 1500


def case(series: QuerySeries, interval: Duration) -> Case | None:
    """Two replicas of all that it selects, which stay as they are; None where the result is not foreseen."""
    try:
        fed = [one for found in _uses(series) for one in found]
        expected = _worst(series, evaluate(series.query.tree, [one for one, _ in fed]))
    except NotUnderstoodError:
        return None
    ranges = [
        node.range.total_seconds() for node in _nodes(series.query.tree) if isinstance(node, MatrixSelector)
    ]
    scrape = Duration.of_seconds(min([interval.seconds, *(own / 4 for own in ranges)]))
    end = math.ceil((max(ranges, default=0) + 2 * scrape.seconds) / interval.seconds)
    count = math.ceil(end * interval.seconds / scrape.seconds) + 1
    if not expected or count > MOST_SAMPLES or end > _MOST_EVALUATIONS:
        return None
    found = Case(f"Records of {series.slo}: what the query gives", interval, [], sampled=scrape)
    given = [_given(one, counted, scrape, count) for one, counted in fed]
    for labels, value in expected:
        _check(found, series, labels, value, end)
    lowest = [] if ranges else _lowest(series, [one for one, _ in fed])
    if lowest:
        # It is a value like others, and the only one that a comparison with it could lose.
        given = [Series(one.name, one.labels, [*one.samples, Decimal("-Infinity")]) for one in given]
        for labels in lowest:
            _check(found, series, labels, -math.inf, end + 1)
    found.series += given
    found.series += [_given(one, counted, scrape, count) for one, counted in _decoys(series, fed)]
    return found


def _lowest(series: QuerySeries, fed: Sequence[Fed]) -> list[Labels]:
    """Return the results that are -Inf where all that it selects is."""
    try:
        found = evaluate(series.query.tree, [Fed(one.series, -math.inf) for one in fed])
    except (NotUnderstoodError, ValueError, OverflowError):
        return []
    return [labels for labels, value in _worst(series, found) if value == -math.inf]


def _decoys(series: QuerySeries, fed: Sequence[tuple[Fed, bool]]) -> list[tuple[Fed, bool]]:
    """Return series that the query does not select, though they differ in one label only."""
    terms = [chosen for chosen, _ in _selections(series.query.tree)]
    found = {
        (other.name, *sorted(other.labels.items())): (Fed(other, _MUCH * one.value), counted)
        for one, counted in fed
        for other in decoys(terms, [one.series])
    }
    return list(found.values())


def _given(fed: Fed, counted: bool, scrape: Duration, count: int) -> Series:
    value = exact(fed.value)
    samples = counter(1, count) if counted else [Decimal(1)] * count
    grown = value * exact(scrape.seconds) if counted else value
    return Series(fed.series.name, fed.series.labels, [sample * grown for sample in samples])


def _check(found: Case, series: QuerySeries, labels: Labels, value: float, now: int) -> None:
    own = {**series.fixed, **dict(sorted(labels)), SLO: series.slo}
    without = {label: "" for label in series.labels if label not in own}
    record = selector(series.record, {**own, **without})
    if math.isinf(value):
        found.gives(now, f"{record} == bool -Inf", [(own, Decimal(1))])
    else:
        found.nearly(now, record, own, exact(value))


def _worst(series: QuerySeries, found: Vector) -> list[tuple[Labels, float]]:
    """The result as it is recorded: only with the labels that are kept."""
    groups: dict[Labels, list[float]] = {}
    for labels, value in found.items():
        kept = frozenset(pair for pair in labels if pair[0] in series.labels and pair[0] != MODEL)
        groups.setdefault(kept, []).append(value)
    worst = max if series.aggregation == "max" else min
    return sorted((labels, worst(values)) for labels, values in groups.items())


def _uses(series: QuerySeries) -> Iterator[list[tuple[Fed, bool]]]:
    """Yield series for each selection, each with whether it is a counter."""
    known: list[tuple[Fed, bool]] = []
    for number_of, (chosen, counted) in enumerate(_selections(series.query.tree), 1):
        again = [own for own in known if selects(chosen, own[0].series)]
        if any(own[1] != counted for own in again):
            raise NotUnderstoodError
        if again:
            continue
        found = [(one, counted) for one in _examples(series, chosen, float(number_of))]
        known += found
        yield found


def _examples(series: QuerySeries, chosen: VectorSelector, value: float) -> list[Fed]:
    first = example(chosen, {label: f"{label}_1" for label in series.labels if label not in series.fixed})
    if first is None:
        raise NotUnderstoodError
    one = Fed(first, value)
    pods = [
        renamed(one, instance="10.0.0.1:9847"),
        renamed(Fed(one.series, 2 * value), instance="10.0.0.2:9847"),
    ]
    if apart := _apart(series, one):
        # Of what the query keeps apart and the record does not, two; of the first again two replicas.
        second = {label: f"{label}_2" for label in apart}
        # Not the worst, so that what the query makes of the replicas is seen.
        better = value / 2 if series.aggregation == "max" else 8 * value
        other = renamed(Fed(one.series, better), instance="10.0.0.1:9847", **second)
        pods = [*(renamed(pod, **{label: f"{label}_1" for label in apart}) for pod in pods), other]
    found = pods if "instance" not in one.series.labels else [one]
    if first.name.endswith("_bucket") and "le" not in first.labels:
        found = [renamed(pod, le=bound) for pod in found for bound in (_BOUND, "+Inf")]
    if not all(selects(chosen, pod.series) for pod in found):
        raise NotUnderstoodError
    return found


def _apart(series: QuerySeries, one: Fed) -> list[str]:
    """Labels that the query aggregates by and the record does not have."""
    named = {
        label
        for node in _nodes(series.query.tree)
        if isinstance(node, AggregateExpr)
        and node.modifier is not None
        and node.modifier.type == AggModifierType.By
        for label in node.modifier.labels
    }
    return sorted(named - {*series.labels, *one.series.labels, "instance", "le"})


def _selections(node: Expr, *, counted: bool = False) -> Iterator[tuple[VectorSelector, bool]]:
    if isinstance(node, VectorSelector):
        yield node, counted
    inside = isinstance(node, Call) and node.func.name in COUNTED
    for child in children(node):
        yield from _selections(child, counted=inside or (counted and isinstance(node, MatrixSelector)))


def _nodes(node: Expr) -> Iterator[Expr]:
    yield node
    for child in children(node):
        yield from _nodes(child)
