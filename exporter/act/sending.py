"""One call: a request that is sent once, within its time, and whose outcome is known or said to be unknown."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from socket import gaierror
from threading import Thread
from typing import Any

from exporter.web.delivery import beginning, opener, shown_url
from mlslo.actions import Authorized, KubernetesCall
from mlslo.version import VERSION


class CallError(Exception):
    """A call that did not succeed. ``unknown``: it may have been taken all the same."""

    def __init__(self, text: str, *, unknown: bool = False) -> None:
        super().__init__(text)
        self.unknown = unknown


@dataclass(frozen=True)
class Call:
    """A request. ``body``: sent as JSON. ``created_once``: 409 says that an earlier attempt has created it."""

    method: str
    url: str
    settings: Authorized | KubernetesCall
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    created_once: bool = False

    @property
    def shown(self) -> dict[str, Any]:
        """The call as it is recorded, and as people approve it: without credentials."""
        return {"method": self.method, "url": shown_url(self.url), "body": self.body}


def send(call: Call, folder: Path, key: str) -> str:
    """Send a call and return what was answered. ``folder``: of secrets and certificates. Raises CallError."""
    request, client = prepared(call, folder, key)
    seconds = call.settings.timeout.seconds
    found: list[str | CallError] = []
    # The time-out of a connection is for each piece of the answer.
    thread = Thread(target=lambda: found.append(_attempt(client, request, call)), daemon=True, name="call")
    thread.start()
    thread.join(seconds + 1)
    answer = found[0] if found else CallError(f"no answer within {seconds:g} s", unknown=True)
    if isinstance(answer, CallError):
        raise answer
    return answer


def _attempt(
    client: urllib.request.OpenerDirector, request: urllib.request.Request, call: Call
) -> str | CallError:
    try:
        with closing(client.open(request, timeout=call.settings.timeout.seconds)) as answer:
            return f"answered {answer.status}"
    except urllib.error.HTTPError as error:
        with closing(error):
            if error.code == HTTPStatus.CONFLICT and call.created_once:
                return "answered 409: an earlier attempt has created it"
            text = " ".join(beginning(error).split()) or error.reason
            if 300 <= error.code < 400:
                text = "a redirect, which is not followed"
            # A proxy that gave up may have passed it on.
            return CallError(f"answered {error.code}: {text}", unknown=error.code in (502, 504))
    except urllib.error.URLError as error:
        # Before the request was sent, or while it was.
        unsent = isinstance(error.reason, (ConnectionRefusedError, ssl.SSLCertVerificationError, gaierror))
        return CallError(f"not reached: {error.reason}", unknown=not unsent)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return CallError(f"no answer: {error or type(error).__name__}", unknown=True)


def prepared(
    call: Call, folder: Path, key: str
) -> tuple[urllib.request.Request, urllib.request.OpenerDirector]:
    """Return the request of a call, with its secrets, and the client that sends it. Raises CallError."""
    settings = call.settings
    headers = {"User-Agent": f"mlslo-exporter/{VERSION}", "Idempotency-Key": key, **call.headers}
    if settings.tokenFile is not None:
        headers["Authorization"] = f"Bearer {_secret(folder / settings.tokenFile)}"
    elif isinstance(settings, Authorized) and settings.username is not None:
        password = _secret(folder / (settings.passwordFile or ""))
        user = base64.b64encode(f"{settings.username}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {user}"
    body = None
    if call.body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(call.body).encode()
    context = None
    if settings.caFile is not None and call.url.startswith("https:"):
        try:
            context = ssl.create_default_context(cafile=folder / settings.caFile)
        except OSError as error:
            raise CallError(
                f"{folder / settings.caFile}: cannot be used: {error.strerror or error}"
            ) from None
    return urllib.request.Request(call.url, body, headers, method=call.method), opener(context)


def _secret(path: Path) -> str:
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise CallError(f"{path}: cannot be read: {reason}") from None
    if not found or not (found.isascii() and found.isprintable()):
        raise CallError(f"{path}: expected one line of ASCII text")
    return found
