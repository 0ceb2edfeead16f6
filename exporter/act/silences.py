"""Silences: who silenced an alert while it went on, as Alertmanager says."""

from __future__ import annotations

import json
import logging
import time
from threading import Event

from exporter.act.alertmanager import Alertmanager, AlertmanagerError
from exporter.act.outcomes import open_episode
from exporter.act.record import Record, StoreError

logger = logging.getLogger(__name__)

_SILENCED = "alerts?active=false&inhibited=false&silenced=true"


def record_silences(alertmanager: Alertmanager, record: Record, now: float) -> int:
    """Record who silenced episodes that go on, and return how many entries are new.

    Raises AlertmanagerError and StoreError.
    """
    new = 0
    try:
        silences = {one["id"]: one for one in alertmanager.ask("silences")}
        for alert in alertmanager.ask(_SILENCED):
            episode = open_episode(record, alert["fingerprint"])
            if episode is None:
                continue
            for silence in [silences[one] for one in alert["status"]["silencedBy"] if one in silences]:
                detail = json.dumps({"silence": silence["id"], "comment": silence["comment"]})
                new += record.append(episode.entry(now, "silenced", silence["createdBy"], detail))
    except (KeyError, TypeError) as error:
        raise AlertmanagerError(f"its list of silences has no {error}") from None
    return new


class SilencePoller:
    """Asks Alertmanager every ``interval`` seconds. ``failures``: how often that failed."""

    def __init__(self, alertmanager: Alertmanager, record: Record, interval: float) -> None:
        self.failures = 0
        self._alertmanager = alertmanager
        self._record = record
        self._interval = interval
        self._said = ""

    def poll(self) -> None:
        """Ask once. A failure is counted, and logged where it is another than the last."""
        said = ""
        try:
            record_silences(self._alertmanager, self._record, time.time())
        except (AlertmanagerError, StoreError) as error:
            self.failures += 1
            said = str(error)
            if said != self._said:
                logger.warning("silences not read: %s", said)
        self._said = said

    def run(self, stop: Event) -> None:
        """Poll until ``stop`` is set."""
        while not stop.is_set():
            self.poll()
            stop.wait(self._interval)
