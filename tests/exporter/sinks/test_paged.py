"""Loki and OpenSearch beside what the shared suite tries: pages, limits, refusals. Both servers are stand-ins."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sinks import SinkError
from exporter.sinks.paged import http_api
from exporter.sinks.reader import open_sink
from exporter.sinks.sink import LogSink
from mlslo.yamlfile import InputError
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, once, record, value, write_monitor
from tests.support.properties import examples
from tests.support.sinks.loki import LokiServer
from tests.support.sinks.opensearch import OpenSearchServer
from tests.support.sinks.reading import monitor_of
from tests.support.sinks.stand_in import RefusalError, StandIn

_SECOND = 10**9
_DAY = 86_400 * _SECOND


@pytest.fixture
def loki(tmp_path: Path) -> Iterator[LokiServer]:
    with closing(LokiServer(tmp_path)) as server:
        yield server


@pytest.fixture
def search(tmp_path: Path) -> Iterator[OpenSearchServer]:
    with closing(OpenSearchServer(tmp_path)) as server:
        yield server


def _opened(
    server: StandIn, folder: Path, positions: dict[str, str] | None = None, **changes: Any
) -> LogSink:
    ((kind, settings),) = server.sink().items()
    monitored = monitor_of({kind: {**settings, **changes}}, folder)
    return open_sink(monitored, monitored.spec.predictions.sink, positions or {})


def _read(sink: LogSink, kept: dict[str, str] | None = None) -> list[str]:
    found: list[str] = []
    for batch in sink.batches():
        found += [json.loads(line)["id"] for line in bytes(batch.lines).splitlines()]
        for key, position in batch.positions.items():
            if kept is not None:
                kept.pop(key, None)
                kept.update({key: position} if position else {})
    return found


def _line(number: int) -> str:
    return json.dumps({"id": str(number)})


@pytest.mark.slow
@settings(max_examples=examples(25))
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=60), st.integers(5, 9))
def test_entries_of_one_time_over_the_border_of_a_page(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]], size: int
) -> None:
    """Steps: nanoseconds to the next entry, and its stream. At most as many as a page less one have the same time."""
    folder = tmp_path_factory.mktemp("loki")
    with closing(LokiServer(folder)) as server:
        at, same = time.time_ns() - _SECOND, 0
        for number, (further, pod) in enumerate(steps):
            further = further or int(same + 1 >= size - 1)
            at, same = at + further, 0 if further else same + 1
            server.put(at, "ab"[pod], _line(number))
        found = _read(_opened(server, folder, pageSize=size))
        assert sorted(found, key=int) == [str(number) for number in range(len(steps))]


def test_more_of_one_time_than_a_page_holds_is_an_error(loki: LokiServer, tmp_path: Path) -> None:
    at = time.time_ns() - _SECOND
    for number in range(12):
        loki.put(at, "a", _line(number))
    with pytest.raises(SinkError, match="more than 10 records have the same time"):
        _read(_opened(loki, tmp_path, pageSize=10))
    assert len(_read(_opened(loki, tmp_path, pageSize=20))) == 12


@pytest.mark.parametrize("size", [4, 5, 7])
def test_documents_of_one_time_over_the_border_of_a_page(
    size: int, search: OpenSearchServer, tmp_path: Path
) -> None:
    at = int(time.time() * 1000) - 1000
    for number in range(60):
        search.put(_line(number).encode(), at + number // 3)
    time.sleep(0.2)
    assert len(_read(_opened(search, tmp_path, pageSize=size))) == 60


def test_a_tie_break_goes_through_documents_of_one_time(search: OpenSearchServer, tmp_path: Path) -> None:
    at = int(time.time() * 1000) - 1000
    for number in range(50):
        search.put(_line(number).encode(), at)
    time.sleep(0.2)
    with pytest.raises(SinkError, match="more than 10 records have the same time"):
        _read(_opened(search, tmp_path, pageSize=10))
    sink = _opened(search, tmp_path, pageSize=10, tieBreak="id")
    assert len(_read(sink)) == 50
    for number in range(50, 60):
        search.put(_line(number).encode(), at)
    time.sleep(0.2)
    assert len(_read(sink)) == 10


def test_months_are_asked_for_day_by_day(loki: LokiServer, tmp_path: Path) -> None:
    now = time.time_ns()
    for days in (89, 60, 59, 1):
        loki.put(now - days * _DAY, "a", _line(days))
    assert _read(_opened(loki, tmp_path, since="90d")) == ["89", "60", "59", "1"]
    assert loki.asked == 90
    assert _read(_opened(loki, tmp_path, since="70d")) == ["60", "59", "1"]


@pytest.mark.parametrize("kind", [LokiServer, OpenSearchServer])
def test_a_record_of_the_future_hides_none_of_the_present(
    kind: type[LokiServer | OpenSearchServer], tmp_path: Path
) -> None:
    kept: dict[str, str] = {}
    with closing(kind(tmp_path)) as server:

        def put(number: int, *, later: int) -> None:
            if isinstance(server, LokiServer):
                server.put(time.time_ns() + later * _SECOND, "a", _line(number))
            else:
                server.put(_line(number).encode(), int(time.time() + later) * 1000)

        for number in range(3):
            put(2 * number, later=30 * 86_400)
            put(2 * number + 1, later=-2)
            time.sleep(0.2)
            assert _read(_opened(server, tmp_path, kept), kept) == [str(2 * number + 1)]


def test_a_late_entry_within_the_lookback_is_read_and_ids_are_few(loki: LokiServer, tmp_path: Path) -> None:
    begun = time.time_ns() - 3600 * _SECOND
    kept: dict[str, str] = {}
    number = 0
    for minute in range(50):
        for second in range(0, 60, 2):
            loki.put(begun + (60 * minute + second) * _SECOND, "a", _line(number))
            number += 1
        # Four minutes late; the next one is too late.
        loki.put(begun + (60 * (minute - 4) + 2) * _SECOND + 1, "b", _line(number))
        number += 1
        found = _read(_opened(loki, tmp_path, kept, lookback="5m"), kept)
        assert len(found) == 31
    assert sum(map(len, kept.values())) < 5 * 60 * 11 + 1000
    loki.put(begun + 44 * 60 * _SECOND - 60 * _SECOND, "b", _line(number))
    assert _read(_opened(loki, tmp_path, kept, lookback="5m"), kept) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [LokiServer, OpenSearchServer])
def test_a_server_that_is_busy_is_asked_again(kind: type[StandIn], tmp_path: Path) -> None:
    with closing(kind(tmp_path)) as server:
        server.append([_line(number).encode() for number in range(5)])
        time.sleep(0.2)
        server.refusals = [RefusalError(429, "too many outstanding requests", Retry_After="1")]
        began = time.monotonic()
        assert len(_read(_opened(server, tmp_path))) == 5
        assert time.monotonic() - began >= 1
        server.refusals = [RefusalError(503, "later", Retry_After="3600")]
        with pytest.raises(SinkError, match="answered 503: later"):
            _read(_opened(server, tmp_path))


@pytest.mark.parametrize("kind", [LokiServer, OpenSearchServer])
def test_what_was_read_before_a_failure_is_not_lost(
    kind: type[StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(kind(tmp_path)) as server:
        for number in range(40):
            server.append([_line(number).encode()])
            time.sleep(0.002)
        time.sleep(0.2)
        sink = _opened(server, tmp_path, pageSize=20)
        answer = server.answer

        def fail_from_the_second_on(*asked: Any) -> bytes:
            if server.asked > 1:
                raise RefusalError(500, "a fault")
            return answer(*asked)

        monkeypatch.setattr(server, "answer", fail_from_the_second_on)
        found = []
        with pytest.raises(SinkError, match="answered 500: a fault"):  # noqa: PT012 - its end raises
            for batch in sink.batches():
                found += bytes(batch.lines).splitlines()
        assert len(found) == 20
        monkeypatch.setattr(server, "answer", answer)
        assert len(_read(sink)) == 20


def test_a_redirect_is_refused(loki: LokiServer, tmp_path: Path) -> None:
    loki.refusals = [RefusalError(302, "", Location=f"{loki.url}/elsewhere")]
    with pytest.raises(SinkError, match="answered 302"):
        _read(_opened(loki, tmp_path))
    assert loki.asked == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tenant": None}, "answered 401: no org id"),
        ({"query": "app"}, "answered 400: parse error"),
        ({"query": 'rate({log="x"}[1m])'}, "expected a query of log entries, its result is a matrix"),
        ({"pageSize": 6000}, r"answered 400: max entries limit per query exceeded.*\(6000 > 5000\)"),
        ({"credentials": {"tokenFile": "nowhere"}}, "nowhere: cannot be read: No such file"),
        ({"tls": {"caFile": "nowhere"}}, "certificates cannot be used"),
    ],
)
def test_what_loki_refuses_is_said(
    changes: dict[str, Any], said: str, loki: LokiServer, tmp_path: Path
) -> None:
    with pytest.raises(SinkError, match=said):
        _read(_opened(loki, tmp_path, **changes))


def test_a_document_is_read_again_under_another_time_only(search: OpenSearchServer, tmp_path: Path) -> None:
    now = int(time.time() * 1000)
    for document_id in ("a", "b"):
        search.put(_line(1).encode(), now - 1000, document_id)
    time.sleep(0.2)
    sink = _opened(search, tmp_path)
    assert len(_read(sink)) == 2
    search.put(_line(2).encode(), now - 1000, "a")
    search.put(_line(3).encode(), now - 500, "b")
    time.sleep(0.2)
    assert _read(sink) == ["3"]


def test_a_document_of_the_future_waits(search: OpenSearchServer, tmp_path: Path) -> None:
    now = int(time.time() * 1000)
    search.put(_line(1).encode(), now + 3_600_000)
    search.put(_line(2).encode(), now)
    time.sleep(0.2)
    sink = _opened(search, tmp_path)
    assert _read(sink) == ["2"]
    search.put(_line(3).encode(), now - 30_000)
    time.sleep(0.2)
    assert _read(sink) == ["3"]


@pytest.mark.parametrize("part", ['"timed_out":true', '"failed":1'])
def test_an_answer_that_is_not_of_all_shards_is_none(
    part: str, search: OpenSearchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = part.partition(":")[0]
    whole = search.answer

    def partial(*asked: Any) -> bytes:
        content = whole(*asked).replace(f"{key}: 0".encode(), part.encode())
        return content.replace(b'"timed_out":false', part.encode()) if key == '"timed_out"' else content

    monkeypatch.setattr(search, "answer", partial)
    with pytest.raises(SinkError, match="only a part of the documents"):
        _read(_opened(search, tmp_path))


def test_an_index_that_is_not_there_is_an_error(search: OpenSearchServer, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"answered 404: .*index_not_found_exception"):
        _read(_opened(search, tmp_path, index="others"))


def test_an_api_key_is_sent(
    search: OpenSearchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(search, "_let_in", sent.append)
    (tmp_path / "key").write_text("aWQ6a2V5\n")
    _read(_opened(search, tmp_path, credentials=None, apiKeyFile="key"))
    assert sent == ["ApiKey aWQ6a2V5"]


def test_an_answer_that_never_ends(loki: LokiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes come one by one, each within the time-out of the connection."""
    monkeypatch.setattr(http_api, "_LONGEST", 0.2)
    monkeypatch.setattr(http_api, "_PIECE", 1)
    for number in range(2000):
        loki.put(time.time_ns(), "a", json.dumps({"id": str(number), "text": "x" * 1000}))
    with pytest.raises(SinkError, match="the answer takes more than"):
        _read(_opened(loki, tmp_path))


