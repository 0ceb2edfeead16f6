"""Placeholders in texts, filled with what an alert says: plain substitution, nothing is evaluated."""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import quote

from exporter.act.alerts import Alert
from exporter.act.calls.call import CallError
from mlslo.actions import PLACEHOLDER


class Filler:
    """Fills texts for one alert."""

    def __init__(self, alert: Alert) -> None:
        self._alert = alert

    @property
    def suffix(self) -> str:
        """The same letters for the same episode: what is created by that name is created once."""
        episode = f"{self._alert.fingerprint} {self._alert.starts_at} {self._alert.state}"
        return hashlib.sha256(episode.encode()).hexdigest()[:12]

    def data(self, data: Any) -> Any:
        """Return data with its texts filled; keys and what is no text stay. Raises CallError."""
        match data:
            case dict():
                return {key: self.data(value) for key, value in data.items()}
            case list():
                return [self.data(value) for value in data]
            case str():
                # A function: what is put in is not looked at again.
                return PLACEHOLDER.sub(self._value, data)
        return data

    def url(self, url: str) -> str:
        """Return a URL whose path is filled, each value within one segment of it. Raises CallError."""

        def encoded(found: re.Match[str]) -> str:
            return quote(self._value(found), safe="")

        # Only the path has placeholders.
        written, question, query = url.partition("?")
        scheme, _, rest = written.partition("://")
        head, slash, path = rest.partition("/")
        segments = path.split("/")
        filled = [PLACEHOLDER.sub(encoded, segment) for segment in segments]
        for before, segment in zip(segments, filled, strict=True):
            if before != segment and segment in ("", ".", ".."):
                raise CallError(f"a segment of the URL's path would be '{segment}'")
        return f"{scheme}://{head}{slash}{'/'.join(filled)}{question}{query}"

    def _value(self, found: re.Match[str]) -> str:
        name = found[1].strip()
        root, _, key = name.partition(".")
        value = {
            "labels": self._alert.labels.get(key),
            "annotations": self._alert.annotations.get(key),
            "startsAt": self._alert.starts_at,
            "fingerprint": self._alert.fingerprint,
        }[root]
        if value is None:
            raise CallError(f"the alert has no {name}")
        return value
