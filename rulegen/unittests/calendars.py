"""Cases of budgets of the calendar: one begins anew at midnight of its zone. Tests begin in 1970.

What a clock shows is worked out from dates, not from the arithmetic of the rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import (
    BUDGET_REMAINING_RECORD,
    MODEL,
    PERIOD_RECORD,
    REVISION,
    SLO,
    errors_record,
    events_record,
)
from rulegen.promql.expressions import selector
from rulegen.slo.budget import Budget
from rulegen.slo.plan import Plan
from rulegen.spec.time_windows import CalendarWindow
from rulegen.unittests.case import Case, First, Series
from rulegen.unittests.groups import example

_EPOCH = datetime(1970, 1, 1)
# A period takes this many times fewer evaluations.
_SELDOM = 60
# A month of hours takes promtool a few seconds, a quarter of them too long.
_MOST_EVALUATIONS = 800
_NEARLY_A_DAY = 23 * 3600
_EVENTS, _MANY_BAD, _FEW_BAD = Decimal(10), Decimal(5), Decimal(1)


def cases(plan: Plan, interval: Duration, first: First) -> Iterator[Case]:
    """Yield a case for the first budget of each kind of period and each zone."""
    for slo in plan.slos:
        budget = slo.budget
        if budget is None or budget.calendar is None or not slo.can_be_given:
            continue
        if first(f"calendar {budget.calendar.window}"):
            yield _begins_anew(budget, budget.calendar.window, interval)


def look_far_back(plan: Plan) -> bool:
    """Return whether a budget of a model is of the calendar."""
    return any(
        slo.budget is not None and slo.budget.calendar is not None and slo.can_be_given for slo in plan.slos
    )


def _begins_anew(budget: Budget, window: CalendarWindow, interval: Duration) -> Case:
    """Half of the events are bad until the second period begins, then a tenth; only these, where it is far away."""
    every = Duration.of_seconds(interval.seconds * _SELDOM)
    begins = math.ceil(_next(window) / every.seconds)
    anew = begins <= _MOST_EVALUATIONS
    begins = begins if anew else 0
    labels = {MODEL: budget.model, SLO: budget.slo, **example(budget.groups)}
    source = budget.sli.summed(budget.windows[0])
    bad = [_MANY_BAD] * begins + [_FEW_BAD] * 3
    given = [
        Series(errors_record(source), labels, bad),
        Series(events_record(source), labels, [_EVENTS] * len(bad)),
    ]
    said = f"{'begins anew with' if anew else 'is that of'} {window.phrase.replace('a ', 'each ', 1)}"
    name = f"Records of {budget.slo}: the budget {said}"
    case = Case(name, every, given, sampled=every)
    early = begins - int(_NEARLY_A_DAY // every.seconds)
    if anew and early > 0:
        # Soon after the midnight that the last day of a period begins with.
        date_then = date_number(window, early * every.seconds)
        whole = {MODEL: budget.model, SLO: budget.slo}
        case.gives(early, f"{selector(PERIOD_RECORD, {SLO: budget.slo})} + 0", [(whole, Decimal(date_then))])
    before = [(begins - 1, _MANY_BAD)] if anew else []
    for now, share in (*before, (begins, _FEW_BAD), (begins + 2, _FEW_BAD)):
        time = now * every.seconds
        case.gives(
            now, selector(budget.ratio(budget.whole), {SLO: budget.slo}) + " + 0", [(labels, share / _EVENTS)]
        )
        case.gives(
            now,
            f"{selector(PERIOD_RECORD, {SLO: budget.slo})} + 0",
            [({MODEL: budget.model, SLO: budget.slo}, Decimal(date_number(window, time)))],
        )
        left = 1 - share / _EVENTS / budget.share * part_over(window, time)
        query = selector(BUDGET_REMAINING_RECORD, {SLO: budget.slo})
        case.nearly(now, query, {**labels, REVISION: budget.revision}, left)
    return case


def _local(window: CalendarWindow, time: float) -> datetime:
    return window.clock.local(_EPOCH + timedelta(seconds=time))


def _bounds(window: CalendarWindow, day: date) -> tuple[date, date]:
    """The first day of the period of a day, and of the next."""
    if window.calendar == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    length = 1 if window.calendar == "month" else 3
    months = 12 * day.year + (day.month - 1) // length * length
    begin, end = (date(count // 12, count % 12 + 1, 1) for count in (months, months + length))
    return begin, end


def date_number(window: CalendarWindow, time: float) -> int:
    """The local date on which the period of a moment began, as 19700101."""
    begin, _ = _bounds(window, _local(window, time).date())
    return int(f"{begin:%Y%m%d}")


def part_over(window: CalendarWindow, time: float) -> Decimal:
    """The part of its period that is over at a moment, to the minute; the months of a quarter count alike."""
    local = _local(window, time)
    begin, end = _bounds(window, local.date())
    if window.calendar == "quarter":
        of_month = CalendarWindow.model_validate({"calendar": "month", "zone": window.zone})
        return ((local.month - begin.month) + part_over(of_month, time)) / 3
    minutes = (local - datetime.combine(begin, datetime.min.time())) // timedelta(minutes=1)
    return Decimal(minutes) / ((end - begin).days * 1440)


def _next(window: CalendarWindow) -> float:
    """The seconds after 1970 began in UTC at which the next period does."""
    _, end = _bounds(window, _local(window, 0).date())
    first = (datetime.combine(end, datetime.min.time()) - _EPOCH).total_seconds()
    # The clock may be ahead by half an hour, or change in between.
    begin = first - 86_400
    return next(
        time for minute in range(2 * 1440) if _local(window, time := begin + 60 * minute).date() >= end
    )
