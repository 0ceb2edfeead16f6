"""The web configuration file of Prometheus exporters: TLS, passwords, headers and a rate limit.

Format: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
What cannot be taken of it is refused by its name, with the reason: a protection that is ignored is none.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from exporter.web import tls
from exporter.web.passwords import Passwords
from mlslo.yamlfile import Document, Duration, StrictModel, read, validate

_ONLY = {"X-Content-Type-Options": ("nosniff",), "X-Frame-Options": ("deny", "sameorigin")}
_UNVERIFIED = "asks for certificates that nobody verifies, which Python's TLS cannot"


class TLSServerConfig(StrictModel):
    """Certificates and versions; paths are relative to the file."""

    cert: str | None = None
    key: str | None = None
    client_ca: str | None = None
    cert_file: str | None = Field(None, min_length=1)
    key_file: str | None = Field(None, min_length=1)
    client_auth_type: Literal[
        "NoClientCert",
        "RequestClientCert",
        "RequireClientCert",
        "RequireAnyClientCert",
        "VerifyClientCertIfGiven",
        "RequireAndVerifyClientCert",
    ] = "NoClientCert"
    client_ca_file: str | None = Field(None, min_length=1)
    client_allowed_sans: list[str] | None = Field(None, min_length=1)
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = "TLS12"
    max_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = "TLS13"
    cipher_suites: list[Literal[*tls.CIPHERS]] = Field(default_factory=list)  # type: ignore[valid-type]
    prefer_server_cipher_suites: bool = True
    curve_preferences: list[Literal[*tls.CURVES]] = Field(default_factory=list)  # type: ignore[valid-type]

    def check(self, document: Document) -> None:
        """Raise InputError for what cannot be taken, at its key."""
        own = ("tls_server_config",)
        inline = "is written into the file; name a file with {}, which is read anew when it changes"
        for key in ("cert", "key", "client_ca"):
            if getattr(self, key) is not None:
                raise document.error((*own, key), f"{key} {inline.format(f'{key}_file')}", key=True)
        for key in ("cert_file", "key_file"):
            if getattr(self, key) is None:
                raise document.error(own, f"expected {key}", key=True)
        if self.client_auth_type in ("RequestClientCert", "RequireClientCert", "RequireAnyClientCert"):
            verified = (
                "VerifyClientCertIfGiven"
                if "Request" in self.client_auth_type
                else "RequireAndVerifyClientCert"
            )
            message = f"{self.client_auth_type} {_UNVERIFIED}; expected {verified}"
            raise document.error((*own, "client_auth_type"), message)
        if (self.client_auth_type == "NoClientCert") == (self.client_ca_file is not None):
            message = (
                "client_ca_file needs a client_auth_type that verifies"
                if self.client_ca_file
                else f"{self.client_auth_type} needs a client_ca_file"
            )
            raise document.error((*own, "client_auth_type"), message)
        if self.client_allowed_sans and self.client_auth_type != "RequireAndVerifyClientCert":
            message = "client_allowed_sans needs the client_auth_type RequireAndVerifyClientCert"
            raise document.error((*own, "client_allowed_sans"), message, key=True)
        for key in ("min_version", "max_version"):
            if getattr(self, key) in ("TLS10", "TLS11"):
                message = f"{getattr(self, key)} is broken and not served; expected TLS12 or TLS13"
                raise document.error((*own, key), message)
        if self.min_version > self.max_version:
            message = f"max_version {self.max_version} is below min_version {self.min_version}"
            raise document.error((*own, "max_version"), message)
        if len(self.curve_preferences) > 1:
            message = "Python's TLS takes one curve; name one, or leave the key out for all that are safe"
            raise document.error((*own, "curve_preferences"), message, key=True)


class HTTPServerConfig(StrictModel):
    """HTTP of all answers."""

    http2: bool = False
    headers: dict[
        Literal[
            "Content-Security-Policy",
            "X-Frame-Options",
            "X-Content-Type-Options",
            "X-XSS-Protection",
            "Strict-Transport-Security",
        ],
        str,
    ] = Field(default_factory=dict)

    def check(self, document: Document) -> None:
        """Raise InputError for what cannot be taken, at its key."""
        own = ("http_server_config",)
        if self.http2:
            message = "HTTP/2 is not spoken here, only HTTP/1.1; leave the key out, or say false"
            raise document.error((*own, "http2"), message)
        for name, text in self.headers.items():
            at = (*own, "headers", name)
            if text not in _ONLY.get(name, (text,)):
                raise document.error(at, f"expected {' or '.join(_ONLY[name])}, got '{text}'")
            if not text.isprintable() or not text.isascii():
                raise document.error(at, "expected one line of ASCII text")


class RateLimitConfig(StrictModel):
    """A token bucket over all requests."""

    interval: Duration | Literal["0", "0s"]
    burst: int = Field(ge=0)

    @model_validator(mode="after")
    def _lets_some_through(self) -> RateLimitConfig:
        if isinstance(self.interval, Duration) and not self.burst:
            raise ValueError("a burst of 0 lets nothing through; expected 1 or more")
        return self


class WebConfigFile(StrictModel):
    """Protection of the exporter's pages."""

    confidential: ClassVar[bool] = True
    tls_server_config: TLSServerConfig | None = None
    http_server_config: HTTPServerConfig = Field(default_factory=HTTPServerConfig)
    basic_auth_users: dict[str, str] = Field(default_factory=dict)
    rate_limit: RateLimitConfig | None = None


