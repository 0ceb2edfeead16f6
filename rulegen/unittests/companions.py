"""Cases of the alerts about a model as a whole: its monitor, labels, sinks, references and features."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import ROUND_FLOOR, Decimal

from mlslo.yamlfile import Duration
from rulegen.promql import conventions
from rulegen.promql.annotations import Firing
from rulegen.promql.conventions import MODEL, SLO
from rulegen.promql.expressions import number, selector
from rulegen.slo.companions import Companion, shared
from rulegen.slo.companions.shared import (
    FEATURE,
    FIELD,
    LABELS_SINK,
    PREDICTIONS_SINK,
    REFERENCE,
    SINK,
    VERSION,
)
from rulegen.slo.plan import Plan
from rulegen.unittests.case import (
    GONE,
    NAN,
    Case,
    First,
    Sample,
    Series,
    counter,
    evaluations,
)
from rulegen.unittests.scraped import Pods
from rulegen.unittests.tested_companion import Ages, Expected, Tested

_SHADE = Decimal("0.01")
_UP, _DOWN = Decimal(1), Decimal(0)
_FEATURES = Decimal(100)


def cases(plan: Plan, interval: Duration, first: First) -> list[Case]:
    """Return the cases of every alert about a model as a whole."""
    named: dict[str, list[Companion]] = {}
    for companion in plan.companions:
        named.setdefault(companion.rule.name, []).append(companion)
    build = {
        conventions.MONITOR_STALE: _stale,
        conventions.MONITOR_ABSENT: _absent,
        conventions.LABELS_STALE: _labels,
        conventions.SINK_DOWN: _down,
        conventions.SINK_BEHIND: _behind,
        conventions.REFERENCE_OLD: _old,
        conventions.FEATURES_UNMONITORED: _unmonitored,
        conventions.FIELD_MISSING: _missing,
    }
    return [
        case for name, found in named.items() for case in build[name](Tested(plan, found, interval, first))
    ]


def _stale(tested: Tested) -> Iterator[Case]:
    """One pod of two whose cycles are late, beside another model's that stopped long ago."""
    pods = tested.pods
    for what, ages, texts in tested.ages():
        series = [pods.writer("a", ages)]
        if texts or len(ages) == 1:
            series.append(pods.writer("b", [0.0] * len(ages)))
            series.append(series[0].of_another_model(pods.times([10 * tested.limits[-1]] * len(ages))))
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
        writer = tested.pods.writer("a", ages)
        series = [writer] if any(age is not None for age in ages) else []
        if texts:
            series.append(writer.of_another_model(tested.pods.times([0.0] * len(ages))))
        gone = [age is None for age in ages]
        expected = [Expected(one, gone, [1.0] * len(ages)) for one in tested.companions]
        yield tested.case(what, series, expected, texts=texts)


def _labels(tested: Tested) -> Iterator[Case]:
    """The newest label of one pod of two is old."""
    pods = tested.pods
    for what, ages, texts in tested.ages():
        new = [0.0] * len(ages)
        series = [pods.writer("a", new), pods.labels("a", ages)]
        if texts or len(ages) == 1:
            # Labels of another model have long stopped.
            ancient = pods.times([100 * tested.limits[-1]] * len(ages))
            others = [series[0].of_another_model(), series[1].of_another_model(ancient)]
            series += [pods.writer("b", new), pods.labels("b", new), *others]
        yield tested.case(what, series, tested.of_ages(ages), texts=texts)
    limit = tested.limits[0]
    # At its last cycle the newest label was as old as it may be.
    series = [pods.writer("a", [600.0]), pods.labels("a", [limit + 600])]
    yield tested.case("is not about a monitor that hangs", series, tested.of_ages([limit]))
    if any(one.sinks for one in tested.companions):
        old = tested.limits[-1] + 1
        series = []
        for pod, age, down in (("a", old + 1, LABELS_SINK), ("b", old, PREDICTIONS_SINK)):
            labels = pods.sink(pod, LABELS_SINK, [_DOWN if down == LABELS_SINK else _UP])
            # Another model's sink of labels is the other way round.
            other = labels.of_another_model([_UP if down == LABELS_SINK else _DOWN])
            predictions = pods.sink(pod, PREDICTIONS_SINK, [_DOWN if down == PREDICTIONS_SINK else _UP])
            series += [labels, other, predictions, pods.writer(pod, [0.0]), pods.labels(pod, [age])]
        expected = [Expected(one, [True], [old if one.sinks else old + 1]) for one in tested.companions]
        what = "leaves a pod that cannot read its labels to that alert, but not another one"
        yield tested.case(what, series, expected, texts=True)


