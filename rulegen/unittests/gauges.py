"""Tests of alerts on gauges: quiet just inside, fires just beyond in its time, resolves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rulegen.conditions.exactness import is_plain
from rulegen.conditions.reference import Reference
from rulegen.promql.annotations import Firing
from rulegen.promql.conventions import MODEL, SLO
from rulegen.promql.expressions import number, selector
from rulegen.sli.query_series import QuerySeries
from rulegen.slo.alerts import GaugeAlert
from rulegen.spec.lint_names import Name
from rulegen.unittests.alertstate import moments
from rulegen.unittests.gaugeinput import OTHER_MODEL, GaugeInput
from rulegen.unittests.probes import probes, unusable
from rulegen.unittests.scenes import Cases
from rulegen.unittests.story import Story, told
from rulegen.unittests.timeline import alert_test, at, shown_test

# Prometheus' means are as exact as this.
_ROUNDING = 1e-12


def tests(alert: GaugeAlert) -> tuple[list[dict[str, Any]], list[tuple[Name, str]]]:
    """The tests of one alert, and what could not be tested.

    The first limit is taken through every case; of the others, only where they are.
    """
    found, undecided = probes(alert.kind, alert.series.interval)
    missed: list[tuple[Name, str]] = [
        ("not-tested", f"no value of the gauge makes '{_said(leg)}' decide, it is not tested alone")
        for leg in undecided
    ]
    stories: list[Story] = []
    for index, probe in enumerate(found):
        cases = Cases(alert, probe)
        own, untold = told(alert, probe, cases.size, cases.short() if index else cases.whole())
        stories += own
        missed += [_untold(Story(alert, probe, cases.size, (scene,))) for scene in untold]
    for probe in unusable(alert.kind):
        cases = Cases(alert, probe)
        stories += told(alert, probe, cases.size, [cases.inside()])[0]
    data = [_Case(story, not index).as_data() for index, story in enumerate(stories)]
    return data, list(dict.fromkeys(missed))


def _said(leg: Any) -> str:
    return str(leg.phrase(values=False).template())


def _untold(story: Story) -> tuple[Name, str]:
    """Why no test tells a story of one scene."""
    (scene,), probe = story.scenes, story.probe
    if scene.quiet or story.fires_at_last:
        return "not-tested", f"the case '{scene.name}' is not tested: its baseline moves too soon"
    return "baseline-too-short", (
        f"a lasting drop or change from {number(probe.healthy)} to {number(probe.beyond)} does not fire: "
        "the baseline takes it in before it has lasted long enough"
    )


@dataclass(frozen=True)
class _Case:
    """One story as a test; the first one of an alert counts the series as well."""

    story: Story
    first: bool

    def as_data(self) -> dict[str, Any]:
        series = self.story.alert.series
        found = {
            "interval": str(series.interval),
            "name": self._name(),
            "input_series": [one.as_data() for one in self._input.series()],
        }
        alerts, shown = self._checks()
        if self.first and not isinstance(series, QuerySeries):
            shown = [*self._recorded(), *shown]
        if self.first and self.story.alert.repeated is not None:
            shown = [self._not_breached(self.story.alert.repeated.record_name), *shown]
        return found | {"alert_rule_test": alerts, "promql_expr_test": shown}

    @cached_property
    def _input(self) -> GaugeInput:
        return GaugeInput(self.story)

    def _name(self) -> str:
        alert, probe = self.story.alert, self.story.probe
        quiet = any(scene.quiet for scene in self.story.scenes)
        fires = any(not scene.quiet for scene in self.story.scenes)
        said = [f"quiet at {number(probe.inside)}"] * quiet + [f"fires at {number(probe.beyond)}"] * fires
        name = f"{alert.rule.name}: {', '.join(said)}"
        if alert.kind.histories():
            name += f", its past being {number(probe.healthy)}"
        if probe.world.reference is not None:
            name += f", the reference being {number(probe.world.reference)}"
        return name

    def _recorded(self) -> list[dict[str, Any]]:
        """How many series are recorded, of which models: of this one's."""
        series = self.story.alert.series
        model = self._input.labels(0)[MODEL]
        counts = {series.record: len(self._input.recorded)}
        counts |= {one.name: len(self._input.referred) for one in self.story.alert.kind.references()}
        found = []
        for name, count in counts.items():
            query = f"count by (model) ({selector(name, {SLO: series.slo})})"
            # The other model's are of one version; what it shares with the reference may be the same for all.
            apart = name == series.record or self._input.referred_apart
            samples = [(model, count), (OTHER_MODEL, self.story.size if apart else 1)]
            expected = [{"labels": selector("", {MODEL: one}), "value": many} for one, many in samples]
            found.append({"expr": query, "eval_time": at(1, series.interval), "exp_samples": expected})
        return found

    def _not_breached(self, record: str) -> dict[str, Any]:
        """Each series is recorded as good, and nothing else is recorded."""
        series = self.story.alert.series
        own = {SLO: series.slo}
        several = self.story.alert.several
        kept = several.labels if several else (SLO, *series.labels)
        found = [
            selector(record, {label: value for label, value in {**labels, **own}.items() if label in kept})
            for labels in self._input.recorded
        ]
        samples = [{"labels": labels, "value": 0} for labels in dict.fromkeys(found)]
        now = at(self.story.lead - 1, series.interval)
        return {"expr": selector(record, own), "eval_time": now, "exp_samples": samples}

    def _checks(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What fires on both sides of every change, and where its text changes; else what is shown."""
        rule, slo = self.story.alert.rule, self.story.alert.series.slo
        interval = self.story.alert.series.interval
        states = self.story.states
        alerts: list[dict[str, Any]] = []
        shown: list[dict[str, Any]] = []
        said: list[dict[str, Any]] = []
        for now in sorted(moments(states) | set(self.story.ends)):
            state = states[now]
            known = state.since is None or self._is_sure(state.since)
            expected = [self._expected(state.since)] if state.since is not None and known else []
            near = states[max(now - 1, 0) : now + 2]
            if known and (expected != said or any(one.firing != state.firing for one in near)):
                alerts.append(alert_test(now, interval, rule.name, expected))
                said = expected
            if not state.firing or not known or alerts[-1]["eval_time"] != at(now, interval):
                counts = {"pending": int(state.pending), "firing": int(state.firing)}
                shown.append(shown_test(now, interval, rule.name, slo, counts))
        return alerts, shown

    def _is_sure(self, now: int) -> bool:
        """Whether what is written does not depend on how a mean is rounded."""
        story = self.story
        given = {history.record.name for history in story.given}
        past = story.past(now, 0)
        if all(name in given or is_plain(value) for name, value in past.items()):
            return True
        less, more = (self._expected(now, factor) for factor in (1 - _ROUNDING, 1 + _ROUNDING))
        return less == more

    def _expected(self, now: int, factor: float = 1.0) -> dict[str, Any]:
        """The alert; ``factor``: how far its past is off."""
        story = self.story
        alert, values, bad = story.alert, story.values[now], story.bad[now]
        looked_up = {name: float(value) * factor for name, value in story.past(now, 0).items()}
        reference = story.probe.world.reference
        for leg in alert.kind.legs():
            if isinstance(leg, Reference) and reference is not None:
                looked_up[leg.record.name] = float(reference)
        known = [float("nan") if value is None else float(value) for value in values]
        value = alert.several.value(len(bad), story.size) if alert.several else known[0]
        members = [(self._input.labels(index), known[index]) for index in bad]
        labels = self._input.labels(0)
        firing = Firing(labels, value, looked_up, members)
        kept = {label: labels[label] for label in alert.rule.series_labels}
        return {
            "exp_labels": {**kept, **alert.rule.labels},
            "exp_annotations": {name: text.render(firing) for name, text in alert.rule.annotations.items()},
        }
