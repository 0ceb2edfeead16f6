"""Requests to the HTTP API of a server that holds logs: bounded in time and size, with the user's credentials."""

from __future__ import annotations

import base64
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing

from exporter.sinks.sink import SinkError
from mlslo.monitor import Credentials, Monitor, Tls
from mlslo.version import VERSION

LARGEST_ANSWER = 24 << 20
_LONGEST_ATTEMPT, _LONGEST = 15.0, 30.0
_FIRST_PAUSE = 0.5
_AGAIN = frozenset({429, 502, 503, 504})
_LONGEST_REFUSAL = 300
_PIECE = 1 << 18


class TooLargeError(Exception):
    """An answer of more than ``LARGEST_ANSWER`` bytes: less must be asked for."""


class HttpApi:
    """One server. Secrets and certificates are read when it is made, so that new ones are used by the next read.

    A redirect is refused: it might lead the credentials elsewhere. ``headers``: sent with each request.
    """

    def __init__(
        self,
        url: str,
        monitor: Monitor,
        tls: Tls | None,
        credentials: Credentials | None,
        headers: Mapping[str, str],
    ) -> None:
        """Raises SinkError where a file cannot be read."""
        self._url = url.rstrip("/")
        self._headers = {"User-Agent": f"mlslo-exporter/{VERSION}", "Accept": "application/json", **headers}
        if credentials is not None:
            self._headers["Authorization"] = _authorization(monitor, credentials)
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if tls is not None:
            handlers.append(urllib.request.HTTPSHandler(context=_context(monitor, tls)))
        self._opener = urllib.request.build_opener(*handlers)

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """Return the answer to a GET, or to a POST of a JSON ``body``; tries again where the server is busy.

        Raises SinkError within half a minute or so, and TooLargeError.
        """
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        until, pause = time.monotonic() + _LONGEST, _FIRST_PAUSE
        while True:
            request = urllib.request.Request(self._url + path, body, dict(headers))
            try:
                left = max(1.0, until - time.monotonic())
                with closing(self._opener.open(request, timeout=min(_LONGEST_ATTEMPT, left))) as answer:
                    return self._read(answer, until)
            except urllib.error.HTTPError as error:
                with closing(error):
                    reason = f"{self._url}: answered {error.code}: {_beginning(error) or error.reason}"
                    after = error.headers.get("Retry-After", "")
                wait = max(pause, float(after) if after.isdecimal() else 0.0)
                if error.code not in _AGAIN or time.monotonic() + wait > until:
                    raise SinkError(reason) from None
            except (OSError, http.client.HTTPException) as error:
                cause = getattr(error, "reason", None) or error or type(error).__name__
                raise SinkError(f"{self._url}: not reached: {cause}") from None
            time.sleep(wait)
            pause *= 2

    def _read(self, answer: http.client.HTTPResponse, until: float) -> bytes:
        content = bytearray()
        # In pieces: the time-out of a connection is for each of them.
        while piece := answer.read1(_PIECE):
            content += piece
            if len(content) > LARGEST_ANSWER:
                raise TooLargeError
            if time.monotonic() > until:
                raise SinkError(f"{self._url}: the answer takes more than {_LONGEST:g} s")
        if answer.length:
            raise SinkError(f"{self._url}: the answer ended early, {answer.length} bytes are missing")
        return bytes(content)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def secret(monitor: Monitor, name: str) -> str:
    """Return the one line of a secret's file. Raises SinkError."""
    path = monitor.resolve(name)
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise SinkError(f"{path}: cannot be read: {reason}") from None
    if not found or not (found.isascii() and found.isprintable()):
        raise SinkError(f"{path}: expected one line of ASCII text")
    return found


def _authorization(monitor: Monitor, credentials: Credentials) -> str:
    if credentials.tokenFile is not None:
        return f"Bearer {secret(monitor, credentials.tokenFile)}"
    password = secret(monitor, credentials.passwordFile or "")
    return "Basic " + base64.b64encode(f"{credentials.username}:{password}".encode()).decode()


def _context(monitor: Monitor, tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=monitor.resolve(tls.caFile) if tls.caFile else None)
        if tls.certFile is not None and tls.keyFile is not None:
            context.load_cert_chain(monitor.resolve(tls.certFile), monitor.resolve(tls.keyFile), password="")
    except OSError as error:
        raise SinkError(f"tls: certificates cannot be used: {error}") from None
    return context


def _beginning(answer: urllib.error.HTTPError) -> str:
    """Return the beginning of a refusal's text, on one line; nothing where its server does not come to it."""
    try:
        return " ".join(answer.read(_LONGEST_REFUSAL).decode(errors="replace").split())
    except (OSError, http.client.HTTPException):
        return ""
