"""Request and response that are two records: joined across files, cycles and restarts, or an error."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from exporter.daemon.models import load_all
from exporter.state import halves
from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

Record = dict[str, Any]
COUNT = 40


def content(within: str = "5m") -> Record:
    made = monitor(labels=None, features={"a": {"type": "numeric"}})
    made["spec"]["predictions"] |= {
        "join": {"id": "call", "request": {"kind": "in"}, "response": {"kind": "out"}, "within": within},
        "fields": {
            "timestamp": "request.ts",
            "id": "request.call",
            "latency": {"field": "seconds", "unit": "s"},
            "status": "response.code",
            "score": "response.score",
            "features": "request.features",
        },
    }
    return made


def request(number: int, **changes: Any) -> Record:
    base = {"kind": "in", "call": f"c{number}", "ts": EPOCH + number, "features": {"a": number}}
    return {**base, **changes}


def response(number: int, **changes: Any) -> Record:
    base = {"kind": "out", "call": f"c{number}", "ts": EPOCH + number + 0.25, "score": 0.5, "code": 200}
    return {**base, **changes}


def rejected(gauges: Gauges, reason: str) -> float | None:
    return value(gauges, "ml_sink_rejected_records_total", sink="predictions", reason=reason)


def counted(gauges: Gauges) -> tuple[float | None, ...]:
    return (
        value(gauges, "ml_predictions_total", model="m"),
        value(gauges, "ml_feature_mean", feature="a"),
        value(gauges, "ml_prediction_mean", model="m"),
        value(gauges, "ml_prediction_latency_seconds_sum", model="m"),
        value(gauges, "ml_prediction_error_ratio", model="m"),
    )


@pytest.mark.parametrize("seed", range(4))
def test_however_the_halves_come_each_pair_is_one_prediction(tmp_path: Path, seed: int) -> None:
    records = [half(number) for number in range(COUNT) for half in (request, response)]
    shuffled = random.Random(seed).sample(records, len(records))
    path = write_monitor(tmp_path, content())
    cuts = sorted(random.Random(seed).sample(range(len(records)), 3))
    for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
        write_lines(tmp_path / f"logs/predictions{start % 2}.jsonl", shuffled[start:end])
        # Each time another process, so that what waits is read from the state.
        gauges = once(path, "--state-dir", tmp_path / "state", at="2026-01-10T00:01:00Z")
    mean = (COUNT - 1) / 2
    assert counted(gauges) == (COUNT, mean, 0.5, 0.25 * COUNT, 0.0)
    assert rejected(gauges, "unpaired") == 0
    assert rejected(gauges, "duplicate") == 0


def test_a_request_without_a_response_is_an_error_once_the_time_is_over(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [request(0), request(1), response(1)])
    path = write_monitor(tmp_path, content("30s"))
    state = ("--state-dir", tmp_path / "state")
    early = once(path, *state, at="2026-01-10T00:00:20Z")
    assert value(early, "ml_predictions_total", model="m") == 1
    for _ in range(2):
        late = once(path, *state, at="2026-01-10T00:00:40Z")
        assert value(late, "ml_predictions_total", model="m") == 2
        assert value(late, "ml_prediction_errors_total", code="no_response") == 1
        assert value(late, "ml_prediction_error_ratio", model="m") == 0.5
        # Its features are known all the same.
        assert value(late, "ml_feature_mean", feature="a") == 0.5
    # A response that comes after that is late, and no second prediction.
    write_lines(tmp_path / "logs/predictions.jsonl", [response(0)])
    last = once(path, *state, at="2026-01-10T00:01:00Z")
    assert value(last, "ml_predictions_total", model="m") == 2
    assert rejected(last, "unpaired") == 1


def test_a_request_that_is_delivered_again_after_its_response_is_no_error(tmp_path: Path) -> None:
    """In the same batch, in another file, after a restart; also where both are, or one that never had a response."""
    pairs = [half(number) for number in range(COUNT) for half in (request, response)]
    log = tmp_path / "logs/predictions.jsonl"
    write_lines(log, [*pairs, request(0), request(COUNT)])
    write_lines(tmp_path / "logs/predictions-again.jsonl", [request(1), *pairs[4:6]])
    path = write_monitor(tmp_path, content("30s"))
    state = ("--state-dir", tmp_path / "state")
    once(path, *state, at="2026-01-10T00:05:00Z")
    write_lines(log, [request(3), request(COUNT)])
    gauges = once(path, *state, at="2026-01-10T00:10:00Z")
    assert value(gauges, "ml_predictions_total", model="m") == COUNT + 1
    assert value(gauges, "ml_prediction_errors_total", code="no_response") == 1
    assert rejected(gauges, "duplicate") == 5


def test_requests_may_be_in_a_file_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog of more than may wait: the oldest are dropped only where their response is not there either."""
    monkeypatch.setattr(halves, "_MOST", COUNT // 2)
    write_lines(tmp_path / "logs/predictions-1.jsonl", map(request, range(COUNT)))
    write_lines(tmp_path / "logs/predictions-2.jsonl", map(response, range(COUNT)))
    write_lines(tmp_path / "logs/predictions-3.jsonl", map(request, range(COUNT, 2 * COUNT)))
    (model,) = load_all([write_monitor(tmp_path, content())])
    with closing(model.open(None)) as cycle:
        snapshot = cycle.run(at=EPOCH + 120)
    assert snapshot is not None
    assert snapshot.series["ml_predictions_total"] == {("m", ""): COUNT}
    unpaired = snapshot.series["ml_sink_rejected_records_total"]["m", "predictions", "unpaired"]
    assert unpaired == COUNT // 2


def test_nothing_waits_longer_than_it_may(tmp_path: Path) -> None:
    """Neither for a prediction nor for a reference of the first time."""
    made = content("30s")
    made["spec"]["references"] = {"first": {"first": "1h"}}
    write_lines(tmp_path / "logs/predictions.jsonl", [request(0), request(1), response(1), response(2)])
    path = write_monitor(tmp_path, made)
    waiting = []
    for second in (20, 40):
        once(path, "--state-dir", tmp_path / "state", at=f"2026-01-10T00:00:{second}Z")
        with closing(sqlite3.connect(tmp_path / "state/m.sqlite")) as database:
            waiting += database.execute("SELECT count(*) FROM halves").fetchone()
    assert waiting == [4, 0]


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("America/New_York", "2026-01-09 19:00:00"),
        ("-05:00", "2026-01-09 19:00:00"),
        ("Europe/Berlin", "2026-01-10 01:00:00"),
        ("America/New_York", "2026-01-10T00:00:00Z"),
    ],
)
def test_local_times_wait_as_long_as_others(tmp_path: Path, zone: str, written: str) -> None:
    made = content("30s")
    made["spec"]["predictions"]["timezone"] = zone
    write_lines(tmp_path / "logs/predictions.jsonl", [request(0, ts=written)])
    path = write_monitor(tmp_path, made)
    state = ("--state-dir", tmp_path / "state")
    errors = [
        value(
            once(path, *state, at=f"2026-01-10T00:00:{second}Z"),
            "ml_prediction_errors_total",
            code="no_response",
        )
        for second in (20, 40)
    ]
    assert errors == [None, 1]


