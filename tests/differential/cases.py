"""Random cases: a configuration, what fires when, silences, times without a word from Prometheus.

Times are milliseconds. Alerts are evaluated at full seconds, groups are looked at between them, and no repeat
interval is a multiple of a group interval, so that jitter seldom matters; where it does is found out later.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlslo.yamlfile import InputError, parse
from rulegen import alertmanager
from rulegen.promql.conventions import LAYERS, WATCHDOG_IDENTITY, AlertIdentity
from rulegen.simulation.alert import Labels
from rulegen.simulation.prometheus import Firing, Prometheus, Span
from rulegen.slo.plan import make_plan
from rulegen.spec import routing
from rulegen.spec.time_intervals import WEEKDAYS
from rulegen.validation import specs
from tests.differential.zones import NAMES, Zone, local
from tests.support.paths import CONTRACT

LENGTH = 30_000
# A hurried Prometheus: what takes it 15 minutes takes 8 seconds here.
PROMETHEUS = Prometheus(interval=1000, resend_delay=1000, retention=8000)
SEVERITIES = ("critical", "warning", "info", "info")


@dataclass(frozen=True)
class Case:
    """``configuration`` is an ``alertmanager.yaml`` of its own; silences are matchers, from, until."""

    kind: str
    configuration: dict[str, Any]
    firings: Sequence[Firing]
    unreachable: Sequence[Span]
    silences: Sequence[tuple[list[str], int, int]]


Draw = random.Random


def draw_case(draw: Draw, start: int) -> Case:
    """One case that begins on the day of the second ``start``."""
    kind = draw.choices(["routing file", "contract", "any configuration"], [70, 10, 20])[0]
    if kind == "contract":
        configuration, identities = _contract(draw, start)
    else:
        identities = _identities(draw)
        build = _from_routing_file if kind == "routing file" else _any_configuration
        configuration = build(draw, start, identities)
    firings = _firings(draw, identities)
    if "Watchdog" in str(configuration["route"]):
        labels = {"alertname": WATCHDOG_IDENTITY.name, **WATCHDOG_IDENTITY.labels}
        firings.append(Firing(Labels(labels), [(0, LENGTH)]))
    unreachable = []
    if draw.random() < 0.15:
        begin = draw.randrange(3000, 20_000, 500)
        unreachable = [(begin, begin + draw.randrange(2500, 8000, 1000))]
    silences = [_silence(draw) for _ in range(draw.choices([0, 1, 2], [70, 20, 10])[0])]
    return Case(kind, configuration, firings, unreachable, silences)


def _some(draw: Draw, values: Sequence[str], least: int, most: int) -> list[str]:
    return draw.sample(list(values), min(len(values), draw.randint(least, most)))


def _identities(draw: Draw) -> list[AlertIdentity]:
    """Alerts of one or two models; some belong to a team."""
    found = []
    for model in ["fraud", "churn"][: draw.randint(1, 2)]:
        team = {"team": draw.choice(["risk", "growth"])} if draw.random() < 0.6 else {}
        for name in _some(draw, "ABCDEFG", 2, 5):
            layer, tier = draw.choice(LAYERS), draw.randrange(4)
            labels = {"slo": draw.choice(["s1", "s2"]), "layer": layer, "tier": f"P{tier + 1}"}
            identity = {"model": model, **labels, "severity": SEVERITIES[tier], **team}
            found.append(AlertIdentity(name, identity, ("feature",)))
    return found


def _firings(draw: Draw, identities: Sequence[AlertIdentity]) -> list[Firing]:
    firings: dict[Labels, list[Span]] = {}
    for identity in draw.choices(identities, k=draw.randint(2, 8)):
        series = {"feature": draw.choice("abc")} if draw.random() < 0.6 else {}
        labels = Labels({"alertname": identity.name, **identity.labels, **series})
        spans, moment = [], draw.randint(0, 12)
        for _ in range(draw.choices([1, 2, 3], [60, 30, 10])[0]):
            until = moment + draw.choice([1, 1, 2, 3, 4, 6, 8, 12, 20])
            spans.append((moment * 1000, until * 1000))
            moment = until + draw.choice([1, 2, 3, 5, 8])
        firings[labels] = [span for span in spans if span[0] < LENGTH]
    return [Firing(labels, spans) for labels, spans in firings.items()]


def _silence(draw: Draw) -> tuple[list[str], int, int]:
    possible = [
        'model="fraud"', 'model=~"fr.*|x"', 'layer="data"', 'layer=~"service|data"', 'tier!="P1"', 'team=""',
        'alertname=~"[A-C]"', 'feature="a"', 'slo!~"s2"', 'tier=~"P[23]"',
    ]  # fmt: skip
    begin = draw.randrange(0, 20_000, 1000)
    matchers = _some(draw, possible, 1, 2)
    # Alertmanager refuses a silence of everything.
    if all(matcher in ('team=""', 'tier!="P1"', 'slo!~"s2"') for matcher in matchers):
        matchers.append('model!=""')
    return matchers, begin, begin + draw.randrange(2000, 16_000, 1000)


def _interval(draw: Draw, start: int) -> dict[str, Any]:
    """A time interval whose edges, if any, are crossed while the case is played."""
    name, zone = draw.choice(list(NAMES.items()))
    interval: dict[str, Any] = {"location": name}
    today = local(name, start)
    weekday = (today.weekday() + 1) % 7
    kind = draw.random()
    if kind < 0.75:
        interval["times"] = [_times(draw, zone)]
    if kind > 0.6:
        days = sorted({(weekday + step) % 7 for step in draw.sample([-1, 0, 1, 2], draw.randint(1, 3))})
        interval["weekdays"] = [WEEKDAYS[day] for day in days]
    if kind > 0.9:
        interval.pop("weekdays")
        interval["daysOfMonth"] = [_day(draw, today.day)]
    if kind > 0.97:
        interval["months"] = [str(today.month)]
    if 0.95 < kind < 0.98:
        interval["years"] = [str(today.year + draw.choice([0, 0, 1]))]
    return interval


def _day(draw: Draw, today: int) -> str:
    if draw.random() < 0.6:
        # Counted from the end of the month, near today whether it has 28 days or 31.
        return str(max(-31, min(-1, today - draw.choice([29, 30, 31, 32]))))
    return f"{max(1, today - draw.choice([0, 1]))}:{min(31, today + draw.choice([0, 1]))}"


def _times(draw: Draw, zone: Zone) -> str:
    edges = {minute + step for minute in zone.minutes(LENGTH // 1000) for step in (0, 0, 1, -60, 60)}
    points = sorted({0, 1440, *(edge % 1440 for edge in edges)})
    while True:
        begin, end = draw.choice(points), draw.choice(points)
        if begin != end and begin != 1440:
            return f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"


def _waits(draw: Draw, share: float = 1.0) -> dict[str, str]:
    """Group wait n + ½ s, group interval n s, repeat interval n + ½ s."""
    waits = {}
    interval = draw.choice([2, 2, 3, 4])
    if draw.random() < share:
        waits["groupWait"] = f"{draw.choice([0, 1, 1, 2]) * 1000 + 500}ms"
    if draw.random() < share:
        waits["groupInterval"] = f"{interval}s"
        waits["repeatInterval"] = f"{draw.choice([interval, 5, 7, 12, 300]) * 1000 + 500}ms"
    return waits


def _receivers(draw: Draw) -> dict[str, Any]:
    def webhook() -> dict[str, Any]:
        config: dict[str, Any] = {"url": "http://webhooks/"}
        if draw.random() < 0.4:
            config["send_resolved"] = draw.random() < 0.4
        return config

    return {
        f"r{number}": {"webhook_configs": [webhook() for _ in range(draw.choices([1, 2], [80, 20])[0])]}
        for number in range(1, 6)
    }


def _from_routing_file(draw: Draw, start: int, identities: Sequence[AlertIdentity]) -> dict[str, Any]:
    """What the generator itself makes of a random AlertRouting file."""

    def spec() -> dict[str, Any]:
        receivers = _receivers(draw)
        told = [name for name in receivers if name != "r5"]
        intervals = [f"i{number}" for number in range(1, draw.randint(2, 4))]
        tiers = {}
        for number, severity in enumerate(SEVERITIES[: draw.choice([2, 3, 4])]):
            tiers[f"P{number + 1}"] = {
                "severity": severity,
                "receivers": _some(draw, told, 1, 2) if draw.random() < 0.3 else _some(draw, told, 2, 2),
                **_waits(draw, 0.3),
                **({"activeDuring": _some(draw, intervals, 1, 2)} if draw.random() < 0.35 else {}),
            }
        labels = ["model", "slo", "layer", "tier", "feature", "alertname"]
        content: dict[str, Any] = {
            "tiers": tiers,
            "groupBy": _some(draw, labels, 1, 3),
            **_waits(draw),
            "receivers": receivers,
            "timeIntervals": {name: _interval(draw, start) for name in intervals},
            "mute": [
                {"during": draw.choice(intervals), "layers": _some(draw, LAYERS, 1, 3)}
                for _ in range(draw.choices([0, 1, 2], [50, 35, 15])[0])
            ],
            "inhibit": [_inhibit(draw, list(tiers)) for _ in range(draw.choices([0, 1, 2], [25, 45, 30])[0])],
            "suppressLowerTiers": draw.random() < 0.6,
        }
        if draw.random() < 0.3:
            content["teams"] = {"risk": {draw.choice(list(tiers)): _some(draw, told, 1, 2)}}
        if draw.random() < 0.15:
            content["watchdog"] = {"receivers": ["r5"], "repeatInterval": "4s"}
        return content

    return _accepted(spec, identities)


def _inhibit(draw: Draw, tiers: Sequence[str]) -> dict[str, Any]:
    source = {"layer": draw.choice(LAYERS), "tier": draw.choice(tiers)}
    source.pop(draw.choice(["layer", "tier", "none"]), None)
    target: dict[str, Any] = {"layers": _some(draw, LAYERS, 1, 4), "tiers": _some(draw, tiers, 1, 2)}
    target.pop(draw.choice(["layers", "tiers", "none"]), None)
    return {"source": source, "target": target, "equal": _some(draw, ["model", "slo", "feature"], 1, 2)}


def _accepted(spec: Callable[[], dict[str, Any]], identities: Sequence[AlertIdentity]) -> dict[str, Any]:
    """The configuration of the first file that the generator does not refuse."""
    while True:
        data = {
            "apiVersion": "mlslo/v1",
            "kind": "AlertRouting",
            "metadata": {"name": "drawn"},
            "spec": spec(),
        }
        try:
            file = routing.from_document(parse(Path("drawn.yaml"), json.dumps(data)))
            return alertmanager.build(file, identities)
        except InputError:
            continue


def _contract(draw: Draw, start: int) -> tuple[dict[str, Any], list[AlertIdentity]]:
    """The contract's own specs, hurried, with webhooks and with intervals whose edges come soon."""
    loaded = specs.load([CONTRACT / "fraud.slo.yaml", CONTRACT / "routing.yaml"])
    identities = [alert.identity for alert in make_plan(loaded.models[0], loaded.routing).alerts]

    def spec() -> dict[str, Any]:
        content = {**loaded.routing.document.data["spec"], **_waits(draw)}
        tiers = content["tiers"]
        content["tiers"] = {**tiers, "P3": {**tiers["P3"], "repeatInterval": "24h500ms"}}
        content["receivers"] = {
            name: {"webhook_configs": [{"url": "http://webhooks/"}]} for name in content["receivers"]
        }
        content["timeIntervals"] = {name: _interval(draw, start) for name in content["timeIntervals"]}
        content["watchdog"] = {**content["watchdog"], "repeatInterval": "4s"}
        return content

    return _accepted(spec, identities), identities


