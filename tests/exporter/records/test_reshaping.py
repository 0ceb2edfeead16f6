"""Records of another shape become plain ones in portions, whose size does not depend on how many rows a record has."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from exporter.records.reshaping import Reshaped, reshapings
from exporter.state import Store
from mlslo.monitor import load
from tests.support.logs import EPOCH, monitor, write_monitor

JOIN = {"id": "id", "request": {"kind": "in"}, "response": {"kind": "out"}}


def log(joined: bool) -> bytes:
    """Of 200 records of 0 to 6 rows each: those without a row are uneven, every 50th line is broken."""
    lines: list[str] = []
    for number in range(200):
        rows = number % 7
        request = {"ts": EPOCH + number, "id": f"r{number}", "in": [[n, 2] for n in range(rows)]}
        response = {"id": f"r{number}", "out": [0.5] * rows}
        halves = [{**request, "kind": "in"}, {**response, "kind": "out"}]
        lines += map(json.dumps, halves if joined else [{"request": request, "response": response}])
        lines += ["{"] if number % 50 == 0 else []
    return "\n".join([*lines, ""]).encode()


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("most", [1, 500, 4000, 1 << 30])
def test_portions_are_the_whole(tmp_path: Path, joined: bool, most: int) -> None:
    content = monitor(labels=None)
    content["spec"]["predictions"] |= {
        "fields": {
            "timestamp": "request.ts",
            "id": "request.id",
            "score": "response.out.*",
            "features": {"path": "request.in.*", "names": ["a", "b"]},
        },
        **({"join": JOIN} if joined else {}),
    }
    made = load(write_monitor(tmp_path, content))

    def found(limit: int | None) -> list[Reshaped]:
        with closing(Store()) as store, store.transaction():
            return list(reshapings(made, store)["predictions"].portions(log(joined), 0, most=limit))

    (whole,), portions = found(None), found(most)
    assert b"".join(map(bytes, (portion.lines for portion in portions))) == bytes(whole.lines)
    assert sum((portion.rejected for portion in portions), Counter()) == whole.rejected
    assert sum(portion.records for portion in portions) == whole.records
    assert whole.rejected == {"malformed": 4, "uneven_lists": 29}
    longest = 6 * max(map(len, bytes(whole.lines).splitlines(keepends=True)))
    assert max(len(portion.lines) for portion in portions) < most + longest
    assert len(portions) == 1 or all(portion.lines or portion.rejected for portion in portions)
