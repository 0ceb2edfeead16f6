"""Stand-in for Loki: its query_range API as documented for Loki 3, with its limits. No real one is to be had."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.support.sinks.stand_in import RefusalError, StandIn, as_json

_TENANT = "team-a"
_MOST_ENTRIES = 5000
_LONGEST_QUERY = (30 * 24 + 1) * 3600 * 10**9
_SELECTOR = re.compile(r'\{log="([^"]*)"\}')
_DIRECTIONS = ("forward", "backward")


class _Entry(NamedTuple):
    time: int
    stream: tuple[tuple[str, str], ...]
    line: str


class LokiServer(StandIn):
    """Entries of two streams; some have the same time. Late ones come up to a minute behind the newest."""

    name = "loki"
    longest = 256 << 10
    """`max_line_size`."""

    def begin(self) -> None:
        self._log = f"log-{time.time_ns()}"
        self.entries: dict[_Entry, None] = {}
        self._newest = 0

    def sink(self) -> dict[str, Any]:
        return {
            "loki": {
                "url": self.url,
                "query": f'{{log="{self._log}"}}',
                "tenant": _TENANT,
                "credentials": self.credentials,
            }
        }

    def append(self, records: Sequence[bytes], *, late: bool = False) -> None:
        for record in records:
            assert len(record) <= self.longest
            at = max(time.time_ns(), self._newest)
            if late:
                at = self._newest - self.random.randrange(60 * 10**9)
            elif self.random.random() < 0.5:
                # Of the last one's time, if not yet of another.
                at = self._newest or at
            self.put(at, self.random.choice("ab"), record.decode())

    def put(self, at: int, pod: str, line: str) -> None:
        """Take one entry; one that is there already, in the same stream, is there once."""
        with self.lock:
            self.entries[_Entry(at, (("log", self._log), ("pod", pod)), line)] = None
            self._newest = max(self._newest, at)

    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> bytes:
        if (method, path) != ("GET", "/loki/api/v1/query_range"):
            raise RefusalError(404, "404 page not found")
        if headers.get("X-Scope-OrgID") is None:
            raise RefusalError(401, "no org id")
        if body or query.keys() - {"query", "start", "end", "limit", "direction"}:
            raise RefusalError(400, f"not expected: {body!r} {query}")
        text = query.get("query", "")
        if text.startswith("rate("):
            return as_json({"status": "success", "data": {"resultType": "matrix", "result": []}})
        if (selector := _SELECTOR.fullmatch(text)) is None:
            raise RefusalError(400, f"parse error at line 1, col 1: syntax error: unexpected {text[:1]}")
        start, end = int(query["start"]), int(query["end"])
        limit, direction = int(query.get("limit", 100)), query.get("direction", "backward")
        if len(query["start"]) <= 10 or len(query["end"]) <= 10 or direction not in _DIRECTIONS:
            raise RefusalError(400, f"seconds, or no direction: {query}")
        if limit > _MOST_ENTRIES:
            exceeded = "max entries limit per query exceeded, limit > max_entries_limit_per_query"
            raise RefusalError(400, f"{exceeded} ({limit} > {_MOST_ENTRIES})")
        if end <= start:
            raise RefusalError(400, "end timestamp must not be before or equal to start time")
        if end - start > _LONGEST_QUERY:
            raise RefusalError(400, "the query time range exceeds the limit (query length, limit: 30d1h)")
        of_tenant = headers["X-Scope-OrgID"] == _TENANT
        found = [
            entry
            for entry in self.entries
            if of_tenant and start <= entry.time < end and entry.stream[0][1] == selector[1]
        ]
        # Nothing is documented of the order of those of one time.
        self.random.shuffle(found)
        found.sort(key=lambda entry: entry.time, reverse=direction == "backward")
        streams: dict[Any, list[list[str]]] = {}
        for entry in found[:limit]:
            streams.setdefault(entry.stream, []).append([str(entry.time), entry.line])
        result = [{"stream": dict(stream), "values": values} for stream, values in streams.items()]
        data = {"resultType": "streams", "result": result, "stats": {}}
        return json.dumps({"status": "success", "data": data}).encode()