def _down(tested: Tested) -> Iterator[Case]:
    """A sink that cannot be read in one pod of two, or in both."""
    pods, bad = tested.pods, [_DOWN] * (tested.wait + 1)
    stories: list[tuple[str, list[Sample], bool]] = [
        ("stays quiet while a sink can be read", [_UP], False),
        (f"fires {tested.first.demand.after} after one pod of two cannot read a sink", [*bad], True),
        ("resolves when it can be read", [*bad, _UP], False),
        ("begins anew after an evaluation without data", [_DOWN, GONE, *bad], False),
        ("is quiet at NaN", [_DOWN, NAN], False),
        ("ends where its series end", [_DOWN, GONE, GONE], False),
    ]
    for what, samples, texts in stories if tested.life() else stories[:2]:
        series = [pods.sink("a", PREDICTIONS_SINK, samples)]
        held = [value == _DOWN for value in samples]
        expected = [Expected(tested.first, held, [1.0] * len(held), {SINK: PREDICTIONS_SINK})]
        if texts:
            series += [
                pods.sink("b", PREDICTIONS_SINK, [_UP] * len(samples)),
                pods.sink("a", LABELS_SINK, samples),
                pods.sink("b", LABELS_SINK, samples),
                pods.sink("a", "other", samples).of_another_model(),
            ]
            expected.append(Expected(tested.first, held, [2.0] * len(held), {SINK: LABELS_SINK}))
        yield tested.case(what, series, expected, texts=texts)


def _behind(tested: Tested) -> Iterator[Case]:
    """The lag of one pod is larger for its time than ever in as long a time before."""
    pods, rule, after = tested.pods, tested.first.rule, tested.first.demand.after
    own = {SINK: PREDICTIONS_SINK}
    in_bytes, in_records = shared.LAGS
    span = max(tested.wait, 2)
    usual, once = Decimal(5000), Decimal(7000)
    before: list[Sample] = [*[usual] * (span - 2), once, usual]
    grows = [once + 1 + index for index in range(span)]
    still = once + span + 2
    stories: list[tuple[str, list[Sample], list[str | None]]] = [
        (f"stays quiet where no more waits than once in the {after} before", [once] * span, [None]),
        (f"fires after {after} in which more waits than ever", [*grows], [None, "firing"]),
        ("resolves when less waits", [*grows, usual], ["firing", None]),
        ("goes on firing through an evaluation without data", [*grows, GONE, still], ["firing"] * 3),
        ("goes on firing through NaN", [*grows, NAN, still], ["firing"] * 3),
        ("ends where its series end", [*grows, *[GONE] * span], ["firing", None]),
    ]
    for what, lags, shown in stories if tested.life() else stories[:2]:
        samples = [*before, *lags]
        last = len(samples) - 1
        case = Case(f"{rule.name}: {what}", tested.interval, [pods.series(in_bytes, "a", samples, own)])
        if shown == [None, "firing"]:
            case.shows(last - 1, rule, None)
            least = float(grows[0])
            case.fires(last, rule, Firing(own, least), Firing({SINK: LABELS_SINK}, least))
            case.series.append(pods.series(in_bytes, "b", [Decimal(1)] * len(samples), own))
            case.series.append(pods.series(in_records, "a", samples, {SINK: LABELS_SINK}))
            case.series.append(case.series[0].of_another_model([once * 2] * len(samples)))
            recorded = f"count by ({MODEL}) ({selector(shared.LAG_RECORD, {SLO: rule.labels[SLO]})})"
            case.gives(last, recorded, [({MODEL: pods.model}, Decimal(2))])
        else:
            for now, state in enumerate(shown, last - len(shown) + 1):
                case.shows(now, rule, state)
        yield case


def _old(tested: Tested) -> Iterator[Case]:
    """The data of a reference of one pod of two are old, in the newest of its versions."""
    pods = tested.pods

    def reference(pod: str, version: str, name: str, ages: Ages) -> Series:
        return pods.series(shared.CREATED, pod, pods.times(ages), {VERSION: version, REFERENCE: name})

    for what, ages, texts in tested.ages():
        series = [reference("a", "2", "training", ages)]
        if texts or len(ages) == 1:
            fresh, ancient = [0.0] * len(ages), [10 * tested.limits[0]] * len(ages)
            series += [
                reference("a", "1", "training", ancient),
                reference("b", "2", "training", fresh),
                reference("b", "2", "recent", fresh),
                series[0].of_another_model(pods.times(ancient)),
            ]
        yield tested.case(what, series, tested.of_ages(ages, {REFERENCE: "training"}), texts=texts)


def _unmonitored(tested: Tested) -> Iterator[Case]:
    """One pod measures few of a version's features."""
    own = tested.plan.file.spec.companions
    assert own is not None
    assert own.unmonitored is not None
    limit = shared.share(own.unmonitored.atLeastRatio) * _FEATURES
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
        series = _features(tested.pods, "a", "2", [_FEATURES, *counts])
        if texts:
            series += _beside(tested.pods, len(counts) + 1)
        known = [_FEATURES if count is None or count.is_nan() else count for count in [_FEATURES, *counts]]
        held = [count <= few for count in known]
        values = [float(count / _FEATURES) for count in known]
        members = [({FEATURE: "amount", VERSION: "2"}, 1.0)]
        expected = Expected(tested.first, held, values, {VERSION: "2"}, members)
        yield tested.case(what, series, [expected], texts=texts)
    yield _retired(tested, few)


