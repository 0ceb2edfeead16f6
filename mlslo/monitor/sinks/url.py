"""Address of a server that is asked over HTTP."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from mlslo.yamlfile import Shape

_URL = r"^https?://[!-~]+$"


def _as_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or not re.fullmatch(_URL, text) or set("@?#") & set(text):
        # Not the text: it may hold a password.
        raise ValueError("expected a URL such as https://logs.example.org:3100, without a user or a query")
    return text


HttpUrl = Annotated[str, AfterValidator(_as_url), Shape(pattern=_URL)]
"""An `http` or `https` URL; a path in it comes before those of the server's API."""
