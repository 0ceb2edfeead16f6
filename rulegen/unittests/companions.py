"""Cases of the alerts about a model as a whole: its monitor, labels, sinks, references and features."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import ROUND_FLOOR, Decimal

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Firing
from rulegen.promql.conventions import (
    FEATURES_UNMONITORED,
    LABELS_STALE,
    MODEL,
    MONITOR_ABSENT,
    MONITOR_STALE,
    REFERENCE_OLD,
    SINK_BEHIND,
    SINK_DOWN,
    SLO,
)
from rulegen.promql.expressions import number, selector
from rulegen.slo.companions import Companion
from rulegen.slo.companions.features import (
    EXPECTED,
    FEATURE,
    MISSING,
    MONITORED,
    PREDICTIONS,
    VERSION,
    in_service,
    share,
)
from rulegen.slo.companions.references import CREATED, REFERENCE
from rulegen.slo.companions.sinks import LABELS_SINK, LAG, LAG_RECORD, PREDICTIONS_SINK, SINK
from rulegen.slo.plan import Plan
from rulegen.unittests import pods
from rulegen.unittests.case import GONE, NAN, Case, First, Sample, Series, evaluations
from rulegen.unittests.tiers import Ages, Expected, Tested, older

_UP, _DOWN = Decimal(1), Decimal(0)


def cases(plan: Plan, interval: Duration, first: First) -> list[Case]:
    """Return the cases of every alert about a model as a whole."""
    named: dict[str, list[Companion]] = {}
    for companion in plan.companions:
        named.setdefault(companion.rule.name, []).append(companion)
    build = {
        MONITOR_STALE: _stale,
        MONITOR_ABSENT: _absent,
        LABELS_STALE: _labels,
        SINK_DOWN: _down,
        SINK_BEHIND: _behind,
        REFERENCE_OLD: _old,
        FEATURES_UNMONITORED: _unmonitored,
    }
    return [
        case for name, found in named.items() for case in build[name](Tested(plan, found, interval, first))
    ]


def _stale(tested: Tested) -> Iterator[Case]:
    """One pod of two whose cycles are late, beside another model's that stopped long ago."""
    plan, interval = tested.plan, tested.interval
    for what, ages, texts in tested.ages():
        hung = pods.writer(plan, "a", interval, ages)
        series = [hung]
        if texts or len(ages) == 1:
            fresh: list[float | None] = [0.0] * len(ages)
            series.append(pods.writer(plan, "b", interval, fresh))
            series.append(pods.of_another(hung, pods.times(interval, [10 * tested.limits[-1]] * len(ages))))
        yield tested.case(what, series, tested.of_ages(ages), texts=texts)


def _absent(tested: Tested) -> Iterator[Case]:
    """No pod has the model, while another model is there."""
    wait = max(evaluations(one.demand.after, tested.interval) for one in tested.companions)
    long: list[float | None] = [None] * (wait + 1)
    after = " or ".join(str(one.demand.after) for one in tested.companions)
    stories: list[tuple[str, list[float | None], bool]] = [
        ("stays quiet while the monitor is there", [0.0], False),
        (f"fires {after} after the monitor was last heard of", long, True),
        ("resolves when the monitor is there", [*long, 0.0], False),
        ("begins anew after an evaluation with data", [None, 0.0, *long], False),
        ("is quiet at NaN", [0.0, None, math.nan], False),
        ("begins when the series ends", [0.0, None, None], False),
    ]
    for what, ages, texts in stories if tested.life("absence") else stories[:2]:
        writer = pods.writer(tested.plan, "a", tested.interval, ages)
        series = [writer] if any(age is not None for age in ages) else []
        if texts:
            series.append(pods.of_another(writer, pods.times(tested.interval, [0.0] * len(ages))))
        expected = [Expected(one, [age is None for age in ages]) for one in tested.companions]
        yield tested.case(what, series, expected, texts=texts)