def _features(
    pods: Pods, pod: str, version: str, counts: Sequence[Sample], *, missing: int = 1
) -> list[Series]:
    """A pod that measures so many features of a version, and answers once in each interval."""
    size, own = len(counts), {VERSION: version, "window": "1d"}
    served = [Decimal(1000 + now) for now in range(size)]
    return [
        pods.series(shared.EXPECTED, pod, [_FEATURES] * size),
        pods.series(shared.MONITORED, pod, counts, own),
        pods.series(shared.MISSING, pod, [Decimal(missing)] * size, {**own, FEATURE: "amount"}),
        pods.series(shared.PREDICTIONS, pod, served, {VERSION: version}),
    ]


def _beside(pods: Pods, size: int) -> Iterator[Series]:
    """Yield series that must not count: a pod with all features, a shorter window, a new version, another model."""
    none, shorter, new = [_DOWN] * size, {VERSION: "2", "window": "1h"}, {VERSION: "3", "window": "1d"}
    yield from _features(pods, "b", "2", [_FEATURES] * size, missing=0)
    yield pods.series(shared.MONITORED, "a", none, shorter)
    yield pods.series(shared.MISSING, "a", none, {**shorter, FEATURE: "amount"})
    yield pods.series(
        shared.MISSING, "a", [Decimal("0.5")] * size, {**shorter, "window": "1d", FEATURE: "age"}
    )
    yield pods.series(shared.MONITORED, "a", none, new)
    yield pods.series(shared.PREDICTIONS, "a", counter(1, size), {VERSION: "3"})
    for segment in ({"segment": "sex"}, {"segment_value": "1"}):
        yield pods.series(shared.MISSING, "a", none, {**new, FEATURE: "amount", **segment})
    for one in _features(pods, "a", "2", none):
        yield one.of_another_model()


def _retired(tested: Tested, few: Decimal) -> Case:
    """A version that no longer predicts, while another model's of that name does."""
    pods, rule, served = tested.pods, tested.first.rule, shared.in_service(tested.interval)
    lasts = evaluations(served, tested.interval)
    size = lasts + 4
    # Its last prediction comes after its first evaluation.
    last = pods.series(shared.PREDICTIONS, "a", [_DOWN, *[_UP] * (size - 1)], {VERSION: "1"})
    series = [*_features(pods, "a", "1", [few] * size)[:-1], last, last.of_another_model(counter(1, size))]
    name = f"{rule.name}: is not about a version that has not predicted for {served}"
    case = Case(name, tested.interval, series)
    case.shows(lasts - 1, rule, "firing" if lasts - 2 >= tested.wait else "pending")
    case.shows(lasts + 2, rule, None)
    return case


def _missing(tested: Tested) -> Iterator[Case]:
    """A field that nearly all records had, and few records of one pod of two have now.

    None lasts for a day, to see it end: promtool evaluates all rules of the file all along, which takes long.
    """
    pods, after, rare, usual = tested.pods, tested.first.demand.after, shared.RARE, shared.USUAL
    there, few = usual + _SHADE, rare - _SHADE
    bad: list[Sample] = [there, *[few] * (tested.wait + 1)]
    stories: list[tuple[str, list[Sample], bool]] = [
        (f"stays quiet where a field is in {number(rare)} of the records", [there, rare, rare], False),
        (f"fires {after} after it is in {number(few)} of one pod's", bad, True),
        ("resolves when it is back", [*bad, there], False),
        ("begins anew after an evaluation without data", [there, few, GONE, *bad[1:]], False),
        ("is quiet at NaN", [there, few, NAN], False),
        ("ends where its series end", [there, few, GONE, GONE], False),
    ]
    for what, shares, texts in stories if tested.life() else stories[:2]:
        series = [pods.series(shared.PRESENT, "a", shares, {FIELD: "score"})]
        if texts:
            size = len(shares)
            series += [
                pods.series(shared.PRESENT, "b", [usual] * size, {FIELD: "score"}),
                # It has begun without the field.
                pods.series(shared.PRESENT, "c", [GONE, *[few] * (size - 1)], {FIELD: "score"}),
                pods.series(shared.PRESENT, "a", [usual, *[Decimal(0)] * (size - 1)], {FIELD: "fallback"}),
                series[0].of_another_model([Decimal(1), *[Decimal(0)] * (size - 1)]),
            ]
        held = [share is not None and not share.is_nan() and share < rare for share in shares]
        values = [0.0 if share is None else float(share) for share in shares]
        yield tested.case(what, series, [Expected(tested.first, held, values, {FIELD: "score"})], texts=texts)
