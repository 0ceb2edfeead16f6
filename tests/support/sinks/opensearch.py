"""Stand-in for OpenSearch and Elasticsearch: their search API as documented, with its default limits.

No real one is to be had. It knows as much of the query language as the sink uses, and refuses all else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.sinks.stand_in import RefusalError, StandIn, as_json

_MOST_HITS = 10_000
_KEYS = {"size", "query", "sort", "search_after", "track_total_hits"}
_ORDER = {"order": "asc", "numeric_type": "date", "unmapped_type": "date"}
_BY_ID = {"order": "asc", "unmapped_type": "keyword"}


@dataclass(frozen=True)
class _Document:
    """``visible``: when the refresh of its shard shows it, in seconds."""

    id: str
    cursor: int
    source: bytes
    visible: float


class OpenSearchServer(StandIn):
    """Documents with an ingest time in milliseconds; a search sees them once their shard was refreshed.

    Late ones have a time of up to half a minute before the newest one's.
    """

    name = "opensearch"

    def begin(self) -> None:
        self.index = f"predictions-{time.time_ns()}"
        self.documents: dict[str, _Document] = {}
        self._newest = 0

    def sink(self) -> dict[str, Any]:
        return {
            "opensearch": {
                "url": self.url,
                "index": self.index,
                "cursor": "ingested",
                "credentials": self.credentials,
            }
        }

    def append(self, records: Sequence[bytes], *, late: bool = False) -> None:
        for record in records:
            at = int(time.time() * 1000)
            if late:
                at = (self._newest or at) - self.random.randrange(30_000)
            self.put(record, at)

    def put(self, record: bytes, at: int, document_id: str | None = None) -> None:
        """Index a document, or another version of one; another refresh for each of two shards."""
        with self.lock:
            number = len(self.documents)
            visible = time.time() + 0.1 * (number % 2)
            # As it was written: with line breaks, for example.
            source = record if number % 3 else b"{\n" + record[1:]
            identity = document_id or f"{self.index}-{number}"
            self.documents[identity] = _Document(identity, at, source, visible)
            self._newest = max(self._newest, at)

    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> bytes:
        if method != "POST" or not path.endswith("/_search") or headers["Content-Type"] != "application/json":
            raise _refused(405, "method_not_allowed", f"{method} {path}")
        if path != f"/{self.index}/_search":
            raise _refused(404, "index_not_found_exception", f"no such index [{path.split('/')[1]}]")
        asked = json.loads(body)
        if query != {"allow_partial_search_results": "false"} or asked.keys() - _KEYS:
            raise _refused(400, "parsing_exception", f"unknown key in {query} or {sorted(asked)}")
        if asked["size"] > _MOST_HITS:
            raise _refused(400, "illegal_argument_exception", "Result window is too large")
        if asked["sort"] not in ([{"ingested": _ORDER}], [{"ingested": _ORDER}, {"id": _BY_ID}]):
            raise _refused(400, "illegal_argument_exception", f"no mapping for {asked['sort']}")
        if asked["query"] != {"bool": {"filter": [{"range": {"ingested": {"lte": "now"}}}]}}:
            raise _refused(400, "parsing_exception", f"no query known such as {asked['query']}")
        ties = len(asked["sort"]) == 2
        after = asked.get("search_after", [-(2**63), ""][: 1 + ties])
        if list(map(type, after)) != [int, str][: 1 + ties]:
            raise _refused(400, "illegal_argument_exception", "search_after has other values than sort")
        now = time.time()
        found = [
            document
            for document in self.documents.values()
            if document.cursor <= now * 1000
            and document.visible <= now
            and after < _sorted_by(document, ties)
        ]
        # Of equal sort values each replica has an order of its own.
        self.random.shuffle(found)
        found.sort(key=lambda document: _sorted_by(document, ties))
        hits = b",".join(
            b'{"_index":"%s","_id":%s,"_score":null,"_source":%s,"sort":%s}'
            % (
                self.index.encode(),
                as_json(document.id),
                document.source,
                as_json(_sorted_by(document, ties)),
            )
            for document in found[: asked["size"]]
        )
        shards = as_json({"total": 2, "successful": 2, "skipped": 0, "failed": 0})
        return b'{"took":1,"timed_out":false,"_shards":%s,"hits":{"max_score":null,"hits":[%s]}}' % (
            shards,
            hits,
        )


def _sorted_by(document: _Document, ties: bool) -> list[Any]:
    return [document.cursor, json.loads(document.source)["id"]] if ties else [document.cursor]


def _refused(status: int, kind: str, reason: str) -> RefusalError:
    error = {"type": kind, "reason": reason}
    return RefusalError(status, json.dumps({"error": {"root_cause": [error], **error}, "status": status}))
