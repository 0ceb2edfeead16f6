"""The routing tree."""

from collections.abc import Iterator, Sequence
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.alertmanager.matchers import equals, is_set, one_of
from rulegen.promql.conventions import LAYER, LAYERS, SLO, TIER, WATCHDOG, AlertIdentity
from rulegen.spec.routing import ACTIONS, Spec, Tier, Watchdog
from rulegen.spec.routing_names import ALL_LABELS

TEAM = "team"


def root_route(spec: Spec, alerts: Sequence[AlertIdentity]) -> dict[str, Any]:
    """The tree: the watchdog, what acts, each team's tiers, every tier; the rest goes to the default receiver.

    It is flat, and its matchers come from the routing file alone: Alertmanager builds PagerDuty's
    ``dedup_key`` from a route's matchers, so a new model, SLO or alert leaves open incidents their key.
    Each receiver has a route of its own, all but the last with ``continue``, so that users' receivers keep
    their names and are retried, muted and counted apart.

    The labels by which SLOs of ``alerts`` have an error budget each are added to ``group_by``: one tenant's page is no
    other's. Alertmanager leaves out labels that an alert has not, so that all others keep their groups.
    """
    routes: list[dict[str, Any]] = []
    if spec.watchdog:
        routes.extend(_watchdog(spec.watchdog))
    if spec.actions is not None:
        routes.append(_actions(spec))
    for team in sorted(spec.teams):
        for name in sorted(spec.teams[team]):
            matchers = [equals(TEAM, team), equals(TIER, name)]
            routes.extend(_tier(spec, spec.tiers[name], spec.teams[team][name], matchers))
    for name in spec.tier_names:
        tier = spec.tiers[name]
        routes.extend(_tier(spec, tier, tier.receivers, [equals(TIER, name)]))
    return {
        "receiver": spec.fallback_receiver,
        "group_by": grouped_by(spec, alerts),
        "group_wait": str(spec.groupWait),
        "group_interval": str(spec.groupInterval),
        "repeat_interval": str(spec.repeatInterval),
        "routes": routes,
    }


def guarded_route(spec: Spec, alerts: Sequence[AlertIdentity]) -> dict[str, Any]:
    """The tree as one route among others', which takes our alerts and no others.

    Every alert of ours, the watchdog too, has an SLO and one of our layers. The matchers name nothing of the
    file, so that no change of it moves an incident.
    """
    tree = root_route(spec, alerts)
    receiver = tree.pop("receiver")
    return {"receiver": receiver, "matchers": [one_of(LAYER, LAYERS), is_set(SLO)], **tree}


def grouped_by(spec: Spec, alerts: Sequence[AlertIdentity]) -> list[str]:
    """Return the labels by which alerts share a notification: those of the file, and those of groups."""
    if ALL_LABELS in spec.groupBy:
        return list(spec.groupBy)
    groups = sorted({label for alert in alerts for label in alert.groups})
    return list(dict.fromkeys([*spec.groupBy, *groups]))


def _tier(spec: Spec, tier: Tier, told: list[str], matchers: list[str]) -> Iterator[dict[str, Any]]:
    """The routes of one tier. Muted layers come first, each alone: muting one never moves another."""
    settings: dict[str, Any] = {}
    for key, interval in (
        ("group_wait", tier.groupWait),
        ("group_interval", tier.groupInterval),
        ("repeat_interval", tier.repeatInterval),
    ):
        if interval is not None:
            settings[key] = str(interval)
    if tier.activeDuring:
        settings["active_time_intervals"] = list(tier.activeDuring)
    for layer in LAYERS:
        if muted := [mute.during for mute in spec.mute if layer in mute.layers]:
            yield from _each(
                told, [*matchers, equals(LAYER, layer)], {**settings, "mute_time_intervals": muted}
            )
    yield from _each(told, matchers, settings)


def _each(told: list[str], matchers: list[str], settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for receiver in told:
        # Copies, or YAML would write aliases.
        route: dict[str, Any] = {
            "receiver": receiver,
            "matchers": list(matchers),
            **{key: list(value) if isinstance(value, list) else value for key, value in settings.items()},
        }
        if receiver != told[-1]:
            route["continue"] = True
        yield route


def _actions(spec: Spec) -> dict[str, Any]:
    """The route of alerts to what acts on them: each for itself, at once, and besides their tier.

    It takes the tiers' alerts only, or an alert of none would no longer reach the default receiver. A repeat calls
    again what has failed.
    """
    return {
        "receiver": ACTIONS,
        "matchers": [one_of(TIER, spec.tier_names)],
        "group_by": [ALL_LABELS],
        "group_wait": "1s",
        "group_interval": "1m",
        "repeat_interval": "10m",
        "continue": True,
    }


def _watchdog(watchdog: Watchdog) -> Iterator[dict[str, Any]]:
    """Told every ``repeatInterval``.

    A group is looked at every group_interval and told again when repeat_interval has passed since the
    message before, which left a little after its look. Were both the same, every other look would
    come too early, and the heart would beat half as fast.
    """
    beat = watchdog.repeatInterval.seconds
    settings = {
        "group_by": ["alertname"],
        "group_wait": "1s",
        "group_interval": str(Duration.of_seconds(beat / 2)),
        "repeat_interval": str(Duration.of_seconds(beat * 3 / 4)),
    }
    yield from _each(watchdog.receivers, [equals("alertname", WATCHDOG)], settings)
