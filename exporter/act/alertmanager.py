"""Alertmanager's API, version 2: what is silenced, and in which groups alerts are.

https://github.com/prometheus/alertmanager/blob/v0.25.0/api/v2/openapi.yaml
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_TIMEOUT = 10.0
_MOST_BYTES = 24 << 20


class AlertmanagerError(Exception):
    """Alertmanager was not reached, or answers something else; one line."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Refuse: it might lead the token elsewhere."""


class Alertmanager:
    """The Alertmanager at ``url``. ``token_file``: a bearer token, read before each request."""

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._opener = urllib.request.build_opener(_NoRedirect())

    def ask(self, path: str) -> Any:
        """Return the JSON of a GET of ``/api/v2/`` and ``path``. Raises AlertmanagerError within seconds."""
        try:
            token = self._token_file.read_text().strip() if self._token_file else None
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            request = urllib.request.Request(f"{self._url}/api/v2/{path}", headers=headers)
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                return json.loads(answer.read(_MOST_BYTES))
        except urllib.error.HTTPError as error:
            error.close()
            raise AlertmanagerError(f"{self._url}: answered {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", None) or error or type(error).__name__
            raise AlertmanagerError(f"{self._url}: not reached: {cause}") from None
        except ValueError:
            raise AlertmanagerError(f"{self._url}: this does not answer as an Alertmanager does") from None
