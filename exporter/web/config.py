"""The web configuration file of Prometheus exporters: TLS and basic authentication.

Format: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ssl
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from mlslo.yamlfile import Document, StrictModel, read, validate


class TLSServerConfig(StrictModel):
    """Certificates; paths are relative to the file."""

    cert_file: str = Field(min_length=1)
    key_file: str = Field(min_length=1)
    client_auth_type: Literal["NoClientCert", "RequireAndVerifyClientCert"] = "NoClientCert"
    client_ca_file: str | None = None
    min_version: Literal["TLS12", "TLS13"] = "TLS12"


class WebConfigFile(StrictModel):
    """Protection of the exporter's pages."""

    confidential: ClassVar[bool] = True
    tls_server_config: TLSServerConfig | None = None
    basic_auth_users: dict[str, str] = Field(default_factory=dict)


class WebConfig:
    """TLS context and password check."""

    def __init__(self, document: Document, file: WebConfigFile) -> None:
        self._hashes = file.basic_auth_users
        self._accepted: set[bytes] = set()
        if self._hashes:
            try:
                import bcrypt
            except ImportError:
                message = "basic_auth_users needs the extra 'web': pip install 'mlslo[web]'"
                raise document.error(("basic_auth_users",), message, key=True) from None
            self._bcrypt = bcrypt
        for user, hashed in self._hashes.items():
            if not hashed.startswith(("$2a$", "$2b$", "$2y$")):
                raise document.error(("basic_auth_users", user), "expected a bcrypt hash, never a password")
        self.tls = _context(document, file.tls_server_config) if file.tls_server_config else None

    def accepts(self, authorization: str | None) -> bool:
        """Return True where an ``Authorization`` header names a user with its password, or none is needed."""
        if not self._hashes:
            return True
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        hashed = self._hashes.get(user)
        if scheme.lower() != "basic" or hashed is None:
            return False
        credentials = f"{user}:{password}".encode()
        # bcrypt is slow on purpose; a scraper asks again every few seconds.
        if any(hmac.compare_digest(credentials, accepted) for accepted in self._accepted):
            return True
        if not self._bcrypt.checkpw(password.encode()[:72], hashed.encode()):
            return False
        self._accepted.add(credentials)
        return True


def load(path: Path) -> WebConfig:
    """Read a web configuration file. Raises InputError."""
    document = read(path)
    return WebConfig(document, validate(document, WebConfigFile))


def _context(document: Document, config: TLSServerConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = (
        ssl.TLSVersion.TLSv1_3 if config.min_version == "TLS13" else ssl.TLSVersion.TLSv1_2
    )
    folder = document.path.parent
    try:
        context.load_cert_chain(folder / config.cert_file, folder / config.key_file)
        if config.client_ca_file:
            context.load_verify_locations(folder / config.client_ca_file)
    except OSError as error:
        raise document.error(
            ("tls_server_config",), f"certificates cannot be used: {error}", key=True
        ) from None
    if config.client_auth_type == "RequireAndVerifyClientCert":
        if not config.client_ca_file:
            message = "RequireAndVerifyClientCert needs a client_ca_file"
            raise document.error(("tls_server_config", "client_auth_type"), message)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