def _any_configuration(draw: Draw, start: int, identities: Sequence[AlertIdentity]) -> dict[str, Any]:
    """Nested routes and rules as only people write them."""
    configuration = _from_routing_file(draw, start, identities)
    intervals = [item["name"] for item in configuration.get("time_intervals", [])]
    receivers = [item["name"] for item in configuration["receivers"]]
    waits = _waits(draw)
    configuration["route"] = {
        "receiver": draw.choice(receivers),
        "group_by": draw.choice([["model", "slo"], ["..."], [], ["alertname"]]),
        "group_wait": waits["groupWait"],
        "group_interval": waits["groupInterval"],
        "repeat_interval": waits["repeatInterval"],
        "routes": [_route(draw, receivers, intervals, 2) for _ in range(draw.randint(1, 4))],
    }
    configuration["inhibit_rules"] = [_inhibit_rule(draw) for _ in range(draw.randint(0, 3))]
    return configuration


def _matchers(draw: Draw) -> list[str]:
    possible = [
        'tier="P1"', 'tier=~"P1|P2"', 'tier!="P3"', 'layer="data"', "layer!~service|data", 'model="fraud"',
        'team=""', 'feature!=""', 'alertname=~"[A-D]"', 'feature="a",slo="s1"', '{layer="outcome"}', "model=churn",
    ]  # fmt: skip
    return _some(draw, possible, 1, 2)


