"""Documents of an OpenSearch or Elasticsearch, by its search API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from exporter.sinks.paged.http_api import HttpApi, secret
from exporter.sinks.paged.pages import Entry, PagedSink
from exporter.sinks.sink import SinkError
from mlslo.monitor import Monitor
from mlslo.monitor import OpenSearchSink as OpenSearchSettings


class _Hit(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    source: msgspec.Raw = msgspec.field(name="_source")
    sort: list[Any]


class _Hits(msgspec.Struct):
    hits: list[_Hit]


class _Shards(msgspec.Struct):
    failed: int


class _Answer(msgspec.Struct):
    hits: _Hits
    timed_out: bool
    shards: _Shards = msgspec.field(name="_shards")


_ANSWER = msgspec.json.Decoder(_Answer)


class OpenSearchSink(PagedSink):
    """Reads documents in the order of a date, in milliseconds; each is known again by that and its ``_id``.

    Pages are asked for by ``search_after``, with the date alone unless the user names a field for ties. By ``_id`` the
    cluster would load all ids into memory, and a point in time is another request in Elasticsearch than in OpenSearch.
    """

    def __init__(self, monitor: Monitor, settings: OpenSearchSettings, positions: Mapping[str, str]) -> None:
        super().__init__(positions, 1000, settings.lookback.seconds, settings.pageSize)
        self._monitor = monitor
        self._settings = settings

    @classmethod
    def open(
        cls, monitor: Monitor, settings: OpenSearchSettings, positions: Mapping[str, str]
    ) -> OpenSearchSink:
        return cls(monitor, settings, positions)

    @property
    def source(self) -> str:
        return f"{self._settings.url} {self._settings.index}"

    def connect(self) -> HttpApi:
        settings = self._settings
        headers = {}
        if settings.apiKeyFile is not None:
            headers["Authorization"] = f"ApiKey {secret(self._monitor, settings.apiKeyFile)}"
        return HttpApi(settings.url, self._monitor, settings.tls, settings.credentials, headers)

    def pages(self, api: HttpApi, start: int | None) -> Iterator[list[Entry]]:
        after = None if start is None else [start - 1, ""]
        full = True
        while full:
            entries, full = self.fetch(partial(self._page, api, after))
            yield entries
            if full:
                last = entries[-1]
                after = [last.cursor - 1, ""] if last.tie is None else [last.cursor, last.tie]

    def _page(self, api: HttpApi, after: list[Any] | None, size: int) -> list[Entry]:
        settings = self._settings
        # Documents of the future wait for their time: one with a wrong clock would have all others come too late.
        wanted: list[dict[str, Any]] = [{"range": {settings.cursor: {"lte": "now"}}}]
        if settings.query is not None:
            wanted.append({"query_string": {"query": settings.query}})
        # Of date_nanos milliseconds as well; of an index without documents, the type of the cursor is not known.
        order = {"order": "asc", "numeric_type": "date", "unmapped_type": "date"}
        ordered: list[dict[str, Any]] = [{settings.cursor: order}]
        if settings.tieBreak is not None:
            ordered.append({settings.tieBreak: {"order": "asc", "unmapped_type": "keyword"}})
        asked: dict[str, Any] = {
            "size": size,
            "query": {"bool": {"filter": wanted}},
            "sort": ordered,
            "track_total_hits": False,
        }
        if after is not None:
            asked["search_after"] = after[: len(ordered)]
        path = f"/{quote(settings.index, safe=',*')}/_search?allow_partial_search_results=false"
        content = api.ask(path, msgspec.json.encode(asked))
        try:
            answer = _ANSWER.decode(content)
            entries = [
                Entry(int(cursor), hit.id.encode(), bytes(hit.source), *map(str, tie))
                for hit in answer.hits.hits
                for cursor, *tie in (hit.sort,)
            ]
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            raise SinkError(f"{self.source}: not the answer to a search: {error}") from None
        if answer.timed_out or answer.shards.failed:
            raise SinkError(f"{self.source}: only a part of the documents could be searched")
        return entries
