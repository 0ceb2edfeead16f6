"""Log entries of a Loki, by its query API."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from urllib.parse import urlencode

import msgspec

from exporter.sinks.paged.http_api import HttpApi
from exporter.sinks.paged.pages import Entry, PagedSink
from exporter.sinks.sink import SinkError
from mlslo.monitor import LokiSink as LokiSettings
from mlslo.monitor import Monitor

_SECOND = 10**9
# Loki refuses a range of more than 30 days, and answers none of a day soon.
_LONGEST_RANGE = 86_400 * _SECOND


class _Stream(msgspec.Struct):
    stream: dict[str, str]
    values: list[list[str]]


class _Data(msgspec.Struct):
    resultType: str
    result: msgspec.Raw


class _Answer(msgspec.Struct):
    data: _Data


_ANSWER, _STREAMS = msgspec.json.Decoder(_Answer), msgspec.json.Decoder(list[_Stream])


class LokiSink(PagedSink):
    """Reads the lines of all streams that a query selects, merged by their time, in nanoseconds.

    An entry is known again by time, labels and line: Loki itself keeps those that are equal in all three once.
    """

    def __init__(self, monitor: Monitor, settings: LokiSettings, positions: Mapping[str, str]) -> None:
        super().__init__(positions, _SECOND, settings.lookback.seconds, settings.pageSize)
        self._monitor = monitor
        self._settings = settings

    @classmethod
    def open(cls, monitor: Monitor, settings: LokiSettings, positions: Mapping[str, str]) -> LokiSink:
        return cls(monitor, settings, positions)

    @property
    def source(self) -> str:
        return f"{self._settings.url} {self._settings.query}"

    def connect(self) -> HttpApi:
        settings = self._settings
        headers = {"X-Scope-OrgID": settings.tenant} if settings.tenant is not None else {}
        return HttpApi(settings.url, self._monitor, settings.tls, settings.credentials, headers)

    def pages(self, api: HttpApi, start: int | None) -> Iterator[list[Entry]]:
        now = time.time_ns()
        if start is None:
            start = now - int(self._settings.since.seconds * _SECOND)
        while start < now:
            end = min(start + _LONGEST_RANGE, now)
            entries, full = self.fetch(partial(self._page, api, start, end))
            yield entries
            start = entries[-1].cursor if full else end

    def _page(self, api: HttpApi, start: int, end: int, size: int) -> list[Entry]:
        """Ask for entries from ``start`` on and before ``end``."""
        asked = {
            "query": self._settings.query,
            "start": start,
            "end": end,
            "limit": size,
            "direction": "forward",
        }
        content = api.ask(f"/loki/api/v1/query_range?{urlencode(asked)}")
        try:
            data = _ANSWER.decode(content).data
            if data.resultType != "streams":
                raise SinkError(
                    f"{self.source}: expected a query of log entries, its result is a {data.resultType}"
                )
            streams = _STREAMS.decode(data.result)
            entries = [
                Entry(int(value[0]), labels + value[1].encode(), value[1].encode())
                for stream in streams
                for labels in (msgspec.json.encode(sorted(stream.stream.items())),)
                for value in stream.values
            ]
        except (msgspec.DecodeError, ValueError, IndexError) as error:
            raise SinkError(f"{self._settings.url}: not an answer of Loki's: {error}") from None
        return sorted(entries)