def _route(draw: Draw, receivers: Sequence[str], intervals: Sequence[str], deeper: int) -> dict[str, Any]:
    route: dict[str, Any] = {"matchers": _matchers(draw)}
    if draw.random() < 0.2:
        route["match"] = {"model": "fraud"}
    if draw.random() < 0.2:
        route["match_re"] = {"layer": "d.*|s.*"}
    if draw.random() < 0.7:
        route["receiver"] = draw.choice(receivers)
    if draw.random() < 0.4:
        route["group_by"] = draw.choice([["model"], ["..."], ["alertname", "feature"], ["tier"]])
    keys = {"groupWait": "group_wait", "groupInterval": "group_interval", "repeatInterval": "repeat_interval"}
    route |= {keys[key]: value for key, value in _waits(draw, 0.2).items()}
    for key in ("mute_time_intervals", "active_time_intervals"):
        if intervals and draw.random() < 0.2:
            route[key] = _some(draw, intervals, 1, 2)
    route["continue"] = draw.random() < 0.5
    if deeper and draw.random() < 0.5:
        route["routes"] = [_route(draw, receivers, intervals, deeper - 1) for _ in range(draw.randint(1, 3))]
    return route


def _inhibit_rule(draw: Draw) -> dict[str, Any]:
    """Sources and targets may overlap, and labels under equal may be missing."""
    equal = _some(draw, ["model", "slo", "feature", "team"], 0, 2)
    return {"source_matchers": _matchers(draw), "target_matchers": _matchers(draw), "equal": equal}
