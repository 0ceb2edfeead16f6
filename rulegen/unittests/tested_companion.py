"""An alert about a model as a whole under test: what is expected of it, and its case."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Firing
from rulegen.promql.conventions import TIER
from rulegen.promql.expressions import selector
from rulegen.slo.companions import Companion
from rulegen.slo.plan import Plan
from rulegen.unittests.case import Case, First, Series, evaluations, lifetime
from rulegen.unittests.expected import sides_of_changes, states
from rulegen.unittests.scraped import Pods

Ages = Sequence[float | None]


@dataclass(frozen=True)
class Expected:
    """One series of one alert: whether its condition holds at each evaluation, and what its texts say then."""

    companion: Companion
    held: Sequence[bool]
    values: Sequence[float]
    labels: Mapping[str, str] = field(default_factory=dict)
    members: Sequence[tuple[Mapping[str, str], float]] = ()


@dataclass(frozen=True)
class Tested:
    """The alerts of one name, one for each tier that hears of it."""

    plan: Plan
    companions: Sequence[Companion]
    interval: Duration
    is_first: First

    @property
    def pods(self) -> Pods:
        return Pods(self.plan.file.model, self.interval)

    @property
    def first(self) -> Companion:
        return self.companions[0]

    def life(self, *more: str) -> bool:
        """Return whether recovery, gaps, NaN and the end of series are still to be tested for such alerts."""
        return self.is_first(lifetime(self.first.rule, *more))

    @property
    def limits(self) -> list[float]:
        """The ages at which the alerts fire, the shortest first."""
        return sorted(one.demand.after.seconds for one in self.companions)

    @property
    def wait(self) -> int:
        """Evaluations until it fires."""
        return evaluations(self.first.demand.after, self.interval)

    def case(
        self, what: str, series: Sequence[Series], expected: Sequence[Expected], *, texts: bool = False
    ) -> Case:
        """Check both sides of every change; ``texts``: all labels and texts at the last, else what `ALERTS` shows."""
        name = self.first.rule.name
        case = Case(f"{name}: {what}", self.interval, list(series))
        found = [
            states(one.held, self.interval, one.companion.rule.for_, one.companion.rule.keep_firing_for)
            for one in expected
        ]
        last = len(expected[0].held) - 1
        shown = list(zip(*found, strict=True))
        for now in sorted({last, *sides_of_changes(shown)}):
            if texts and now == last:
                firing = [
                    (one.companion.rule, Firing(one.labels, one.values[now], members=one.members))
                    for one, state in zip(expected, shown[now], strict=True)
                    if state == "firing"
                ]
                case.fire(now, name, firing)
                continue
            tiers = [one.companion.rule.labels[TIER] for one in expected]
            counts = Counter((tier, state) for tier, state in zip(tiers, shown[now], strict=True) if state)
            query = f"count by ({TIER}, alertstate) ({selector('ALERTS', {'alertname': name})})"
            samples = [
                ({TIER: tier, "alertstate": state}, Decimal(count))
                for (tier, state), count in sorted(counts.items())
            ]
            case.gives(now, query, samples)
        return case

    def of_ages(self, ages: Ages, labels: Mapping[str, str] | None = None) -> list[Expected]:
        """Each alert of something that is so old at each evaluation."""
        known = [age or 0.0 for age in ages]
        return [
            Expected(one, [age > one.demand.after.seconds for age in known], known, labels or {})
            for one in self.companions
        ]

    def ages(self) -> Iterator[tuple[str, list[float | None], bool]]:
        """Yield cases of an alert on an age: a name, the age at each evaluation, whether texts are checked."""
        limit, longest = self.limits[0], self.limits[-1]
        old = longest + 1
        yield f"stays quiet at {Duration.of_seconds(limit)}", [limit], False
        for one in sorted(set(self.limits)):
            yield f"fires above {Duration.of_seconds(one)}", [one, one + 1], one == longest
        if not self.life():
            return
        yield "resolves when it is new again", [old, 0.0], False
        yield "fires again after an evaluation without data", [old, None, old], False
        yield "is quiet at NaN", [old, math.nan], False
        yield "ends where its series end", [old, None, None], False
