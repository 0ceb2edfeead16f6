"""Outcomes of alert episodes: acted on, acknowledged, silenced or ignored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from exporter.act.record import Entry, Record
from exporter.measure.exposition import Series

OUTCOMES = ("acted", "acknowledged", "silenced", "ignored")
"""The first that is true of an episode is its outcome."""

LONGEST = 86_400.0
"""Seconds after which the outcome of an episode that goes on is final."""

# Whoever may send alerts does not choose how large /metrics is; the first that were heard of keep their series.
_MOST_ALERTS, _LONGEST_LABEL = 1000, 200
# Seconds that are read again: clocks are set back.
_AGAIN = 3600.0
_OF_KINDS = {
    "acted": "acted", "approved": "acknowledged", "acknowledged": "acknowledged", "silenced": "silenced",
}  # fmt: skip


@dataclass
class Episode:
    """One (fingerprint, startsAt) of an alert. ``started``, ``heard`` (of it for the first time): Unix seconds.

    ``outcome``: the best so far of what was done while it went on, for a day at most.
    """

    alert: str
    model: str
    fingerprint: str
    started: float
    heard: float
    outcome: str = "ignored"
    ended: bool = False

    def entry(self, time: float, kind: str, who: str, detail: str) -> Entry:
        """Return an entry of it, to append."""
        return Entry(time, kind, self.alert, self.model, self.fingerprint, self.started, who, detail=detail)

    def take(self, entry: Entry) -> None:
        """Take in an entry of its own. What comes after its end or after a day changes nothing: it was counted."""
        if entry.time <= self.heard or self.is_final(entry.time):
            return
        if entry.kind == "resolved":
            self.ended = True
        else:
            self.outcome = min(self.outcome, _OF_KINDS.get(entry.kind, "ignored"), key=OUTCOMES.index)

    def is_final(self, now: float) -> bool:
        """Return whether nothing can change its outcome any more: "acted" is the best that there is."""
        return self.ended or self.outcome == OUTCOMES[0] or now >= self.heard + LONGEST


Episodes = dict[tuple[str, float], Episode]


def episodes(entries: Iterable[Entry], known: Episodes | None = None) -> Episodes:
    """Return all episodes by fingerprint and startsAt, in the order in which they were heard of.

    ``known``: of entries before, which is added to; an entry may be among those again.
    """
    found: Episodes = {} if known is None else known
    for entry in entries:
        key = entry.fingerprint, entry.started
        if key in found:
            found[key].take(entry)
        elif entry.kind == "firing":
            found[key] = Episode(entry.alert, entry.model, *key, entry.time)
    return found


def open_episode(record: Record, fingerprint: str) -> Episode | None:
    """Return the newest episode of an alert that has not ended; None where there is none. Raises StoreError."""
    ended = {one.started for one in record.entries(fingerprint=fingerprint, kind="resolved")}
    own = episodes(record.entries(fingerprint=fingerprint)).values()
    return max((one for one in own if one.started not in ended), key=lambda one: one.started, default=None)


class Outcomes:
    """Counters of the outcomes in a record, which is read on from where it was read before. Threads may share it."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._episodes: Episodes = {}
        self._since = 0.0
        self._lock = Lock()

    def series(self, now: float) -> Series:
        """Return the counters of all alerts. An alert's outcomes begin at 0, so that a rate sees the first one.

        Each is only counted once nothing can change it: the counters never fall. Raises StoreError.
        """
        began: Counter[tuple[str, ...]] = Counter()
        outcomes: Counter[tuple[str, ...]] = Counter()
        with self._lock:
            episodes(self._record.entries(self._since), self._episodes)
            self._since = now - _AGAIN
            for one in self._episodes.values():
                alert = one.model[:_LONGEST_LABEL], one.alert[:_LONGEST_LABEL]
                if alert not in began and len(began) >= _MOST_ALERTS:
                    alert = "", "other"
                began[alert] += 1
                if one.is_final(now):
                    outcomes[*alert, one.outcome] += 1
        alerts = sorted(began)
        return {
            "ml_alert_episodes_total": {alert: float(began[alert]) for alert in alerts},
            "ml_alert_actions_total": {
                (*alert, outcome): float(outcomes[*alert, outcome])
                for alert in alerts
                for outcome in OUTCOMES
            },
        }
