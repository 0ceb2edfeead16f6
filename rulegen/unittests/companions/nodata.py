"""A test of the alerts that SLOs are not measured any more: one story for all of a file.

An alert of one SLO needs many evaluations, and each evaluates every rule of the file: told one by one
they would take as many times as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import NO_DATA, SLO
from rulegen.promql.expressions import selector
from rulegen.slo.companions import SloCompanion
from rulegen.slo.companions.labels import WATERMARK
from rulegen.slo.companions.monitor import LAST_SUCCESS
from rulegen.slo.companions.sinks import LABELS_SINK, PREDICTIONS_SINK, UP
from rulegen.slo.plan import Plan
from rulegen.unittests.alertstate import State, evaluations, states
from rulegen.unittests.companions import pods
from rulegen.unittests.companions.told import Told
from rulegen.unittests.timeline import GONE, InputSeries, Sample, alert_test, at

_BEFORE = 3
# SLOs go one after the other, so that each is known by its time; not all of hundreds.
_APART = 5
_UP, _DOWN = Decimal(1), Decimal(0)
_NAN, _LEAST = Decimal("NaN"), Decimal("-Infinity")
_AGES = 1e9


@dataclass(frozen=True)
class _Moment:
    """One evaluation. ``gone``: which SLOs are not measured, by the remainder of their number by ``_APART``.

    ``late``: seconds since the last cycle; ``labels``: how old the newest label was then, in the pod where it
    is newest; ``…_down``: in how many of two pods a sink cannot be read. ``least``: what is measured is as low
    as can be.
    """

    gone: frozenset[int] = frozenset()
    late: float = 0.0
    labels: float = 0.0
    predictions_down: int = 0
    labels_down: int = 0
    nan: bool = False
    least: bool = False

    def down(self, sink: str) -> int:
        """In how many pods ``sink`` cannot be read."""
        return self.predictions_down if sink == PREDICTIONS_SINK else self.labels_down


def tests(plan: Plan, interval: Duration) -> list[dict[str, Any]]:
    """The test, where any SLO has a companion."""
    found = {
        slo.slo.name: slo.companion for slo in plan.slos if slo.companion is not None and slo.can_be_given
    }
    return [_Story(plan, interval, found).as_data()] if found else []


@dataclass(frozen=True)
class _Story:
    """All are measured, and missing once; each goes, and is told in its time; all are NaN, and come back.

    Then all are gone again, for reasons that are told elsewhere, each nearly there and there.
    """

    plan: Plan
    interval: Duration
    companions: dict[str, SloCompanion]

    @cached_property
    def wait(self) -> int:
        """Evaluations until the last alert."""
        return max(evaluations(one.demand.after, self.interval) for one in self.companions.values())

    @property
    def apart(self) -> int:
        """How many SLOs go one after the other."""
        return min(len(self.companions), _APART)

    @cached_property
    def back(self) -> int:
        """The evaluation at which all are measured again: after the last alert, and once NaN."""
        return _BEFORE + self.apart + self.wait + 1

    @cached_property
    def moments(self) -> list[_Moment]:
        everything = frozenset(range(_APART))
        story = [_Moment(least=True), _Moment(everything), _Moment()]
        for now in range(_BEFORE, self.back):
            gone = frozenset(one for one in everything if now >= _BEFORE + one)
            story.append(_Moment(gone, nan=now == self.back - 1))
        return [*story, _Moment(), *self._causes(everything), _Moment()]

    def _causes(self, gone: frozenset[int]) -> Iterator[_Moment]:
        """Just not a cause, and a cause."""
        companions = self.companions.values()
        for after in sorted({one.demand.after.seconds for one in companions if one.monitored}):
            yield _Moment(gone, late=after)
            yield _Moment(gone, late=after + 1)
        for limit in sorted({one.labels.seconds for one in companions if one.labels}):
            yield _Moment(gone, labels=limit)
            yield _Moment(gone, labels=limit + 1)
        if any(one.sinks for one in companions):
            yield _Moment(gone, predictions_down=1, labels_down=1)
            yield _Moment(gone, predictions_down=2, labels_down=1)
            yield _Moment(gone, predictions_down=1, labels_down=2)
        yield _Moment(gone)

    def _holds(self, index: int, companion: SloCompanion, moment: _Moment) -> bool:
        """Whether one SLO is not measured, for no reason that is told elsewhere."""
        return (
            index % _APART in moment.gone
            and not (companion.monitored and moment.late > companion.demand.after.seconds)
            and not (companion.labels is not None and moment.labels > companion.labels.seconds)
            and not any(moment.down(sink) == 2 for sink in companion.sinks)
        )

    @cached_property
    def held(self) -> dict[str, list[bool]]:
        return {
            name: [self._holds(index, one, moment) for moment in self.moments]
            for index, (name, one) in enumerate(self.companions.items())
        }

    @cached_property
    def states(self) -> dict[str, Sequence[State]]:
        return {
            name: states(self.held[name], self.interval, one.rule.for_, None)
            for name, one in self.companions.items()
        }

    def as_data(self) -> dict[str, Any]:
        """Both sides of every change by what is shown of each SLO; the texts where all of them fire."""
        last = len(self.moments) - 1
        changes = {
            when
            for own in self.states.values()
            for now in range(1, last + 1)
            if own[now] != own[now - 1]
            for when in (now - 1, now)
        }
        causes = range(self.back, last + 1)
        return {
            "interval": str(self.interval),
            "name": f"{NO_DATA}: each SLO is told once it has not been measured for its time, and for no other reason",
            "input_series": [one.as_data() for one in self._input()],
            "alert_rule_test": [self._said(now) for now in (0, self.back - 1, self.back)],
            "promql_expr_test": [self._shown(now) for now in sorted({0, *changes, *causes})],
        }

    def _said(self, now: int) -> dict[str, Any]:
        firing = [
            Told(one.rule, self.held[name]).at(now)
            for name, one in self.companions.items()
            if self.states[name][now].firing
        ]
        return alert_test(now, self.interval, NO_DATA, firing)

    def _shown(self, now: int) -> dict[str, Any]:
        shown = [
            (name, "firing" if own[now].firing else "pending")
            for name, own in self.states.items()
            if own[now].active
        ]
        samples = [
            {"labels": selector("", {SLO: name, "alertstate": state}), "value": 1} for name, state in shown
        ]
        query = f"count by (slo, alertstate) ({selector('ALERTS', {'alertname': NO_DATA})})"
        return {"expr": query, "eval_time": at(now, self.interval), "exp_samples": samples}

    def _input(self) -> Iterator[InputSeries]:
        """Another model works all along, without labels and sinks, and is measured, as another SLO is."""
        count = len(self.moments)
        for one in self._own():
            yield one
            match one.name:
                case _ if one.name == LAST_SUCCESS:
                    yield pods.of_another(one, pods.times(self.interval, [0.0] * count))
                case _ if one.name == WATERMARK:
                    yield pods.of_another(one, pods.times(self.interval, [_AGES] * count))
                case _ if one.name == UP:
                    yield pods.of_another(one, [_DOWN] * count)
                case _:
                    yield pods.of_another(one, [Decimal(0)] * count)
                    beside = {**one.labels, SLO: f"{one.labels[SLO]}.other"}
                    yield InputSeries(one.name, beside, [Decimal(0)] * count)

    def _own(self) -> Iterator[InputSeries]:
        plan, interval, moments = self.plan, self.interval, self.moments
        for index, (name, companion) in enumerate(self.companions.items()):
            samples = [self._sample(index, moment) for moment in moments]
            yield InputSeries(companion.record, plan.file.labels(name), samples)
        companions = self.companions.values()
        late = [moment.late for moment in moments]
        if any(one.monitored for one in companions):
            yield pods.writer(plan, "1", interval, late)
            yield pods.writer(plan, "2", interval, [0.0] * len(moments))
        if any(one.labels for one in companions):
            newest = [moment.labels + moment.late for moment in moments]
            yield pods.labels(plan, "1", interval, newest)
            yield pods.labels(plan, "2", interval, [moment.labels + 10 for moment in moments])
        if any(one.sinks for one in companions):
            for sink in (PREDICTIONS_SINK, LABELS_SINK):
                down = [moment.down(sink) for moment in moments]
                yield pods.sink(plan, "1", sink, [_DOWN if pods_down > 0 else _UP for pods_down in down])
                yield pods.sink(plan, "2", sink, [_DOWN if pods_down > 1 else _UP for pods_down in down])

    def _sample(self, index: int, moment: _Moment) -> Sample:
        if index % _APART not in moment.gone:
            return _LEAST if moment.least else Decimal(0)
        return _NAN if moment.nan else GONE