def _labels(tested: Tested) -> Iterator[Case]:
    """The newest label of one pod of two is old."""
    plan, interval = tested.plan, tested.interval
    for what, ages, texts in tested.ages():
        late: list[float | None] = [0.0] * len(ages)
        own = [pods.writer(plan, "a", interval, late), pods.labels(plan, "a", interval, ages)]
        series = list(own)
        if texts or len(ages) == 1:
            series += [pods.writer(plan, "b", interval, late), pods.labels(plan, "b", interval, late)]
            # Labels of another model have long stopped.
            ancient = pods.times(interval, [100 * tested.limits[-1]] * len(ages))
            series += [pods.of_another(own[0]), pods.of_another(own[1], ancient)]
        yield tested.case(what, series, tested.of_ages(ages), texts=texts)
    limit = tested.limits[0]
    # At its last cycle the newest label was as old as it may be.
    series = [pods.writer(plan, "a", interval, [600.0]), pods.labels(plan, "a", interval, [limit + 600])]
    yield tested.case("is not about a monitor that hangs", series, tested.of_ages([limit]))
    if any(one.sinks for one in tested.companions):
        old = tested.limits[-1] + 1
        given: list[Series] = []
        for pod, age, down in (("a", old + 1, LABELS_SINK), ("b", old, PREDICTIONS_SINK)):
            for sink in (LABELS_SINK, PREDICTIONS_SINK):
                up = pods.sink(plan, pod, sink, [_DOWN if sink == down else _UP])
                # Another model's sink of labels is the other way round.
                given += (
                    [up, pods.of_another(up, [_UP if sink == down else _DOWN])]
                    if sink == LABELS_SINK
                    else [up]
                )
            given += [pods.writer(plan, pod, interval, [0.0]), pods.labels(plan, pod, interval, [age])]
        expected = [Expected(one, [True], [old if one.sinks else old + 1]) for one in tested.companions]
        what = "leaves a pod that cannot read its labels to that alert, but not another one"
        yield tested.case(what, given, expected, texts=True)


def _down(tested: Tested) -> Iterator[Case]:
    """A sink that cannot be read in one pod of two, or in both."""
    plan, wait = tested.plan, tested.wait
    bad: list[Sample] = [_DOWN] * (wait + 1)
    stories: list[tuple[str, list[Sample], bool]] = [
        ("stays quiet while a sink can be read", [_UP], False),
        (f"fires {tested.first.demand.after} after one pod of two cannot read a sink", bad, True),
        ("resolves when it can be read", [*bad, _UP], False),
        ("begins anew after an evaluation without data", [_DOWN, GONE, *bad], False),
        ("is quiet at NaN", [_DOWN, NAN], False),
        ("ends where its series end", [_DOWN, GONE, GONE], False),
    ]
    for what, samples, texts in stories if tested.life() else stories[:2]:
        series = [pods.sink(plan, "a", PREDICTIONS_SINK, samples)]
        held = [value == _DOWN for value in samples]
        expected = [Expected(tested.first, held, [1.0] * len(held), {SINK: PREDICTIONS_SINK})]
        if texts:
            up: list[Sample] = [_UP] * len(samples)
            series += [
                pods.sink(plan, "b", PREDICTIONS_SINK, up),
                pods.sink(plan, "a", LABELS_SINK, samples),
                pods.sink(plan, "b", LABELS_SINK, samples),
                pods.of_another(pods.sink(plan, "a", "other", samples)),
            ]
            expected.append(Expected(tested.first, held, [2.0] * len(held), {SINK: LABELS_SINK}))
        yield tested.case(what, series, expected, texts=texts)


