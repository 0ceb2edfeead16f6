"""A fleet of exporters over HTTP: found by address or DNS, asked for what they have counted."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from exporter.daemon.fleet_cycle import MOST_EXPORTERS, AskError
from exporter.state import sent
from exporter.state.portable_bytes import PortableError
from exporter.state.sent import Asked, Sent
from exporter.web.delivery import client, is_url, shown_url
from mlslo.version import VERSION

TIMEOUT = 10.0
"""Seconds for one page."""

_MOST_BYTES = 64 << 20
_PART = 1 << 20
_LONGEST_ANSWER = 300
_ADVICE = {
    401: "; give the exporter's password or token by --http.config.file",
    404: "; expected http://HOST:PORT of an exporter that runs the model '{model}'",
}


class HTTPFleet:
    """Exporters at ``urls`` and behind ``names`` (``dns://NAME:PORT``)."""

    def __init__(
        self,
        urls: Sequence[str],
        names: Sequence[str],
        http_config: Path | None = None,
        *,
        secure: bool = False,
    ) -> None:
        """``secure``: those that are found by name speak TLS. Raises InputError where the configuration is wrong."""
        self._urls = [url.rstrip("/") for url in urls]
        self._names = list(names)
        self._scheme = "https" if secure else "http"
        self._headers, self._opener = client(http_config)

    def instances(self) -> list[str]:
        """Return the addresses of all exporters, each once. Raises AskError where a name cannot be resolved."""
        found = dict.fromkeys(self._urls)
        for name in self._names:
            for host, port in _resolved(name):
                shown = f"[{host}]" if ":" in host else host
                found[f"{self._scheme}://{shown}:{port}"] = None
        if len(found) > MOST_EXPORTERS:
            raise AskError("refused", f"{len(found)} exporters; expected at most {MOST_EXPORTERS}")
        return list(found)

    def ask(
        self, instance: str, model: str, asked: Asked, tag: str, timeout: float | None
    ) -> tuple[Sent, str] | None:
        """Return a page and its tag; None where nothing has changed since ``tag``. Raises AskError."""
        url = f"{instance}/summaries/{quote(model, safe='')}"
        if query := urlencode({key: value for key, value in asked._asdict().items() if value}):
            url = f"{url}?{query}"
        headers = {**self._headers, "User-Agent": f"mlslo-exporter/{VERSION}"}
        if tag:
            headers["If-None-Match"] = tag
        until = time.monotonic() + (timeout or TIMEOUT)
        try:
            request = urllib.request.Request(url, headers=headers)
            with closing(self._opener.open(request, timeout=timeout or TIMEOUT)) as answer:
                return sent.read(_content(answer, until)), answer.headers.get("ETag", "")
        except urllib.error.HTTPError as error:
            with closing(error):
                if error.code == http.HTTPStatus.NOT_MODIFIED:
                    return None
                busy = error.code >= 500 or error.code == http.HTTPStatus.TOO_MANY_REQUESTS
                text = error.read(_LONGEST_ANSWER).decode(errors="replace").strip().partition("\n")[0]
                reason = f"answered {error.code}: {text if text.isprintable() else error.reason}"
                advice = _ADVICE.get(error.code, "").format(model=model)
                raise AskError("unreachable" if busy else "refused", reason + advice) from None
        except PortableError as error:
            raise AskError("damaged", str(error)) from None
        except urllib.error.URLError as error:
            raise AskError("unreachable", _reason(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            raise AskError("unreachable", _reason(error)) from None


def _reason(error: object) -> str:
    """Return what kept an exporter from being reached, and what to do where that is not plain."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"{error.verify_message}; give ca_file or server_name in tls_config of --http.config.file"
        case ssl.SSLError():
            return f"no TLS there ({error.reason}); ask over http, or serve TLS by the exporter's --web.config.file"
        case OSError(strerror=str(text)):
            return text
    return str(error) or type(error).__name__


def _content(answer: http.client.HTTPResponse, until: float) -> bytes:
    parts, size = [], 0
    while part := answer.read1(_PART):
        parts.append(part)
        size += len(part)
        if size > _MOST_BYTES:
            raise AskError("damaged", f"sent more than {_MOST_BYTES} bytes")
        if time.monotonic() > until:
            raise AskError("unreachable", "sends too slowly")
    return b"".join(parts)


def is_name(text: str) -> bool:
    """Return True for ``dns://NAME:PORT``."""
    try:
        parts = urlsplit(text)
        plain = not (parts.path or parts.query or parts.fragment) and "@" not in parts.netloc
        return parts.scheme == "dns" and plain and bool(parts.port) and is_url(f"http://{parts.netloc}")
    except ValueError:
        return False


def _resolved(name: str) -> list[tuple[str, int]]:
    """Return host and port of each exporter behind a name, in a stable order. Raises AskError."""
    parts = urlsplit(name)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AskError("unreachable", f"{shown_url(name)}: {error.strerror or error}") from None
    return sorted({(str(address[0]), int(address[1])) for *_, address in found})
