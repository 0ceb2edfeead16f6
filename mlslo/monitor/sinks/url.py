"""Address of a server that is asked over HTTP."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from mlslo.yamlfile import Shape


def _as_url(text: str) -> str:
    expected = (
        f"expected a URL such as https://logs.example.org:3100, without a password or a query, got '{text}'"
    )
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(expected) from None
    if (
        not known
        or "@" in parts.netloc
        or "?" in text
        or "#" in text
        or not (text.isascii() and text.isprintable())
    ):
        raise ValueError(expected)
    if " " in text:
        raise ValueError(expected)
    return text


HttpUrl = Annotated[str, AfterValidator(_as_url), Shape(pattern=r"^https?://[^\s@?#]+$")]
"""An `http` or `https` URL; a path in it comes before those of the server's API."""