def _behind(tested: Tested) -> Iterator[Case]:
    """The lag of one pod is larger for its time than ever in as long a time before."""
    plan, name = tested.plan, tested.first.rule.name
    span = max(tested.wait, 2)
    usual, once = Decimal(5000), Decimal(7000)
    before: list[Sample] = [*[usual] * (span - 2), once, usual]
    grown: list[Sample] = [once + 1 + index for index in range(span + 2)]
    grows = grown[:span]
    after = tested.first.demand.after
    stories: list[tuple[str, list[Sample], list[str | None]]] = [
        (f"stays quiet where no more waits than once in the {after} before", [once] * span, [None]),
        (f"fires after {after} in which more waits than ever", grows, [None, "firing"]),
    ]
    if tested.life():
        stories += [
            ("resolves when less waits", [*grows, usual], ["firing", None]),
            (
                "goes on firing through an evaluation without data",
                [*grows, GONE, grown[-1]],
                ["firing"] * 3,
            ),
            ("goes on firing through NaN", [*grows, NAN, grown[-1]], ["firing"] * 3),
            ("ends where its series end", [*grows, *[GONE] * span], ["firing", None]),
        ]
    for what, lags, shown in stories:
        samples = [*before, *lags]
        lag = pods.series(plan, LAG, "a", samples, {SINK: PREDICTIONS_SINK})
        case = Case(f"{name}: {what}", tested.interval, [lag])
        last = len(samples) - 1
        for now, state in enumerate(shown, last - len(shown) + 1):
            if shown == [None, "firing"] and state:
                case.fires(now, tested.first.rule, Firing({SINK: PREDICTIONS_SINK}, float(grows[0] or 0)))
            else:
                case.shows(now, tested.first.rule, state)
        if shown == [None, "firing"]:
            case.series.append(
                pods.series(plan, LAG, "b", [Decimal(1)] * len(samples), {SINK: PREDICTIONS_SINK})
            )
            case.series.append(pods.of_another(lag, [once * 2] * len(samples)))
            recorded = f"count by ({MODEL}) ({selector(LAG_RECORD, {SLO: tested.first.rule.labels[SLO]})})"
            case.gives(last, recorded, [({MODEL: plan.file.model}, Decimal(1))])
        yield case


def _old(tested: Tested) -> Iterator[Case]:
    """The data of a reference of one pod of two are old, in the newest of its versions."""
    plan, interval = tested.plan, tested.interval

    def reference(pod: str, version: str, name: str, ages: Ages) -> Series:
        return pods.series(
            plan, CREATED, pod, pods.times(interval, ages), {VERSION: version, REFERENCE: name}
        )

    for what, ages, texts in tested.ages():
        own = reference("a", "2", "training", ages)
        series = [own]
        fresh: list[float | None] = [0.0] * len(ages)
        ancient: list[float | None] = [10 * tested.limits[0]] * len(ages)
        if texts or len(ages) == 1:
            series += [
                reference("a", "1", "training", ancient),
                reference("b", "2", "training", fresh),
                reference("b", "2", "recent", fresh),
                pods.of_another(own, pods.times(interval, ancient)),
            ]
        held = [older(age, tested.limits[0]) for age in ages]
        values = [age or 0.0 for age in ages]
        yield tested.case(
            what, series, [Expected(tested.first, held, values, {REFERENCE: "training"})], texts=texts
        )


