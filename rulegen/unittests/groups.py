"""Cases of the groups of an SLO: which are measured, and the alerts where one is gone or there are too many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Firing
from rulegen.promql.conventions import KNOWN_GROUPS_RECORD, MODEL, SLO
from rulegen.promql.expressions import selector
from rulegen.slo.budget import Budget
from rulegen.slo.companions import GroupCompanions
from rulegen.unittests.case import GONE, MISSED, Case, Sample, Scrape, Series, counter, evaluations

_ONE, _NONE = Decimal(1), Decimal(0)
# Nobody reads more series.
_MOST_GROUPS = 200


def example(labels: Sequence[str]) -> dict[str, str]:
    """Return the group that tests are about."""
    return {label: f"{label}-a" for label in labels}


def others(group: Mapping[str, str]) -> list[dict[str, str]]:
    """Return groups that differ in one label from ``group``."""
    return [{**group, label: f"{value}-other"} for label, value in group.items()]


def can_be_counted(budget: Budget) -> bool:
    """Return whether a test can have as many groups as have a budget, and more."""
    return budget.most_groups <= _MOST_GROUPS


def gone(budget: Budget, companions: GroupCompanions, interval: Duration, *, whole: bool) -> Iterator[Case]:
    """Yield the cases of a group that is not measured any more: told; for ``whole`` also back, and all gone.

    That it is forgotten after a day would take promtool 15 s: our own tests prove it.
    """
    if companions.gone is not None and companions.demand is not None:
        wait = evaluations(companions.demand.after, interval)
        tested = _Gone(budget, companions, interval, wait)
        yield tested.fires()
        if whole:
            yield from tested.life()


@dataclass(frozen=True)
class _Gone:
    budget: Budget
    companions: GroupCompanions
    interval: Duration
    wait: int

    def fires(self) -> Case:
        least, wait, rule = self.companions.least, self.wait, self.companions.gone
        assert rule is not None
        there: list[Sample] = [_ONE] * least
        case = self._case("fires for a group that is gone, and no other", there, least + wait + 2)
        for now in (least - 1, least + wait - 1):
            case.shows(now, rule, None if now == least - 1 else "pending" if wait else None)
        case.fires(least + wait, rule, Firing(self._group, float(least)))
        return case

    def life(self) -> Iterator[Case]:
        least, wait, rule = self.companions.least, self.wait, self.companions.gone
        assert rule is not None
        there: list[Sample] = [_ONE] * least
        back = [*there, *[GONE] * (wait + 1), _ONE, _ONE]
        case = self._case("resolves when its events are back", back, len(back))
        case.shows(least + wait, rule, "firing")
        case.shows(least + wait + 1, rule, None)
        yield case
        case = self._case("leaves it to the alert that no group is measured", there, least)
        case.never(least + wait, rule)
        yield case

    @property
    def _group(self) -> dict[str, str]:
        return example(self.budget.groups)

    def _case(self, what: str, samples: Sequence[Sample], length: int) -> Case:
        """Build a case of a group with ``samples``, of others for ``length``, and of one that was hardly there."""
        budget, rule = self.budget, self.companions.gone
        assert rule is not None
        record = budget.events(budget.windows[0])
        own = {MODEL: budget.model, SLO: budget.slo}
        rest = [GONE] * (length - len(samples))
        series = [Series(record, {**own, **self._group}, [*samples, *rest])]
        kept = [_NONE] * length
        series += [Series(record, {**own, **other}, kept) for other in others(self._group)]
        # Short for a loss, and without a name.
        brief = [_NONE] * (self.companions.least - 1)
        if brief:
            last = others(self._group)[-1]
            group = {label: f"{value}-brief" for label, value in last.items()}
            series.append(Series(record, {**own, **group}, [*brief, *[GONE] * (length - len(brief))]))
        series.append(Series(record, own, [*samples, *rest]))
        named = Series(record, {**own, **self._group}, kept)
        series += named.of_others()
        return Case(f"{rule.name} of {budget.slo}: {what}", self.interval, series)


def too_many(
    budget: Budget,
    companions: GroupCompanions,
    interval: Duration,
    counters: Sequence[Series],
    sampled: Duration,
    *,
    alone: bool,
) -> Case:
    """Build the case of two groups too many: the smallest of those at first, and a larger one that came later.

    ``counters``: of one group, at their first two samples, one every ``sampled``.
    ``alone``: no other SLO of the file has groups; the same counters may be too many for it, too.
    """
    rule = companions.too_many
    assert rule is not None
    most, own = budget.most_groups, {SLO: budget.slo}
    last, steps = evaluations(rule.for_, interval) + 3, round(interval.seconds / sampled.seconds)
    label = budget.groups[0]
    case = Case(
        f"{rule.name} of {budget.slo}: of {most + 2} groups {most} are measured",
        interval,
        [],
        sampled=sampled,
    )
    for number in range(most + 2):
        late = number == most + 1
        for one in counters:
            growth = one.samples[1]
            assert isinstance(growth, Decimal)
            step = growth * (number + 1)
            missed = 2 * steps if late else 0
            samples: list[Scrape] = [*[MISSED] * missed, *counter(step, last * steps + 1 - missed)]
            case.series.append(
                replace(one, labels={**one.labels, label: f"{label}-{number}"}, samples=samples)
            )
    for now, left_out in ((1, 1), (last, 2)):
        case.gives(now, f"count({selector(KNOWN_GROUPS_RECORD, own)})", [({}, Decimal(most))])
        counted = budget.events(budget.windows[-1])
        case.gives(now, f"count({selector(counted, own)})", [({}, Decimal(most))])
        names = [f"{label}-0", f"{label}-{most + 1}"][:left_out]
        for name in names:
            case.gives(now, selector(KNOWN_GROUPS_RECORD, {**own, label: name}), [])
    case.shows(last - 3, rule, "pending")
    case.shows(last - 2, rule, "firing")
    if alone:
        case.fires(last, rule, Firing({}, 2.0))
    else:
        case.shows(last, rule, "firing")
        case.gives(last, " ".join(rule.expression.split()), [({}, Decimal(2))])
    return case
