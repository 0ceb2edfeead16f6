"""One data set in every format: requests to a binary model, and chats with a language model."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

START = datetime(2026, 1, 10, tzinfo=UTC)
END = START + timedelta(hours=1)
ROWS = 600

FEATURES = ("age", "amount", "balance", "tenure", "region")
REGIONS = ("south", "far west", "north, old")
"""Categories that need quotes, in logfmt and in CSV."""
CHAT_FEATURES = ("prompt_tokens", "completion_tokens", "total_tokens", "finish_reason")


@dataclass(frozen=True)
class Row:
    """One prediction; ``score`` is None where the request failed, ``label`` where none came."""

    features: dict[str, Any]
    score: float | None
    label: int | None


@dataclass(frozen=True)
class Request:
    """A request of one to five predictions. Those that failed have one, so a batch fails nowhere.

    ``at`` is in whole seconds and ``latency_ms`` in whole milliseconds, as the coarsest format writes them. A log that
    lacks the version, the status or the latency has None there.
    """

    id: str
    at: datetime
    version: str | None
    status: int | None
    latency_ms: int | None
    rows: tuple[Row, ...]

    @property
    def failed(self) -> bool:
        """Whether the model gave no answer."""
        return self.status is not None and self.status >= 400

    def row_id(self, position: int) -> str:
        """The request's id, with a prediction's position behind it where there are several."""
        return self.id if len(self.rows) == 1 else f"{self.id}/{position}"

    def row_ids(self) -> list[str]:
        """The id of each prediction."""
        return [self.row_id(position) for position in range(len(self.rows))]


@cache
def requests() -> tuple[Request, ...]:
    """Return 600 predictions within an hour: 0 to 2 requests in a second, and 2 of 5 single ones fail."""
    chance = random.Random(13)
    found: list[Request] = []
    rows, second = 0, 0
    while rows < ROWS:
        for _ in range(chance.choice((1, 1, 2, 3))):
            size = min(chance.choice((1, 1, 1, 2, 3, 4, 5)), ROWS - rows)
            if size == 0:
                break
            failed = size == 1 and chance.random() < 2 / 5
            found.append(_request(chance, len(found), second, size, failed=failed))
            rows += size
        second += chance.randint(5, 30)
    assert second < 3600, "past the hour"
    return tuple(found)


def _request(chance: random.Random, number: int, second: int, size: int, *, failed: bool) -> Request:
    return Request(
        id=str(7_000_000_000_000_000_001 + number),  # a float would take neighbours for one
        at=START + timedelta(seconds=second),
        version="v1" if second < 1500 else "v2",
        status=500 if failed else 200,
        latency_ms=round(chance.lognormvariate(3.5, 0.8)),
        rows=tuple(_row(chance, second, failed=failed) for _ in range(size)),
    )


def _row(chance: random.Random, second: int, *, failed: bool) -> Row:
    score = round(chance.betavariate(2, 3), 4)
    label = int(chance.random() < score)
    features = {
        "age": chance.randint(18, 90),
        "amount": round(chance.lognormvariate(4, 1), 2),
        "balance": None if chance.random() < 0.05 else round(chance.gauss(0, 1000), 2),
        "tenure": chance.randint(0, 240) + second // 60,
        "region": chance.choices(REGIONS, (6, 3, 1))[0],
    }
    labelled = chance.random() < 0.8 and not failed
    return Row(features, None if failed else score, label if labelled else None)


@cache
def chats() -> tuple[Request, ...]:
    """Return 300 chats of one answer each, without scores and labels; 1 of 15 fails and has no tokens."""
    chance = random.Random(14)
    return tuple(_chat(chance, number) for number in range(300))


def _chat(chance: random.Random, number: int) -> Request:
    failed = chance.random() < 1 / 15
    prompt, completion = chance.randint(5, 900), chance.randint(1, 400)
    reason = chance.choices(("stop", "length", "tool_calls"), (8, 1, 1))[0]
    features = dict(zip(CHAT_FEATURES, (prompt, completion, prompt + completion, reason), strict=True))
    return Request(
        id=f"chatcmpl-{number:05d}",
        at=START + timedelta(seconds=number * 11),
        version="gpt-4o-2024-08-06" if number < 200 else "gpt-4o-2024-11-20",
        status=429 if failed else 200,
        latency_ms=round(chance.lognormvariate(7, 0.6)),
        rows=(Row({} if failed else features, None, None),),
    )


def singles(of: Sequence[Request]) -> Iterator[tuple[Request, str, Row]]:
    """Yield each prediction with its request and its id."""
    for request in of:
        yield from ((request, request.row_id(i), row) for i, row in enumerate(request.rows))


def labels(of: Sequence[Request]) -> bytes:
    """Return the label log, as JSON lines: ``id``, ``label``, and ``ts`` a minute after the prediction."""
    return lines(
        {"id": name, "label": row.label, "ts": iso(request.at + timedelta(minutes=1))}
        for request, name, row in singles(of)
        if row.label is not None
    )


def iso(at: datetime, *, digits: int = 0) -> str:
    """Return RFC 3339 in UTC, with 0, 3, 6 or 9 digits of a second."""
    seconds = at.strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{at.microsecond * 1000:09d}"[: digits + 1] if digits else ""
    return f"{seconds}{fraction}Z"


def dumps(value: object) -> str:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def lines(records: Iterator[Any] | Sequence[Any]) -> bytes:
    """Return JSON lines."""
    return "".join(f"{dumps(record)}\n" for record in records).encode()
