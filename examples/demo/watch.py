"""Changes among the alerts, as Prometheus and Alertmanager report them."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from examples.demo.processes import get_json

WATCHDOG, NO_DATA = "Watchdog", "SLONoData"

_WORTH_TELLING = 1.0
_RANKS = {"pending": 1, "firing": 2, "inhibited": 3}


Key = tuple[str, str]


@dataclass(frozen=True)
class Alert:
    """All series of one alert of one SLO; of the no-data companions, those of all SLOs.

    `state` is pending, firing, inhibited, resolved or cleared, which was pending and never fired.
    `by` names the alerts that inhibit it; `again`: one did until now.
    """

    name: str
    slo: str
    tier: str
    state: str
    summaries: tuple[str, ...]
    by: tuple[str, ...] = ()
    again: bool = False


@dataclass
class Watch:
    """Compares what the two servers say now with what was last told of them."""

    prometheus: str
    alertmanager: str
    _told: dict[Key, Alert] = field(default_factory=dict)
    _pending_since: dict[Key, float] = field(default_factory=dict)

    def changes(self) -> Iterator[Alert]:
        """Each alert whose state is another one than last told. Raises OSError where a server is silent.

        What is pending for less than a second is not told.
        """
        current, now = self._current(), time.monotonic()
        self._pending_since = {
            key: self._pending_since.get(key, now)
            for key, alert in current.items()
            if alert.state == "pending"
        }
        for key, alert in current.items():
            before = self._told.get(key)
            if now - self._pending_since.get(key, 0.0) < _WORTH_TELLING:
                continue
            if before is None or before.state != alert.state:
                self._told[key] = alert
                held = before is not None and before.state == "inhibited"
                yield replace(alert, again=held and alert.state == "firing")
        for key in [key for key in self._told if key not in current]:
            before = self._told.pop(key)
            over = "cleared" if before.state == "pending" else "resolved"
            yield replace(before, state=over, summaries=(), by=())

    def _current(self) -> dict[Key, Alert]:
        inhibitors = self._inhibitors()
        series: dict[Key, list[dict[str, Any]]] = {}
        for found in get_json(f"{self.prometheus}/api/v1/alerts")["data"]["alerts"]:
            labels = found["labels"]
            if labels["alertname"] != WATCHDOG:
                slo = "" if labels["alertname"] == NO_DATA else labels.get("slo", "")
                series.setdefault((labels["alertname"], slo), []).append(found)
        return {key: _together(key, found, inhibitors) for key, found in series.items()}

    def _inhibitors(self) -> dict[frozenset[tuple[str, str]], tuple[str, ...]]:
        """The labels of each inhibited alert -> the names of those that inhibit it."""
        known = get_json(f"{self.alertmanager}/api/v2/alerts")
        names = {
            alert["fingerprint"]: f"{alert['labels'].get('slo', '')} {alert['labels']['alertname']}".lstrip()
            for alert in known
        }
        return {
            frozenset(alert["labels"].items()): tuple(
                sorted({names.get(fingerprint, "an alert") for fingerprint in alert["status"]["inhibitedBy"]})
            )
            for alert in known
            if alert["status"]["inhibitedBy"]
        }


def _together(
    key: Key,
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
        summaries=tuple(_summary(alert) for alert in told),
        by=tuple(sorted(by)) if state == "inhibited" else (),
    )


def _summary(alert: Mapping[str, Any]) -> str:
    labels = alert["labels"]
    text = str(alert["annotations"].get("summary", ""))
    return text.removeprefix(f"{labels.get('model')} {labels.get('slo')}: ")
