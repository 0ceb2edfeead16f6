"""Counters of decisions, and of what came of alert episodes: acted on, acknowledged, silenced or ignored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from threading import Lock

from exporter.act.record import Counts, Entry, Record
from exporter.measure.exposition import Series

DECISIONS = ("acted", "dry_run", "failed", "refused", "waiting", "approved", "expired")
"""Kinds of entries that are decisions about an action: the label ``outcome`` of ml_actions_total."""

OUTCOMES = ("acted", "acknowledged", "silenced", "ignored")
"""The first that is true of an episode is its outcome: the label ``outcome`` of ml_alert_actions_total."""

LONGEST = 86_400.0
"""Seconds after which the outcome of an episode that goes on is final."""

KEPT = 400 * 86_400.0
"""Seconds after which an episode is forgotten, by the next start, and its counts are kept."""

# Whoever may send alerts does not choose how large /metrics is; the first that were heard of keep their series.
_MOST_ALERTS, _LONGEST_LABEL = 1000, 200
_EPISODES = "ml_alert_episodes_total"
_OF_KINDS = {
    "acted": "acted", "approved": "acknowledged", "acknowledged": "acknowledged", "silenced": "silenced",
}  # fmt: skip


@dataclass
class _Episode:
    """``outcome``: the best so far of what was done while it went on. ``until``: Unix seconds; final from then on."""

    alert: tuple[str, str]
    until: float
    outcome: str = "ignored"


class _Tally:
    """Counts of entries, which are taken one after another in the order of the record."""

    def __init__(self, counts: Counts) -> None:
        self.counts = Counter(counts)
        self._alerts = {tuple(labels) for metric, *labels in counts if metric == _EPISODES}
        self._open: dict[tuple[str, float], _Episode] = {}

    def after(self, entries: Iterable[Entry], now: float) -> Counts:
        """Return the counts once ``entries`` are taken, and all that is final by ``now`` is counted."""
        for entry in entries:
            self._take(entry)
        for key in [key for key, one in self._open.items() if now >= one.until]:
            self._close(key)
        return self.counts

    def _take(self, entry: Entry) -> None:
        if entry.action and entry.kind in DECISIONS:
            self.counts["ml_actions_total", entry.action, entry.kind] += 1
        key = entry.fingerprint, entry.started
        if entry.kind == "firing":
            alert = entry.model[:_LONGEST_LABEL], entry.alert[:_LONGEST_LABEL]
            if alert not in self._alerts and len(self._alerts) >= _MOST_ALERTS:
                alert = "", "other"
            self._alerts.add(alert)
            self._open[key] = _Episode(alert, entry.time + LONGEST)
            self.counts[_EPISODES, *alert] += 1
            # They begin at 0, so that a rate sees the first one.
            self.counts.update({("ml_alert_actions_total", *alert, outcome): 0 for outcome in OUTCOMES})
        elif (episode := self._open.get(key)) is not None and entry.time < episode.until:
            # What comes after its end or after a day changes nothing: it was counted.
            if entry.kind in _OF_KINDS:
                episode.outcome = min(episode.outcome, _OF_KINDS[entry.kind], key=OUTCOMES.index)
            if entry.kind == "resolved" or episode.outcome == OUTCOMES[0]:
                self._close(key)

    def _close(self, key: tuple[str, float]) -> None:
        episode = self._open.pop(key)
        self.counts["ml_alert_actions_total", *episode.alert, episode.outcome] += 1


class Counters:
    """All counters. Those of the record, which is read on from where it was read before, never fall.

    Threads may share it.
    """

    def __init__(self, record: Record, actions: Sequence[str], now: float) -> None:
        """Forget what is old, and read the rest. ``actions``: names, whose counters begin at 0. Raises StoreError."""
        record.forget(now - KEPT, lambda entries: _Tally(record.forgotten()).after(entries, now))
        self._tally = _Tally(record.forgotten())
        self._record, self._last, self._lock = record, 0, Lock()
        for name, decision in product(actions, DECISIONS):
            self.add("ml_actions_total", name, decision, number=0)
        self.series(now)

    def add(self, metric: str, *labels: str, number: int = 1) -> None:
        """Count what is not recorded, from the start of the program on."""
        with self._lock:
            self._tally.counts[metric, *labels] += number

    def series(self, now: float) -> Series:
        """Return all of them. Raises StoreError."""
        found: dict[str, dict[tuple[str, ...], float]] = {}
        with self._lock:
            self._last, entries = self._record.appended(self._last)
            for (metric, *labels), number in sorted(self._tally.after(entries, now).items()):
                found.setdefault(metric, {})[tuple(labels)] = float(number)
        return found


def going_on(record: Record, fingerprint: str) -> Entry | None:
    """Return the entry by which the newest episode of an alert began that has not ended. Raises StoreError."""
    ended = {one.started for one in record.entries(fingerprint=fingerprint, kind="resolved")}
    begun = record.entries(fingerprint=fingerprint, kind="firing")
    return max((one for one in begun if one.started not in ended), key=lambda one: one.started, default=None)
