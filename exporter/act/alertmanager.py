"""Alertmanager's API, version 2: what is silenced, and in which groups alerts are.

https://github.com/prometheus/alertmanager/blob/v0.25.0/api/v2/openapi.yaml
"""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from exporter.act.calls.call import Call, CallError, prepared
from mlslo.actions import AlertmanagerApi

_MOST_BYTES = 24 << 20


class AlertmanagerError(Exception):
    """Alertmanager was not reached, or answers something else; one line."""


class Alertmanager:
    """An Alertmanager that is only read. ``folder``: of secrets and certificates."""

    def __init__(self, settings: AlertmanagerApi, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    def ask(self, path: str) -> Any:
        """Return the JSON of a GET of ``/api/v2/`` and ``path``. Raises AlertmanagerError within seconds."""
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