def _unmonitored(tested: Tested) -> Iterator[Case]:
    """One pod measures few of a version's features."""
    asked = tested.plan.file.spec.companions
    assert asked is not None
    assert asked.unmonitored is not None
    limit = share(asked.unmonitored.atLeastRatio) * _FEATURES
    few = limit.to_integral_value(ROUND_FLOOR)
    bad: list[Sample] = [few] * (tested.wait + 1)
    after = tested.first.demand.after
    stories: list[tuple[str, list[Sample], bool]] = [
        (f"stays quiet at {number(few + 1)} of {number(_FEATURES)} features", [few + 1] * 2, False),
        (f"fires {after} after one pod measures {number(few)} of {number(_FEATURES)} features", bad, True),
        ("resolves when it measures all", [*bad, _FEATURES], False),
        ("begins anew after an evaluation without data", [few, few, GONE, *bad], False),
        ("is quiet at NaN", [few, few, NAN], False),
        ("ends where its series end", [few, few, GONE, GONE], False),
    ]
    for what, counts, texts in stories if tested.life() else stories[:2]:
        # A version that does not yet predict is not in service: rates need two samples.
        series = list(_features(tested, "a", "2", [_FEATURES, *counts]))
        if texts:
            series += _beside(tested, len(counts) + 1)
        known = [_FEATURES if count is None or count.is_nan() else count for count in [_FEATURES, *counts]]
        held = [count <= few for count in known]
        values = [float(count / _FEATURES) for count in known]
        members = [({FEATURE: "amount", VERSION: "2"}, 1.0)]
        expected = Expected(tested.first, held, values, {VERSION: "2"}, members)
        yield tested.case(what, series, [expected], texts=texts)
    yield _retired(tested, few)


_FEATURES = Decimal(100)


def _features(
    tested: Tested, pod: str, version: str, counts: Sequence[Sample], *, missing: int = 1, predicts: int = 1
) -> Iterator[Series]:
    """A pod that measures so many features of a version, and answers ``predicts`` in each interval."""
    plan, size = tested.plan, len(counts)
    own = {VERSION: version, "window": "1d"}
    yield pods.series(plan, EXPECTED, pod, [_FEATURES] * size)
    yield pods.series(plan, MONITORED, pod, counts, own)
    yield pods.series(plan, MISSING, pod, [Decimal(missing)] * size, {**own, FEATURE: "amount"})
    served = [Decimal(1000 + predicts * now) for now in range(size)]
    yield pods.series(plan, PREDICTIONS, pod, served, {VERSION: version})


def _beside(tested: Tested, size: int) -> Iterator[Series]:
    """Yield series that must not count: a pod with all features, a shorter window, a new version, another model."""
    plan = tested.plan
    yield from _features(tested, "b", "2", [_FEATURES] * size, missing=0)
    yield pods.series(plan, MONITORED, "a", [_DOWN] * size, {VERSION: "2", "window": "1h"})
    yield pods.series(plan, MISSING, "a", [_DOWN] * size, {VERSION: "2", "window": "1h", FEATURE: "amount"})
    yield pods.series(
        plan, MISSING, "a", [Decimal("0.5")] * size, {VERSION: "2", "window": "1d", FEATURE: "age"}
    )
    new = {VERSION: "3", "window": "1d"}
    yield pods.series(plan, MONITORED, "a", [_DOWN] * size, new)
    yield pods.series(plan, PREDICTIONS, "a", [Decimal(now) for now in range(size)], {VERSION: "3"})
    for segment in ({"segment": "sex"}, {"segment_value": "1"}):
        yield pods.series(plan, MISSING, "a", [_DOWN] * size, {**new, FEATURE: "amount", **segment})
    for one in _features(tested, "a", "2", [_DOWN] * size):
        yield pods.of_another(one)


def _retired(tested: Tested, few: Decimal) -> Case:
    """A version that no longer predicts, while another model's of that name does."""
    lasts = evaluations(in_service(tested.interval), tested.interval)
    size = lasts + 4
    series = list(_features(tested, "a", "1", [few] * size, predicts=0))
    # Its last prediction comes after its first evaluation.
    series[-1] = pods.series(tested.plan, PREDICTIONS, "a", [_DOWN, *[_UP] * (size - 1)], {VERSION: "1"})
    series.append(pods.of_another(series[-1], [Decimal(now) for now in range(size)]))
    case = Case(
        f"{tested.first.rule.name}: is not about a version that has not predicted for {in_service(tested.interval)}",
        tested.interval,
        series,
    )
    state = "firing" if lasts - 2 >= tested.wait else "pending"
    case.shows(lasts - 1, tested.first.rule, state)
    case.shows(lasts + 2, tested.first.rule, None)
    return case
