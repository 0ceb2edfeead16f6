"""What people did about alerts: callbacks and silences are recorded, and the outcomes counted."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from threading import Event

from exporter.act import group_keys
from exporter.act.alertmanager import Alertmanager, AlertmanagerError
from exporter.act.callbacks import READERS, acknowledge
from exporter.act.outcomes import Outcomes
from exporter.act.record import Record, StoreError
from exporter.act.silences import SilencePoller
from exporter.measure.exposition import Series
from exporter.web.push.answers import RefusedError
from mlslo.actions import Actions

logger = logging.getLogger(__name__)

CALLBACKS = ("acknowledged", "repeated", "unmatched", "other", "refused", "failed")
"""The label ``outcome`` of ml_action_callbacks_total."""


class Feedback:
    """Takes callbacks, polls silences, and counts what came of alerts."""

    def __init__(self, actions: Actions, record: Record) -> None:
        """Raises InputError where a secret cannot be read."""
        self._record = record
        self._outcomes = Outcomes(record)
        self._secrets: dict[str, Path] = {}
        for source, key, name in actions.spec.secrets():
            self._secrets[source] = actions.path.parent / name
            if not _secret(self._secrets[source]):
                raise actions.document.error(
                    ("spec", "callbacks", source, key), f"{name}: no such file, or no secret in it"
                )
        settings = actions.spec.alertmanager
        self._alertmanager = Alertmanager(settings, actions.path.parent) if settings is not None else None
        self._poller = (
            SilencePoller(self._alertmanager, record, settings.interval.seconds)
            if self._alertmanager is not None and settings is not None
            else None
        )
        self._counts = Counter({(source, outcome): 0 for source in self._secrets for outcome in CALLBACKS})

    def run(self, stop: Event) -> None:
        """Poll silences until ``stop`` is set."""
        if self._poller is not None:
            self._poller.run(stop)

    def take(self, source: str, headers: Mapping[str, str], body: bytes) -> tuple[HTTPStatus, str]:
        """Take a callback, and return what to answer. ``headers``: names in lower case."""
        path = self._secrets.get(source)
        if path is None:
            return HTTPStatus.NOT_FOUND, f"No callbacks of {source} are configured."
        try:
            outcome = self._taken(source, headers, body, _secret(path))
            answer = HTTPStatus.OK, "Taken."
        except RefusedError as error:
            outcome, answer = "refused", (error.status, f"Refused: {error}.")
            logger.warning("callback of %s refused: %s", source, error)
        except (AlertmanagerError, StoreError) as error:
            # It is sent again.
            outcome, answer = "failed", (HTTPStatus.SERVICE_UNAVAILABLE, "Not recorded; send again.")
            logger.warning("callback of %s not recorded: %s", source, error)
        self._counts[source, outcome] += 1
        return answer

    def _taken(self, source: str, headers: Mapping[str, str], body: bytes, secret: bytes) -> str:
        """Return what came of a callback. Raises RefusedError, AlertmanagerError, StoreError."""
        if not secret:
            raise StoreError("its secret cannot be read")
        now = time.time()
        told = READERS[source](headers, body, secret, now)
        if told is None:
            return "other"
        alerts = told.fingerprints
        if told.key and self._alertmanager is not None:
            alerts = group_keys.fingerprints(self._alertmanager, told.key)
        outcome = acknowledge(self._record, told, alerts, now)
        fields = {"who": told.who, "fingerprints": ",".join(alerts)}
        logger.info("callback of %s: %s", source, outcome, extra={"fields": fields})
        return outcome

    def series(self) -> Series:
        """Return all counters. Raises StoreError."""
        found: dict[str, Mapping[tuple[str, ...], float]] = {**self._outcomes.series(time.time())}
        if self._counts:
            found["ml_action_callbacks_total"] = {key: float(count) for key, count in self._counts.items()}
        if self._poller is not None:
            found["ml_action_alertmanager_failures_total"] = {(): float(self._poller.failures)}
        return found


def _secret(path: Path) -> bytes:
    """Return what a file holds, each time anew: it may be rotated. Empty where it cannot be read."""
    try:
        return path.read_bytes().strip()
    except OSError:
        return b""