@pytest.mark.parametrize("time", [1e30, -1e30, "1e30", 10**30, "9999-12-31T23:59:59Z", "NaN"])
def test_a_time_that_no_clock_shows_is_no_failure(tmp_path: Path, time: object) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [request(0, ts=time), request(1), response(1)])
    gauges = once(write_monitor(tmp_path, content()))
    assert value(gauges, "ml_predictions_total", model="m") == 1


def test_what_belongs_to_no_pair_is_counted(tmp_path: Path) -> None:
    odd = [
        {"kind": "feedback", "call": "c1", "ts": EPOCH},
        {"kind": "in", "ts": EPOCH},
        request(1),
        response(1),
        "no record",
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", [request(1), *odd])
    gauges = once(write_monitor(tmp_path, content()))
    assert value(gauges, "ml_predictions_total", model="m") == 1
    counts = {
        reason: rejected(gauges, reason)
        for reason in ("not_selected", "missing_id", "duplicate", "malformed")
    }
    assert counts == {"not_selected": 1, "missing_id": 1, "duplicate": 1, "malformed": 1}
    assert value(gauges, "ml_sink_records_total", sink="predictions") == 5


def test_a_record_that_has_both_is_whole(tmp_path: Path) -> None:
    both = [
        {"request": request(number), "response": response(number), "seconds": 0.25} for number in range(3)
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", both)
    assert counted(once(write_monitor(tmp_path, content()))) == (3, 1.0, 0.5, 0.75, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"join": {"id": "call", "request": {}, "response": {"kind": "out"}}}, "expected at least 1 item"),
        ({"join": {"request": {"kind": "in"}, "response": {"kind": "out"}}}, "missing key 'id'"),
        ({"where": {"kind": []}}, "expected at least 1 item"),
        ({"preset": "kserv"}, "did you mean 'kserve'?"),
        ({"fields": {"timestamp": "ts", "score": "a.*.b.*"}}, "expected one '*' at most, got 'a.*.b.*'"),
        ({"fields": {"timestamp": "ts", "score": "*.a"}}, "expected a key before '*'"),
        (
            {"fields": {"timestamp": "ts | a..b"}},
            "expected a dotted path such as features.amount, got 'a..b'",
        ),
        ({"fields": {"timestamp": "ts"}}, "expected a path that begins with 'request.', where 'join'"),
        (
            {"fields": {"timestamp": "response.ts"}},
            "expected a path that begins with 'request.', where 'join'",
        ),
        ({"fields": {"timestamp": "request.ts", "score": "score"}}, "where 'join' puts records, got 'score'"),
        ({"fields": {"timestamp": "request.ts |"}}, "expected a path on both sides of '|'"),
        (
            {"join": {"id": "call", "request": {"kind": "in"}, "response": {"kind": "in"}}},
            "the same as 'request'",
        ),
        (
            {"fields": {"timestamp": "request.ts", "features": {"path": "request.f", "names": ["b"]}}},
            "'a' is none of the names in 'request.f', expected one of b",
        ),
    ],
)
def test_errors_of_the_file_have_their_place(tmp_path: Path, change: Record, message: str) -> None:
    made = content()
    made["spec"]["predictions"] |= change
    done = exporter("check", write_monitor(tmp_path, made), check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "monitor.yaml:" in done.stderr
    assert message in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"join": {"id": "call", "request": {"kind": "i"}, "response": {"kind": "o"}}},
            "'kind' is 'in', 'out'",
        ),
        ({"where": {"kin": "in"}}, "no record of 80 is chosen by 'where': nothing at 'kin'"),
        ({"where": {"kind": "in"}}, "40 are requests and 0 responses, and none belong together by 'join'"),
    ],
)
def test_check_says_why_nothing_is_chosen(tmp_path: Path, change: Record, message: str) -> None:
    made = content()
    made["spec"]["predictions"] |= change
    write_lines(
        tmp_path / "logs/predictions.jsonl", [half(n) for n in range(COUNT) for half in (request, response)]
    )
    done = exporter("check", write_monitor(tmp_path, made), check=False)
    assert done.returncode == 1
    assert message in done.stdout
    assert "is a JSON object" not in done.stdout


def test_a_log_that_is_shipped_late_has_time_for_its_responses(tmp_path: Path) -> None:
    """A request at the end of what is there waits from when it was read, not from when it was sent."""
    path = write_monitor(tmp_path, content("30s"))
    (model,) = load_all([path])
    write_lines(tmp_path / "logs/predictions.jsonl", [request(0), request(1), response(1)])
    late = EPOCH + 600
    with closing(model.open(None)) as cycle:
        for after, more, expected in (
            (0, [], 1),
            (20, [response(0)], 2),
            (60, [request(2)], 2),
            (120, [], 3),
        ):
            write_lines(tmp_path / "logs/predictions.jsonl", more)
            snapshot = cycle.run(at=late + after)
            assert snapshot is not None
            assert sum(snapshot.series["ml_predictions_total"].values()) == expected
            errors = sum(snapshot.series["ml_prediction_errors_total"].values())
        assert errors == 1
