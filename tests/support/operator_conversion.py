"""The conversion of an AlertmanagerConfig by prometheus-operator, as its documentation and `amcfg.go` say.

Names get the object's in front, the first route a matcher of the namespace and ``continue``. A Secret's key is read;
here it stays a file, the one that the operator mounts for it.
"""

import json
from typing import Any

from rulegen.alertmanager.operator.files import SECRETS
from rulegen.alertmanager.operator.objects import camel
from rulegen.alertmanager.operator.receivers import name_of
from rulegen.spec.integrations import INTEGRATIONS

_BACK = {camel(ours): (ours, keys) for ours, keys in INTEGRATIONS.items()}
_NESTED_LISTS = {"actions", "fields", "images", "links", "responders"}


def configuration(custom: dict[str, Any]) -> dict[str, Any]:
    """The parts of ``alertmanager.yaml`` that the operator adds for one object."""
    namespace = custom["metadata"]["namespace"]
    prefix = f"{namespace}/{custom['metadata']['name']}/"
    spec = custom["spec"]
    route = _route(spec["route"], prefix)
    route["matchers"].append(f'namespace="{namespace}"')
    route["continue"] = True
    return {
        "route": route,
        "inhibit_rules": [_inhibition(rule, namespace) for rule in spec.get("inhibitRules", [])],
        "receivers": [_receiver(receiver, prefix) for receiver in spec["receivers"]],
        "mute_time_intervals": [
            {
                "name": prefix + interval["name"],
                "time_intervals": [_interval(one) for one in interval["timeIntervals"]],
            }
            for interval in spec.get("muteTimeIntervals", [])
        ],
    }


def _matchers(given: list[dict[str, str]]) -> list[str]:
    return [f"{one['name']}{one['matchType']}{json.dumps(one['value'], ensure_ascii=False)}" for one in given]


def _route(route: dict[str, Any], prefix: str) -> dict[str, Any]:
    converted: dict[str, Any] = {
        "receiver": prefix + route["receiver"],
        "matchers": _matchers(route["matchers"]),
    }
    for key, name in (
        ("groupBy", "group_by"),
        ("groupWait", "group_wait"),
        ("groupInterval", "group_interval"),
        ("repeatInterval", "repeat_interval"),
        ("continue", "continue"),
    ):
        if key in route:
            converted[name] = route[key]
    for key, name in (
        ("muteTimeIntervals", "mute_time_intervals"),
        ("activeTimeIntervals", "active_time_intervals"),
    ):
        if key in route:
            converted[name] = [prefix + interval for interval in route[key]]
    if "routes" in route:
        converted["routes"] = [_route(child, prefix) for child in route["routes"]]
    return converted


def _inhibition(rule: dict[str, Any], namespace: str) -> dict[str, Any]:
    added = f'namespace="{namespace}"'
    return {
        "source_matchers": [*_matchers(rule["sourceMatch"]), added],
        "target_matchers": [*_matchers(rule["targetMatch"]), added],
        "equal": rule["equal"],
    }


def _interval(given: dict[str, Any]) -> dict[str, Any]:
    converted: dict[str, Any] = {key: given[key] for key in ("weekdays", "months", "years") if key in given}
    if "times" in given:
        converted["times"] = [
            {"start_time": t["startTime"], "end_time": t["endTime"]} for t in given["times"]
        ]
    if "daysOfMonth" in given:
        converted["days_of_month"] = [f"{days['start']}:{days['end']}" for days in given["daysOfMonth"]]
    return converted


def _receiver(receiver: dict[str, Any], prefix: str) -> dict[str, Any]:
    converted: dict[str, Any] = {"name": prefix + receiver["name"]}
    for theirs, configs in receiver.items():
        if theirs != "name":
            ours, keys = _BACK[theirs]
            names = {name_of(keys, key): key for key in keys.keys}
            converted[ours] = [
                {names[key]: _value(names[key], value) for key, value in one.items()} for one in configs
            ]
    return converted


def _value(key: str, value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"name", "key"}:
        return f"{SECRETS}/{value['name']}/{value['key']}"
    if isinstance(value, list) and value and isinstance(value[0], dict) and key not in _NESTED_LISTS:
        return {one["key"]: one["value"] for one in value}
    if key == "links":
        return [{"href": link["href"], "text": link["alt"]} for link in value]
    return value