class WebConfig:
    """Web configuration that is ready to be used.

    ``tls``: None where the pages are not encrypted. ``sans``: names of which a client's certificate must have one.
    ``headers``: of every answer. ``files``: all that was read.
    """

    def __init__(self, document: Document, file: WebConfigFile) -> None:
        """Raises InputError where something cannot be used or is not taken."""
        self.tls: ssl.SSLContext | None = None
        self.sans: frozenset[str] = frozenset()
        self.files = [document.path]
        file.http_server_config.check(document)
        if (config := file.tls_server_config) is not None:
            config.check(document)
            names = (config.cert_file, config.key_file, config.client_ca_file)
            paths = [document.path.parent / name for name in names if name is not None]
            self.files += paths
            self.sans = frozenset(config.client_allowed_sans or ())
            try:
                self.tls = tls.context(
                    *paths,
                    optional=config.client_auth_type == "VerifyClientCertIfGiven",
                    versions=(config.min_version, config.max_version),
                    ciphers=config.cipher_suites,
                    server_order=config.prefer_server_cipher_suites,
                    curve=next(iter(config.curve_preferences), None),
                )
            except OSError as error:
                message = f"certificates cannot be used: {error}"
                raise document.error(("tls_server_config",), message, key=True) from None
        self.headers: Mapping[str, str] = {str(k): v for k, v in file.http_server_config.headers.items()}
        self.passwords = Passwords.of(document, file.basic_auth_users) if file.basic_auth_users else None
        self._limit: TokenBucket | None = None
        if file.rate_limit is not None and isinstance(file.rate_limit.interval, Duration):
            self._limit = TokenBucket(file.rate_limit.interval.seconds, file.rate_limit.burst)

    def admits(self) -> bool:
        """Take a token of ``rate_limit``; returns False where there is none."""
        return self._limit is None or self._limit.take()


class TokenBucket:
    """Limit of requests: so many at once, and one more each ``interval`` (seconds)."""

    def __init__(self, interval: float, burst: int) -> None:
        self._interval, self._burst = interval, burst
        self._tokens, self._at = float(burst), time.monotonic()
        self._lock = Lock()

    def take(self) -> bool:
        """Take a token; returns False where there is none."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) / self._interval)
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


def load(path: Path) -> WebConfig:
    """Read a web configuration file. Raises InputError."""
    document = read(path)
    return WebConfig(document, validate(document, WebConfigFile))
