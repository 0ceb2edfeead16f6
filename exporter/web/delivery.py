"""Gauges delivered by a batch job: to a Pushgateway or by remote write, with retries and within a time."""

from __future__ import annotations

import base64
import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from exporter.measure.exposition import Series, Snapshot
from mlslo.version import VERSION
from mlslo.yamlfile import Document, StrictModel, read, validate

_LONGEST_ATTEMPT = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_AGAIN = frozenset({408, 425, 429})
_LONGEST_ANSWER = 300
_SENT = re.compile(r"[!-~]+")


class DeliveryError(Exception):
    """Gauges that could not be delivered, with the reason in one line."""


class Target(Protocol):
    """Receiver of gauges."""

    @property
    def url(self) -> str:
        """The address, as messages show it."""

    def deliver(self, snapshot: Snapshot) -> int:
        """Deliver the gauges of one model, and return the number of series. Raises DeliveryError."""

    def deliver_own(self, process: Series) -> int:
        """Deliver the exporter's own gauges, where that makes sense, and return how many. Raises DeliveryError."""


class BasicAuth(StrictModel):
    """A user, and the file of the password."""

    username: str = Field(min_length=1)
    password: str | None = None
    password_file: str | None = Field(None, min_length=1)


class Authorization(StrictModel):
    """A token in a file."""

    type: str = Field("Bearer", pattern=r"^[A-Za-z][A-Za-z0-9-]*$")
    credentials: str | None = None
    credentials_file: str | None = Field(None, min_length=1)


class ClientTLS(StrictModel):
    """Whom to trust, and the client's own certificate. ``server_name``: in the certificate of whatever is asked."""

    ca_file: str | None = Field(None, min_length=1)
    cert_file: str | None = Field(None, min_length=1)
    key_file: str | None = Field(None, min_length=1)
    server_name: str | None = Field(None, min_length=1)


class _NamedContext(ssl.SSLContext):
    """Expects ``server_name`` in a certificate: those that are found by DNS are asked by address."""

    server_name: str | None = None

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Return the socket in TLS."""
        if self.server_name is not None:
            options["server_hostname"] = self.server_name
        return super().wrap_socket(*args, **options)


class HTTPConfig(StrictModel):
    """Client settings of deliveries: the part of Prometheus' ``http_config`` that is taken."""

    confidential: ClassVar[bool] = True
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    tls_config: ClientTLS | None = None

    @model_validator(mode="after")
    def _authorized_in_one_way(self) -> HTTPConfig:
        if self.basic_auth is not None and self.authorization is not None:
            raise ValueError("expected one of basic_auth and authorization, got both")
        return self


