"""OpenSLO v1: SLO with its SLI, alert policies and conditions, inline or by name.

Source: https://github.com/OpenSLO/OpenSLO#specification
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pydantic import ValidationError

from mlslo.yamlfile import Duration, Location, did_you_mean, quoted_list
from mlslo.yamlfile.commented import Block
from rulegen.drafts.carried_over import (
    CarriedOver,
    Source,
    duration,
    errors_of,
    name_of,
    or_none,
    percent,
    summed,
    windowed,
)
from rulegen.spec.model_slo import Slo

_KINDS = ("SLO", "SLI", "Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget")
_OPERATORS = {"lt": "below", "lte": "atMost", "gt": "above", "gte": "atLeast"}
_URGENT = ("page", "critical", "high", "p1", "sev1", "1")
_PERIODS = {"1M": "month", "1Q": "quarter", "1w": "week"}
_DAYS = {"M": 30, "Q": 90, "Y": 365}
# The SRE workbook's: the short window is a twelfth of the long one.
_SHORTER = 12


class Part(NamedTuple):
    """An object, or what stands for one within another: where it is."""

    source: Source
    at: Location

    def below(self, *keys: str | int) -> Part:
        return Part(self.source, (*self.at, *keys))

    def take(self, *keys: str | int, kind: Any = str) -> Any:
        return self.source.take((*self.at, *keys), kind)

    def peek(self, *keys: str | int) -> Any:
        return self.source.peek((*self.at, *keys))


Objects = Mapping[tuple[str, str], Part]


def carry_over(found: Sequence[Source]) -> CarriedOver:
    """Carry over all SLOs, with what they refer to. Raises InputError where a document is none of OpenSLO v1."""
    result = CarriedOver()
    objects: dict[tuple[str, str], Part] = {}
    for source in found:
        version, kind = source.needed(("apiVersion",)), source.needed(("kind",))
        if version != "openslo/v1":
            raise source.document.error(("apiVersion",), f"expected 'openslo/v1', got '{version}'")
        if kind not in _KINDS:
            expected = f"expected one of {quoted_list(_KINDS)}, got '{kind}'{did_you_mean(kind, _KINDS)}"
            raise source.document.error(("kind",), expected)
        objects[kind, source.needed(("metadata", "name"))] = Part(source, ())
    for (kind, name), slo in objects.items():
        if kind == "SLO":
            _slo(slo, name, objects, result)
    for source in found:
        kind = source.peek(("kind",))
        for at in source.rest():
            why = {
                "Service": "a service is the model of its SLOs, and has no more than its name",
                "AlertNotificationTarget": "who is told stands in the AlertRouting file: `tiers` and `receivers`",
                "DataSource": "rules are evaluated where they are loaded",
            }.get(kind, "there is nothing like it here")
            result.tell(source, at, why)
    return result


def _slo(slo: Part, name: str, objects: Objects, result: CarriedOver) -> None:
    service = slo.source.needed(("spec", "service"))
    objectives = slo.source.needed(("spec", "objectives"), list)
    for index in range(len(objectives)):
        at: Location = ("spec", "objectives", index)
        own = name_of(name if len(objectives) == 1 else f"{name}-{slo.take(*at, 'displayName') or index + 1}")
        result.try_slo(slo.source, at, service, partial(_objective, slo, at, own, objects, result))


def _objective(slo: Part, at: Location, name: str, objects: Objects, result: CarriedOver) -> Block:
    for key in ("indicator", "indicatorRef"):
        if slo.peek(*at, key) is not None:
            raise slo.source.document.error(
                (*at, key), "a composite SLO; expected one indicator for all objectives", key=True
            )
    block = Block({"name": name, "layer": "service"})
    for text in (
        slo.take("metadata", "displayName"),
        slo.take("spec", "description"),
        slo.take(*at, "displayName"),
    ):
        if text:
            block.comment(text)
    ratio = slo.peek(*at, "target") is not None
    block["objective"] = percent(slo.source, (*at, "target" if ratio else "targetPercent"), ratio=ratio)
    block["timeWindow"] = _time_window(slo, result)
    sli = _indicator(slo, objects)
    for key in ("name", "displayName"):
        sli.take("metadata", key)
    sli.take("spec", "description")
    method = slo.take("spec", "budgetingMethod") or "Occurrences"
    if sli.peek("spec", "thresholdMetric") is not None:
        block.update(_threshold(slo, at, sli.below("spec", "thresholdMetric"), objects))
    elif method == "Occurrences":
        block["sli"] = _ratio(sli.below("spec", "ratioMetric"), objects)
    elif method == "Timeslices":
        block.update(_slices(slo, at, sli.below("spec", "ratioMetric"), objects))
    else:
        raise slo.source.document.error(
            ("spec", "budgetingMethod"), f"'{method}'; expected Occurrences or Timeslices"
        )
    if alerting := _alerting(slo, objects, result):
        block["alerting"] = alerting
    return block


def _time_window(slo: Part, result: CarriedOver) -> Any:
    at = ("spec", "timeWindow", 0)
    text = slo.take(*at, "duration")
    if text is None:
        return "30d"
    calendar = slo.take(*at, "isRolling", kind=bool) is False or slo.peek(*at, "calendar") is not None
    found = re.fullmatch("([0-9]+)([MQY])", text)
    days = int(found[1]) * _DAYS[found[2]] if found else 0
    length = Duration(f"{days}d") if found else duration(slo.source, (*at, "duration"), text)
    if calendar and text in _PERIODS:
        zone = slo.peek(*at, "calendar", "timeZone")
        period = {"calendar": _PERIODS[text], **({"zone": zone} if zone else {})}
        if is_time_window(period):
            slo.take(*at, "calendar", "timeZone")
            if slo.peek(*at, "calendar", "startTime") is not None:
                result.tell(slo.source, (*at, "calendar", "startTime"), "a period begins with the calendar's")
            return period
    if slo.peek(*at, "calendar") is not None:
        result.tell(slo.source, (*at, "calendar"), f"the budget is one of a rolling window, {length}")
    elif calendar or found:
        key = "isRolling" if calendar else "duration"
        result.tell(slo.source, (*at, key), f"the window is a rolling one of {length}")
    return str(length)


def is_time_window(value: Any) -> bool:
    """Return whether a ModelSLO file takes ``value`` as an SLO's time window."""
    try:
        Slo.model_validate({"name": "draft", "layer": "service", "timeWindow": value, "sli": {"errors": {}}})
    except ValidationError:
        return False
    return True


