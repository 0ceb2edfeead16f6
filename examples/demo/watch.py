"""What changed among the alerts, as Prometheus and Alertmanager tell it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from examples.demo.processes import get_json

WATCHDOG = "Watchdog"

_RANKS = {"pending": 1, "firing": 2, "inhibited": 3}


@dataclass(frozen=True)
class Alert:
    """All series of one alert of one SLO. `state` is pending, firing, inhibited, resolved or cleared.

    `cleared` was pending and never fired. `by` names the alerts that inhibit it.
    """

    name: str
    slo: str
    tier: str
    state: str
    summaries: tuple[str, ...]
    by: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.slo


@dataclass
class Watch:
    """Compares what the two servers say now with what they said before."""

    prometheus: str
    alertmanager: str
    _known: dict[tuple[str, str], Alert] = field(default_factory=dict)

    def changes(self) -> Iterator[Alert]:
        """Each alert whose state is another one than at the last call. Raises OSError where a server is silent."""
        current = self._current()
        for key, alert in current.items():
            before = self._known.get(key)
            if before is None or before.state != alert.state:
                yield alert
        for key, before in self._known.items():
            if key not in current:
                over = "cleared" if before.state == "pending" else "resolved"
                yield Alert(before.name, before.slo, before.tier, over, ())
        self._known = current

    def _current(self) -> dict[tuple[str, str], Alert]:
        inhibitors = self._inhibitors()
        series: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for found in get_json(f"{self.prometheus}/api/v1/alerts")["data"]["alerts"]:
            labels = found["labels"]
            if labels["alertname"] != WATCHDOG:
                series.setdefault((labels["alertname"], labels.get("slo", "")), []).append(found)
        return {key: _together(key, found, inhibitors) for key, found in series.items()}

    def _inhibitors(self) -> dict[frozenset[tuple[str, str]], tuple[str, ...]]:
        """The labels of each inhibited alert -> the names of those that inhibit it."""
        known = get_json(f"{self.alertmanager}/api/v2/alerts")
        names = {alert["fingerprint"]: alert["labels"]["alertname"] for alert in known}
        return {
            frozenset(alert["labels"].items()): tuple(
                sorted({names.get(fingerprint, "an alert") for fingerprint in alert["status"]["inhibitedBy"]})
            )
            for alert in known
            if alert["status"]["inhibitedBy"]
        }


def _together(
    key: tuple[str, str],
    found: list[dict[str, Any]],
    inhibitors: Mapping[frozenset[tuple[str, str]], tuple[str, ...]],
) -> Alert:
    states = []
    by: set[str] = set()
    for alert in found:
        inhibited_by = inhibitors.get(frozenset(alert["labels"].items()), ())
        by.update(inhibited_by)
        states.append("inhibited" if inhibited_by and alert["state"] == "firing" else str(alert["state"]))
    firing = [state for state in states if state != "pending"]
    # One series that somebody is told about outweighs others that are held back.
    state = "firing" if "firing" in firing else max(states, key=lambda name: _RANKS[name])
    told = [alert for alert, its in zip(found, states, strict=True) if its == state]
    return Alert(
        name=key[0],
        slo=key[1],
        tier=found[0]["labels"].get("tier", ""),
        state=state,
        summaries=tuple(str(alert["annotations"].get("summary", "")) for alert in told),
        by=tuple(sorted(by)) if state == "inhibited" else (),
    )