class Sender:
    """Sends requests, again where that may help.

    ``timeout``: seconds for all that is sent, from the first request on. ``stopping``: set where no attempt is worth
    waiting for any more.
    """

    def __init__(
        self,
        timeout: float,
        stopping: Event | None = None,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout = timeout
        self._until: float | None = None
        self._stopping = stopping or Event()
        self._headers = dict(headers or {})
        self._opener = opener(context)

    def send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a request until it is taken. Raises DeliveryError where it is refused, or the time is over."""
        if self._until is None:
            self._until = time.monotonic() + self._timeout
        pause, attempts = _FIRST_PAUSE, 0
        while True:
            left = max(1.0, self._until - time.monotonic())
            attempts += 1
            reason, wait = self._attempt(method, url, body, headers, min(_LONGEST_ATTEMPT, left))
            if reason is None:
                return
            if wait is None:
                raise DeliveryError(f"{shown_url(url)}: {reason}")
            wait = max(pause, wait)
            if self._until - time.monotonic() < wait or self._stopping.wait(wait):
                raise DeliveryError(
                    f"{shown_url(url)}: {reason} (attempts: {attempts}, within {self._timeout:g} s)"
                )
            pause = min(_LONGEST_PAUSE, 2 * pause)

    def _attempt(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> tuple[str | None, float | None]:
        """Return what was wrong, and how many seconds to wait at least before the next attempt (None: never)."""
        sent = {"User-Agent": f"mlslo-exporter/{VERSION}", **self._headers, **headers}
        request = urllib.request.Request(url, body, sent, method=method)
        try:
            with closing(self._opener.open(request, timeout=timeout)):
                return None, None
        except urllib.error.HTTPError as error:
            with closing(error):
                text = beginning(error)
                reason = f"answered {error.code}: {text.splitlines()[0] if text else error.reason}"
                if error.code in _AGAIN or error.code >= 500:
                    after = error.headers.get("Retry-After", "")
                    return reason, float(after) if after.isdecimal() else 0.0
                return reason, None
        except urllib.error.URLError as error:
            certificate = isinstance(error.reason, ssl.SSLCertVerificationError)
            return f"not reached: {error.reason}", None if certificate else 0.0
        except (OSError, http.client.HTTPException) as error:
            return f"not reached: {error or type(error).__name__}", 0.0


def beginning(answer: urllib.error.HTTPError) -> str:
    """Return the beginning of a refusal's text; nothing where its server does not come to it."""
    try:
        return answer.read(_LONGEST_ANSWER).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException):
        return ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A push would become a GET elsewhere, with the password."""

    def redirect_request(self, *_: object) -> None:
        return None


def sender(config: Path | None, timeout: float, stopping: Event) -> Sender:
    """Return a sender as an HTTP configuration file says. Raises InputError."""
    return Sender(timeout, stopping, *_configured(config))


def client(config: Path | None) -> tuple[dict[str, str], urllib.request.OpenerDirector]:
    """Return headers and an opener for requests, as an HTTP configuration file says. Raises InputError."""
    headers, context = _configured(config)
    return headers, opener(context)


def _configured(config: Path | None) -> tuple[dict[str, str], ssl.SSLContext | None]:
    if config is None:
        return {}, None
    document = read(config)
    http_config = validate(document, HTTPConfig)
    headers = _authorization(document, http_config)
    return headers, _context(document, http_config.tls_config) if http_config.tls_config is not None else None


def opener(context: ssl.SSLContext | None) -> urllib.request.OpenerDirector:
    """Return a client that follows no redirect. ``context``: of TLS, where not the system's own."""
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


def is_url(text: str) -> bool:
    """Return True for an HTTP URL of ASCII letters, without a password or a fragment."""
    try:
        parts = urlsplit(text)
        # Of a host with an empty label, which no resolver is asked for, this raises as the request would.
        parts.netloc.encode("idna")
        return (
            _SENT.fullmatch(text) is not None
            and parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and "@" not in parts.netloc
            and not parts.fragment
        )
    except ValueError:
        return False


def _authorization(document: Document, config: HTTPConfig) -> dict[str, str]:
    if (basic := config.basic_auth) is not None:
        at = ("basic_auth",)
        password = _secret(document, at, "password", basic.password, basic.password_file)
        encoded = base64.b64encode(f"{basic.username}:{password}".encode()).decode()
        return {"Authorization": f"Basic {encoded}"}
    if (token := config.authorization) is not None:
        at = ("authorization",)
        secret = _secret(document, at, "credentials", token.credentials, token.credentials_file)
        return {"Authorization": f"{token.type} {secret}"}
    return {}


def _secret(document: Document, at: Sequence[str], key: str, literal: str | None, name: str | None) -> str:
    if literal is not None:
        message = f"a secret in this file; name a file that holds it with {key}_file"
        raise document.error((*at, key), message, key=True)
    if name is None:
        raise document.error(tuple(at), f"expected {key}_file", key=True)
    path = document.path.parent / name
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise document.error((*at, f"{key}_file"), f"{path}: cannot be read: {reason}") from None
    if not secret or not secret.isprintable():
        raise document.error((*at, f"{key}_file"), f"{path}: expected one line of text")
    if key == "credentials" and not secret.isascii():
        raise document.error((*at, f"{key}_file"), f"{path}: expected ASCII letters, as headers have them")
    return secret


def _context(document: Document, config: ClientTLS) -> ssl.SSLContext:
    folder = document.path.parent
    if (config.cert_file is None) != (config.key_file is None):
        raise document.error(("tls_config",), "expected cert_file and key_file, or none of them", key=True)
    try:
        context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.server_name = config.server_name
        if config.ca_file:
            context.load_verify_locations(folder / config.ca_file)
        else:
            context.load_default_certs()
        if config.cert_file is not None and config.key_file is not None:
            context.load_cert_chain(folder / config.cert_file, folder / config.key_file, password="")
    except OSError as error:
        raise document.error(("tls_config",), f"certificates cannot be used: {error}", key=True) from None
    return context


def shown_url(url: str) -> str:
    """Return a URL as messages show it: a query may hold a token."""
    return url.partition("?")[0]
