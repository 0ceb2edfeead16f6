"""Silences: who silenced an alert while it went on, as Alertmanager's API says.

https://github.com/prometheus/alertmanager/blob/v0.25.0/api/v2/openapi.yaml
"""

from __future__ import annotations

import http.client
import json
import logging
import time
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

from exporter.act.outcomes import Counters, going_on
from exporter.act.record import Record, StoreError
from exporter.act.sending import Call, CallError, prepared
from mlslo.actions import AlertmanagerApi

logger = logging.getLogger(__name__)

_SILENCED = "alerts?active=false&inhibited=false&silenced=true"
_MOST_BYTES = 24 << 20
_FAILURES = "ml_action_alertmanager_failures_total"


class AlertmanagerError(Exception):
    """Alertmanager was not reached, or answers something else; one line."""


class Silences:
    """Records the silences of an Alertmanager. ``folder``: of secrets and certificates."""

    def __init__(self, settings: AlertmanagerApi, folder: Path, record: Record, counters: Counters) -> None:
        self._settings, self._folder, self._record, self._counters = settings, folder, record, counters
        self._said = ""
        counters.add(_FAILURES, number=0)

    def run(self, stop: Event) -> None:
        """Poll until ``stop`` is set."""
        while not stop.is_set():
            self.poll()
            stop.wait(self._settings.interval.seconds)

    def poll(self) -> None:
        """Ask once. A failure is counted, and logged where it is another than the last."""
        said = ""
        try:
            self.update(time.time())
        except (AlertmanagerError, StoreError) as error:
            self._counters.add(_FAILURES)
            said = str(error)
            if said != self._said:
                logger.warning("silences not read: %s", said)
        self._said = said

    def update(self, now: float) -> int:
        """Record who silenced episodes that go on, and return how many entries are new.

        Raises AlertmanagerError and StoreError.
        """
        new = 0
        try:
            silences = {one["id"]: one for one in self._ask("silences")}
            for alert in self._ask(_SILENCED):
                begun = going_on(self._record, alert["fingerprint"])
                if begun is None:
                    continue
                for silence in [silences[one] for one in alert["status"]["silencedBy"] if one in silences]:
                    detail = json.dumps({"silence": silence["id"], "comment": silence["comment"]})
                    who = silence["createdBy"]
                    new += self._record.append(
                        begun._replace(time=now, kind="silenced", who=who, detail=detail)
                    )
        except (KeyError, TypeError) as error:
            raise AlertmanagerError(f"its list of silences has no {error}") from None
        return new

    def _ask(self, path: str) -> Any:
        url = self._settings.url.rstrip("/")
        try:
            request, client = prepared(Call("GET", f"{url}/api/v2/{path}", self._settings), self._folder, "")
            with closing(client.open(request, timeout=self._settings.timeout.seconds)) as answer:
                return json.loads(answer.read(_MOST_BYTES))
        except CallError as error:
            raise AlertmanagerError(str(error)) from None
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", None) or error or type(error).__name__
            raise AlertmanagerError(f"{url}: not read: {cause}") from None
        except ValueError:
            raise AlertmanagerError(f"{url}: this does not answer as an Alertmanager does") from None
