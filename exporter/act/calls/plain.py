"""Any HTTP request."""

from __future__ import annotations

from exporter.act.calls.call import Call
from exporter.act.calls.placeholders import Filler
from mlslo.actions import HttpCall


def call(settings: HttpCall, filler: Filler) -> Call:
    """Return the request as the file says it."""
    return Call(
        settings.method,
        filler.url(settings.url),
        settings,
        filler.data(settings.body),
        dict(settings.headers),
    )
