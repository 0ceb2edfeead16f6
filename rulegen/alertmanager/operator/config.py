"""AlertmanagerConfig: routes, receivers, inhibition and time intervals in the operator's own words.

The operator puts its route in front of the others, lets alerts go on to them (``continue``), and, unless
``alertmanagerConfigMatcherStrategy`` is ``None``, lets it see the alerts of its own namespace only: hence
the label ``namespace`` on every alert.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from mlslo.yamlfile import InputError, Problem
from rulegen.alertmanager import guarded_route, inhibit_rules
from rulegen.alertmanager.matchers import parse
from rulegen.alertmanager.operator.objects import camel, custom_object
from rulegen.alertmanager.operator.receivers import receivers
from rulegen.promql.conventions import AlertIdentity
from rulegen.spec.routing import Routing
from rulegen.spec.time_intervals import lower


def alertmanager_config(routing: Routing, alerts: Sequence[AlertIdentity]) -> dict[str, Any]:
    """The AlertmanagerConfig of an AlertRouting file.

    Raises InputError where something in the file has no counterpart there.
    """
    problems = [*_locations(routing)]
    if routing.operator.namespace is None:
        needed = "an AlertmanagerConfig needs operator.namespace"
        message = f"{needed}: the operator routes by that label of an alert"
        problems.append(routing.document.problem(("spec", "operator"), message, key=True))
    spec: dict[str, Any] = {
        "route": _route(guarded_route(routing.spec, alerts)),
        "inhibitRules": [_inhibition(rule) for rule in inhibit_rules(routing.spec, alerts)],
        "receivers": receivers(routing, problems),
        "muteTimeIntervals": [
            {"name": name, "timeIntervals": [_interval(entry) for entry in lower(interval)]}
            for name, interval in routing.spec.timeIntervals.items()
        ],
    }
    if problems:
        raise InputError(problems)
    shown = {key: value for key, value in spec.items() if value}
    return {**custom_object("v1alpha1", "AlertmanagerConfig", "mlslo", routing.operator), "spec": shown}


def _locations(routing: Routing) -> Iterator[Problem]:
    for name, interval in routing.spec.timeIntervals.items():
        at = ("spec", "timeIntervals", name)
        if interval.location not in (None, "UTC"):
            message = f"an AlertmanagerConfig has no location ('{interval.location}'), its times are UTC"
            yield routing.document.problem((*at, "location"), message, key=True)
        for index, years in enumerate(interval.years):
            if not years.startswith("2"):
                message = f"an AlertmanagerConfig takes years from 2000 on, got '{years}'"
                yield routing.document.problem((*at, "years", index), message)


def _route(route: dict[str, Any]) -> dict[str, Any]:
    converted = {camel(key): value for key, value in route.items()}
    if "matchers" in converted:
        converted["matchers"] = [_matcher(text) for text in converted["matchers"]]
    if "routes" in converted:
        converted["routes"] = [_route(child) for child in converted["routes"]]
    return converted


def _matcher(text: str) -> dict[str, str]:
    (found,) = parse(text)
    return {"name": found.label, "matchType": found.operator, "value": found.value}


def _inhibition(rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "sourceMatch": [_matcher(text) for text in rule["source_matchers"]],
        "targetMatch": [_matcher(text) for text in rule["target_matchers"]],
        "equal": rule["equal"],
    }


def _interval(entry: dict[str, Any]) -> dict[str, Any]:
    converted = {camel(key): value for key, value in entry.items() if key != "location"}
    if "times" in entry:
        converted["times"] = [{camel(key): clock for key, clock in span.items()} for span in entry["times"]]
    if "days_of_month" in entry:
        ends = [text.split(":") for text in entry["days_of_month"]]
        converted["daysOfMonth"] = [{"start": int(days[0]), "end": int(days[-1])} for days in ends]
    return converted