def test_predictions_of_the_one_meet_labels_of_the_other(
    loki: LokiServer, search: OpenSearchServer, tmp_path: Path
) -> None:
    """By the commands: `check` shows records of both, and `once` joins them, in two processes over one state."""
    now = time.time()
    content = monitor()
    content["spec"]["predictions"]["sink"] = loki.sink()
    content["spec"]["labels"]["sink"] = search.sink()
    path = write_monitor(tmp_path, content)
    for first in (0, 50):
        numbers = range(first, first + 50)
        predictions = [record(number, at=now - EPOCH - 60, prediction=number % 2) for number in numbers]
        loki.append([json.dumps(one).encode() for one in predictions])
        labels = [{"id": f"r{number}", "label": int(number % 4 == 1), "ts": now - 30} for number in numbers]
        search.append([json.dumps(one).encode() for one in labels])
        time.sleep(0.2)
        gauges = once(path, "--state-dir", tmp_path / "state", at=None)
    assert value(gauges, "ml_predictions_total") == 100
    assert value(gauges, "ml_model_accuracy") == 0.75
    assert value(gauges, "ml_sink_up", sink="labels") == 1
    assert "ml_sink_lag_bytes" not in gauges
    shown = exporter("check", path).stdout
    assert loki.url in shown
    assert f"{search.url} {search.index}" in shown


@pytest.mark.parametrize(
    "url",
    [
        "loki:3100",
        "http://",
        "ftp://loki",
        "http://a:secret@loki",
        "http://loki/?a=b",
        "http://lo ki",
        "http://[::1",
    ],
)
def test_what_is_no_url(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a URL") as raised:
        monitor_of({"loki": {"url": url, "query": "{}"}}, tmp_path)
    assert "secret" not in str(raised.value)