def _indicator(slo: Part, objects: Objects) -> Part:
    if slo.peek("spec", "indicator") is not None:
        return slo.below("spec", "indicator")
    name = slo.source.needed(("spec", "indicatorRef"))
    return _object("SLI", name, slo.below("spec", "indicatorRef"), objects)


def _object(kind: str, name: str, at: Part, objects: Objects) -> Part:
    if (kind, name) not in objects:
        known = [other for other_kind, other in objects if other_kind == kind]
        raise at.source.document.error(
            at.at, f"no {kind} '{name}' among the files{did_you_mean(name, known)}"
        )
    return objects[kind, name]


def _query(metric: Part, objects: Objects) -> tuple[Location, str]:
    source = metric.below("metricSource")
    of = source.take("type")
    reference = source.take("metricSourceRef")
    if reference is not None and ("DataSource", reference) in objects:
        data = objects["DataSource", reference]
        of = of or data.take("spec", "type")
    if of is not None and of.lower() != "prometheus":
        raise metric.source.document.error(source.at, f"a metric of {of}; expected one of Prometheus")
    for key in ("query", "promql"):
        if (found := source.take("spec", key)) is not None:
            return (*source.at, "spec", key), found
    raise metric.source.document.error(source.at, "missing key 'query' below 'spec'")


def _events(metric: Part, objects: Objects) -> tuple[str, str]:
    """Return the queries of bad and of all events."""
    if metric.peek("raw") is not None:
        message = "a ratio that is computed already; expected good or bad, and total"
        raise metric.source.document.error((*metric.at, "raw"), message, key=True)
    counters = bool(metric.take("counter", kind=bool))
    kind = "bad" if metric.peek("bad") is not None else "good"
    found = {}
    for key in (kind, "total"):
        place, query = _query(metric.below(key), objects)
        found[key] = windowed(metric.source, place, query, counters=counters)
    total = found["total"]
    return (found["bad"] if kind == "bad" else errors_of(found["good"], total)), total


