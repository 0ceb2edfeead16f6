"""A format: how it writes requests, and what of them it cannot carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from exporter.records.columns import NO_RESPONSE
from tests.formats.dataset import CHAT_FEATURES, FEATURES, Request

Write = Callable[[Sequence[Request]], bytes]


@dataclass(frozen=True)
class Format:
    """A writer of requests, and what its log says of them.

    Its figures equal those of plain JSON lines of ``carried(requests)``.
    """

    name: str
    write: Write
    features: tuple[str, ...] = FEATURES
    """The features that it carries: tensors of numbers have neither text nor missing values."""
    ids: Literal["row", "request"] = "row"
    """Whether each prediction has its id, or the request has one for all of its predictions."""
    version: Literal["each", "answered", "none"] = "each"
    """``answered``: it is in the response, so a request that failed has none."""
    latency: Literal["field", "difference", "none"] = "field"
    """``difference``: that of the times of the request's record and of the response's."""
    errors: Literal["status", "no response", "left out"] = "status"
    suffix: str = ".jsonl"
    foreign_lines: int = 0
    """Lines that are no records: what other processes wrote in between."""

    def carried(self, requests: Sequence[Request]) -> list[Request]:
        """Return of ``requests`` what this format's log says."""
        return [
            self._carried(request) for request in requests if self.errors != "left out" or not request.failed
        ]

    @property
    def plain_fields(self) -> dict[str, Any]:
        """The monitor file's ``fields`` for plain JSON lines of what is carried: nothing is mapped that is nowhere."""
        mapped: dict[str, Any] = {"timestamp": "ts", "id": "id", "features": "features"}
        if self.features[0] not in CHAT_FEATURES:
            mapped["score"] = "score"
        if self.version != "none":
            mapped["version"] = "version"
        if self.errors != "left out":
            mapped["status"] = "status"
        if self.latency != "none":
            mapped["latency"] = {"field": "latency_ms", "unit": "ms"}
        return mapped

    def _carried(self, request: Request) -> Request:
        rows = tuple(
            replace(
                row, features={name: row.features[name] for name in self.features if name in row.features}
            )
            for row in request.rows
        )
        versioned = self.version == "each" or (self.version == "answered" and not request.failed)
        # A request without a response has neither a status nor an end.
        silent = self.errors == "no response" and request.failed
        return replace(
            request,
            rows=rows,
            version=request.version if versioned else None,
            status=None if self.errors == "left out" else NO_RESPONSE if silent else request.status,
            latency_ms=None if self.latency == "none" or silent else request.latency_ms,
        )
