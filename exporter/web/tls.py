"""TLS of a server, by the names that Go gives to ciphers and curves."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
# Those of TLS 1.3 are always on, in Go as in OpenSSL.
CIPHERS = {
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
"""Go's name -> OpenSSL's."""
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
"""Go's name -> OpenSSL's."""


def context(
    certificate: Path,
    key: Path,
    client_ca: Path | None = None,
    *,
    optional: bool = False,
    versions: tuple[str, str] = ("TLS12", "TLS13"),
    ciphers: Sequence[str] = (),
    server_order: bool = True,
    curve: str | None = None,
) -> ssl.SSLContext:
    """Return the context of a server.

    ``client_ca``: clients need a certificate of it, or where it is ``optional`` none. ``versions``: the oldest and the
    newest. Raises OSError where a file cannot be used.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = (_VERSIONS[name] for name in versions)
    # A key behind a password would be asked for on the terminal.
    made.load_cert_chain(certificate, key, password="")
    if client_ca is not None:
        made.load_verify_locations(client_ca)
        made.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
    if named := [CIPHERS[name] for name in ciphers if CIPHERS[name]]:
        made.set_ciphers(":".join(named))
    if curve is not None:
        made.set_ecdh_curve(CURVES[curve])
    if not server_order:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    return made


def has_name(connection: ssl.SSLSocket | ssl.SSLObject, allowed: Collection[str]) -> bool:
    """Return True where the client's certificate has one of the ``allowed`` alternative names, exactly so."""
    certificate: Any = connection.getpeercert() or {}
    return any(name in allowed for name in _names(certificate.get("subjectAltName", ())))


def _names(alternatives: Sequence[tuple[str, str]]) -> Iterator[str]:
    for kind, name in alternatives:
        if kind == "IP Address":
            yield str(ipaddress.ip_address(name.strip()))
        elif kind in ("DNS", "email", "URI"):
            yield name