def _ratio(metric: Part, objects: Objects) -> Block:
    errors, total = _events(metric, objects)
    return Block({"ratio": Block({"errors": errors, "total": total})})


def _threshold(slo: Part, at: Location, metric: Part, objects: Objects) -> dict[str, Any]:
    _, query = _query(metric, objects)
    operator = slo.source.needed((*at, "op"))
    if operator not in _OPERATORS:
        raise slo.source.document.error(
            (*at, "op"), f"expected one of {quoted_list(_OPERATORS)}, got '{operator}'"
        )
    value = slo.source.needed((*at, "value"), (int, float))
    return {"good": {_OPERATORS[operator]: value}, "sli": Block({"promql": Block({"query": query})})}


def _slices(slo: Part, at: Location, metric: Part, objects: Objects) -> dict[str, Any]:
    """Return a gauge of the ratio within a slice: it is good where the slice is."""
    errors, total = _events(metric, objects)
    window = slo.take(*at, "timeSliceWindow", kind=(str, int))
    length = str(
        duration(
            slo.source, (*at, "timeSliceWindow"), f"{window}m" if isinstance(window, int) else window or "1m"
        )
    )
    slo.take(*at, "op")
    target = slo.source.needed((*at, "timeSliceTarget"), (int, float))
    query = f"1 - {or_none(errors, total)} / {summed(total)}".replace("{{.window}}", length)
    return {"good": {"atLeast": target}, "sli": Block({"promql": Block({"query": query})})}


def _alerting(slo: Part, objects: Objects, result: CarriedOver) -> Block | None:
    """Return the windows of burn rates of all policies; None where there are none, and the workbook's are right."""
    windows = []
    for index, given in enumerate(slo.take("spec", "alertPolicies", kind=list) or ()):
        at = slo.below("spec", "alertPolicies", index)
        policy = at
        if isinstance(given, dict) and "alertPolicyRef" in given:
            policy = _object("AlertPolicy", at.take("alertPolicyRef"), at.below("alertPolicyRef"), objects)
        elif isinstance(given, str):
            policy = _object("AlertPolicy", slo.take("spec", "alertPolicies", index), at, objects)
        for key in ("name", "displayName"):
            policy.take("metadata", key)
        policy.take("kind")
        for position, condition in enumerate(policy.take("spec", "conditions", kind=list) or ()):
            found = policy.below("spec", "conditions", position)
            if isinstance(condition, dict) and "conditionRef" in condition:
                found = _object(
                    "AlertCondition", found.take("conditionRef"), found.below("conditionRef"), objects
                )
            windows += _burn_rate(found, result)
    return Block({"windows": windows}) if windows else None


def _burn_rate(condition: Part, result: CarriedOver) -> list[dict[str, Any]]:
    for keys in (("metadata", "name"), ("metadata", "displayName"), ("kind",)):
        condition.take(*keys)
    severity, at = condition.take("spec", "severity"), condition.below("spec", "condition")
    if (at.take("kind") or "").lower() != "burnrate" or at.take("op") not in ("gt", "gte"):
        result.tell(at.source, at.at, "expected a burnrate above (gt, gte) a threshold")
        return []
    factor = at.source.needed((*at.at, "threshold"), (int, float))
    long = duration(at.source, (*at.at, "lookbackWindow"), at.source.needed((*at.at, "lookbackWindow")))
    burn = "fast" if str(severity).lower() in _URGENT else "slow"
    if at.peek("alertAfter") is not None:
        result.tell(
            at.source,
            (*at.at, "alertAfter"),
            "a second, shorter window takes its place: it ends the alert soon; `alerting: {for: …}` waits as well",
        )
    short = Duration.of_seconds(max(60, round(long.seconds / _SHORTER / 60) * 60))
    return [{"factor": factor, "short": str(short), "long": str(long), "burn": burn}]
