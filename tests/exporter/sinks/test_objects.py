"""Objects of a bucket: what only they do, beside what the shared suite tries of every sink."""

from __future__ import annotations

import gzip
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard

from exporter.sinks.objects.place import Place
from exporter.sinks.objects.sink import FLOOR, ObjectsSink
from exporter.sinks.reader import open_sink
from exporter.sinks.sink import Batch, SinkError
from mlslo.monitor import load
from mlslo.yamlfile import InputError
from tests.support.commands import exporter
from tests.support.logs import AT, monitor, record, write_lines, write_monitor
from tests.support.paths import ROOT
from tests.support.sessions import blocks
from tests.support.sinks.objects import BUCKET, ObjectsServer
from tests.support.sinks.reading import monitor_of

Records = list[dict[str, Any]]


class Logs:
    """Objects in a folder, which obstore reads as it does a bucket, and what is committed of them."""

    def __init__(self, folder: Path, path: str = "dt=%Y-%m-%d/", **settings: Any) -> None:
        self.root = folder / "logs"
        self.sink = {"objects": {"url": f"file://{self.root}/{path}", **settings}}
        self._folder = folder
        self.positions: dict[str, str] = {}

    def put(self, key: str, content: bytes) -> Path:
        """Store an object as a bucket does: whole, or not at all."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}")
        new.write_bytes(content)
        new.replace(path)
        return path

    def open(self) -> ObjectsSink:
        monitored = monitor_of(self.sink, self._folder / "monitor")
        sink = open_sink(monitored, monitored.spec.predictions.sink, self.positions)
        assert isinstance(sink, ObjectsSink)
        return sink

    def batches(self, sink: ObjectsSink | None = None) -> Iterator[Batch]:
        """Yield what is new, and commit each."""
        with closing(sink or self.open()) as opened:
            for batch in opened.batches():
                yield batch
                for key, text in batch.positions.items():
                    if text:
                        self.positions[key] = text
                    else:
                        del self.positions[key]

    def read(self, sink: ObjectsSink | None = None) -> list[int]:
        """Return the numbers in what is new."""
        return [number for batch in self.batches(sink) for number in numbers(batch)]

    def fails(self, sink: ObjectsSink | None = None) -> tuple[list[int], str]:
        """Return the numbers in what is new, and what is said of the rest."""
        found: list[int] = []
        with pytest.raises(SinkError) as error:  # noqa: PT012
            for batch in self.batches(sink):
                found += numbers(batch)
        return found, str(error.value)


def numbers(batch: Batch) -> list[int]:
    return [int(json.loads(line)["n"]) for line in batch.lines.tobytes().splitlines()]


def lines(first: int, last: int, **more: Any) -> bytes:
    return b"".join(json.dumps({"n": n, **more}).encode() + b"\n" for n in range(first, last))


def parquet(path: Path, first: int, last: int) -> bytes:
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT range AS n FROM range({first}, {last})) TO '{path}' (FORMAT parquet)"
        )
    return path.read_bytes()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectsServer]:
    found = ObjectsServer(tmp_path_factory.mktemp("server"))
    yield found
    found.close()


FORMATS: dict[str, Callable[[Path, int, int], bytes]] = {
    "jsonl": lambda _, first, last: lines(first, last),
    "csv": lambda _, first, last: b"n,x\n" + b"".join(b"%d,a\n" % n for n in range(first, last)),
    "tsv.gz": lambda _, first, last: gzip.compress(
        b"n\tx\n" + b"".join(b"%d\ta\n" % n for n in range(first, last))
    ),
    "json.gz": lambda _, first, last: gzip.compress(lines(first, last)),
    "jsonl.zst": lambda _, first, last: zstandard.compress(lines(first, last)),
    "parquet": parquet,
    # A writer that ends its last line with the object.
    "ndjson": lambda _, first, last: lines(first, last).rstrip(),
}


@pytest.mark.slow
def test_every_format_comes_from_a_bucket(server: ObjectsServer, tmp_path: Path) -> None:
    server.begin()
    for position, (ending, content) in enumerate(FORMATS.items()):
        first = position * 3000
        server.put(server.key(f"part.{ending}"), content(tmp_path / "x", first, first + 3000))
    logs = Logs(tmp_path)
    logs.sink = server.sink()
    assert sorted(logs.read()) == list(range(3000 * len(FORMATS)))
    assert not list(logs.batches())


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["jsonl", "csv", "json.gz", "parquet"])
def test_a_large_object_goes_on_where_it_was(ending: str, tmp_path: Path) -> None:
    """By another process, after any of its batches."""
    logs = Logs(tmp_path)
    rows = 900_000 if ending == "parquet" else 150_000
    if ending == "parquet":
        content = parquet(tmp_path / "x", 0, rows)
    else:
        text = "x" * 200
        whole = b"n,x\n" if ending == "csv" else b""
        whole += b"".join(
            (b"%d,%s\n" if ending == "csv" else b'{"n": %d, "x": "%s"}\n') % (n, text.encode())
            for n in range(rows)
        )
        content = gzip.compress(whole, 1) if ending == "json.gz" else whole
    logs.put(f"dt={datetime.now(UTC):%Y-%m-%d}/a.{ending}", content)
    found: list[int] = []
    for _ in range(100):
        batches = logs.batches()
        batch = next(batches, None)
        if batch is None:
            break
        assert len(batch.lines) <= 33 << 20
        # Asked for the next one, the sink knows that this one is committed.
        found += numbers(batch)
        logs.positions.update(batch.positions)
        batches.close()  # type: ignore[attr-defined]
    assert found == list(range(rows))


def test_objects_of_a_backlog_come_in_few_batches(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "")
    for number in range(1500):
        logs.put(f"part-{number:05d}.jsonl", lines(number, number + 1))
    batches = list(logs.batches())
    assert sorted(n for batch in batches for n in numbers(batch)) == list(range(1500))
    assert len(batches) <= 3


def test_late_objects_are_read_within_the_lookback_and_forgotten_behind_it(tmp_path: Path) -> None:
    logs = Logs(tmp_path, lookback="2d", since="2026-01-01")
    for day in (1, 2, 5):
        logs.put(f"dt=2026-01-{day:02d}/b.jsonl", lines(day, day + 1))
    logs.put("dt=2025-12-31/b.jsonl", lines(0, 1))
    assert sorted(logs.read()) == [1, 2, 5]
    assert {key.rpartition("dt=")[2] for key in logs.positions} == {FLOOR, "2026-01-05/b.jsonl"}
    # In whatever order of names.
    logs.put("dt=2026-01-03/a.jsonl", lines(3, 4))
    logs.put("dt=2026-01-05/a.jsonl", lines(6, 7))
    logs.put("dt=2026-01-02/a.jsonl", lines(7, 8))
    assert sorted(logs.read()) == [3, 6]
    assert not list(logs.batches())


def test_without_a_date_times_of_modification_count(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "", lookback="2d")
    now = datetime.now(UTC)

    def put(name: str, days: float, number: int) -> None:
        path = logs.put(name, lines(number, number + 1))
        os.utime(path, times=((now - timedelta(days=days)).timestamp(),) * 2)

    put("years-ago.jsonl", 900, 0)
    put("today.jsonl", 0, 1)
    assert sorted(logs.read()) == [0, 1]
    # Those that are behind are forgotten, and not read again.
    assert {key.rpartition("/")[2] for key in logs.positions} == {"floor", "today.jsonl"}
    put("a-day-ago.jsonl", 1, 2)
    assert logs.read() == [2]


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_an_object_that_grows_goes_on_and_one_that_is_stored_again_is_known(
    ending: str, tmp_path: Path
) -> None:
    logs = Logs(tmp_path, "")
    key, packed = f"a.{ending}", gzip.compress if ending.endswith("gz") else bytes
    first, second = packed(lines(0, 500)), packed(lines(500, 700))
    logs.put(key, first)
    assert logs.read() == list(range(500))
    logs.put(key, first)
    assert logs.read() == []
    logs.put(key, first + second)
    assert logs.read() == list(range(500, 700))
    assert not list(logs.batches())


@pytest.mark.parametrize("content", [lines(900, 1500), lines(900, 901), b""])
def test_an_object_that_is_written_over_is_said_and_counted_once(content: bytes, tmp_path: Path) -> None:
    logs = Logs(tmp_path, "")
    logs.put("a.jsonl", lines(0, 500))
    logs.read()
    logs.put("a.jsonl", content)
    logs.put("b.jsonl", lines(7, 8))
    rejected = []
    with pytest.raises(SinkError, match=r"a\.jsonl: was written over after it was read"):  # noqa: PT012
        for batch in logs.batches():
            rejected.append(batch.rejected)
            assert numbers(batch) == [7]
    assert rejected == [{"overwritten": 1}]
    assert not list(logs.batches())


@pytest.mark.parametrize("kind", ["gzip", "truncated", "parquet", "too large"])
def test_a_damaged_object_stops_no_other_and_is_tried_again_once_it_is_another(
    kind: str, tmp_path: Path
) -> None:
    logs = Logs(tmp_path, "", maxBytes=1 << 20)
    whole, key = gzip.compress(lines(0, 5)), "a.jsonl.gz"
    broken = {
        "gzip": b"no gzip at all",
        "truncated": whole[:-9],
        "parquet": b"PAR1 and no footer",
        "too large": bytes(2 << 20),
    }[kind]
    if kind in ("parquet", "too large"):
        key, whole = "a.parquet", parquet(tmp_path / "x", 0, 5)
    logs.put(key, broken)
    logs.put("b.jsonl", lines(5, 10))
    sink = logs.open()
    found, said = logs.fails(sink)
    assert [n for n in found if n >= 5] == list(range(5, 10))
    assert said.startswith(f"file:///{str(logs.root / key).lstrip('/')}: ")
    assert sink.lag() == len(broken)
    # It is not asked for again.
    assert logs.fails(sink) == ([], said)
    logs.put(key, whole)
    # Of a truncated one, what was there has been counted.
    assert sorted(found + logs.read(sink)) == list(range(10))
    assert sink.lag() == 0


def test_an_empty_folder_is_an_error_until_something_was_read(tmp_path: Path) -> None:
    logs = Logs(tmp_path, lookback="2d")
    logs.root.mkdir()
    assert logs.fails()[1].startswith("no object of ")
    # Nothing yet of a new day, nor of a log that is silent.
    path = logs.put(f"dt={datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}/a.jsonl", lines(0, 1))
    assert logs.read() == [0]
    path.unlink()
    assert logs.read() == []
    logs.sink["objects"]["url"] = f"file://{tmp_path}/lags/dt=%Y-%m-%d/"
    assert "is the url right?" in logs.fails()[1]


@pytest.mark.parametrize("hours", [9000, -9000])
def test_a_clock_that_is_wrong_loses_and_doubles_nothing(
    hours: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = Logs(tmp_path)
    today = f"dt={datetime.now(UTC):%Y-%m-%d}"
    logs.put(f"{today}/a.jsonl", lines(0, 5))
    assert logs.read() == list(range(5))

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=hours)

    monkeypatch.setattr("exporter.sinks.objects.sink.datetime", Wrong)
    logs.put(f"{today}/b.jsonl", lines(5, 7))
    if hours > 0:
        assert logs.read() == [5, 6]
    else:
        assert "is it right?" in logs.fails()[1]
    monkeypatch.undo()
    logs.put(f"{today}/c.jsonl", lines(7, 9))
    assert sorted(logs.read()) == ([7, 8] if hours > 0 else [5, 6, 7, 8])


def test_a_long_listing_is_whole_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two of them, what is recent is read all the same."""
    monkeypatch.setattr("exporter.sinks.objects.sink._SLOW", -1.0)
    monkeypatch.setattr("exporter.sinks.objects.sink._APART", 1e9)
    logs = Logs(tmp_path)
    now = datetime.now(UTC)
    logs.put(f"dt={now:%Y-%m-%d}/a.jsonl", lines(0, 1))
    sink = logs.open()
    assert logs.read(sink) == [0]
    logs.put(f"dt={now:%Y-%m-%d}/b.jsonl", lines(1, 2))
    logs.put(f"dt={now - timedelta(days=2):%Y-%m-%d}/late.jsonl", lines(2, 3))
    assert logs.read(sink) == [1]
    assert [n for batch in sink.batches(final=True) for n in numbers(batch)] == [2]


def test_a_bucket_that_is_gone_and_credentials_that_are_missing_are_said(
    server: ObjectsServer, tmp_path: Path
) -> None:
    logs = Logs(tmp_path)
    logs.sink = server.sink()
    logs.sink["objects"]["url"] = "s3://no-such-bucket/logs/"
    assert logs.fails()[1].startswith("s3://no-such-bucket: there is no such bucket")
    logs.sink["objects"] |= {"url": f"s3://{BUCKET}/x/", "profile": "prod"}
    assert "expected a section [prod]" in logs.fails()[1]
    logs.sink["objects"]["credentialsFile"] = "nowhere"
    assert "credentialsFile nowhere: No such file" in logs.fails()[1]


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    logs = Logs(tmp_path)
    assert "needs the extra 'objects'" in logs.fails()[1]


@pytest.mark.parametrize("text", ["", "x", "= 1 2 3 4", "=v 1 2 3", ">v 1 2 3 x", "?v 1 2 3 4"])
def test_places_of_another_shape_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="another shape"):
        Place.restored(text)


def test_places_are_restored() -> None:
    for place in (
        Place("v", 1, 2, 3),
        Place("v", 1, 2, 3, 4, True),
        Place("v", 1, 2, 3, 4, rest='![",", "a b", "c"]'),
    ):
        assert Place.restored(place.text) == place
        assert Place.is_done(place.text, "v") == place.done
    assert not Place.is_done(Place("v2", 1, 2, 3, done=True).text, "v")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "http://bucket/x"}, "expected s3://bucket/prefix"),
        ({"url": "s3:///x"}, "expected s3://bucket/prefix"),
        ({"url": "s3://b/%Y/%j"}, "got '%j'"),
        ({"url": "s3://b/%m-%d"}, "begins with the year"),
        ({"url": "s3://b/x", "since": "2026-01-01"}, "since needs a date in the url"),
        ({"url": "s3://b/%Y", "since": "yesterday"}, "expected a date such as"),
        ({"url": "gs://b/x", "region": "eu-central-1"}, "region is of s3:// only"),
        ({"url": "s3://b/x", "account": "a"}, "account is of az:// only"),
        ({"url": "s3://b/x", "anonymous": True, "credentialsFile": "x"}, "anonymous or credentialsFile"),
        ({"url": "s3://b/x", "endpoint": "minio:9000"}, "https?://"),
        ({"url": "s3://b/x", "secretAccessKey": "abc"}, "secretAccessKey"),
    ],
)
def test_mistakes_in_the_settings_are_said(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    content = monitor(labels=None)
    content["spec"]["predictions"]["sink"] = {"objects": settings}
    with pytest.raises(InputError) as error:
        load(write_monitor(tmp_path, content))
    assert said in str(error.value)


def test_the_example_of_the_page_is_taken(tmp_path: Path) -> None:
    (block,) = (
        block for block in blocks((ROOT / "docs/sinks/objects.md").read_text(encoding="utf-8")) if block.file
    )
    path = tmp_path / str(block.file)
    path.write_text(block.text, encoding="utf-8")
    predictions = load(path).spec.predictions.sink.objects
    assert predictions is not None
    assert predictions.lookback.seconds == 3 * 86400


def test_commands_read_objects_as_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    records = [record(n, at=n, prediction=n % 2) for n in range(300)]
    write_lines(tmp_path / "logs" / "predictions.jsonl", records)
    write_lines(tmp_path / "bucket" / "dt=2026-01-10" / "a.jsonl", records[:200])
    write_lines(tmp_path / "bucket" / "dt=2026-01-10" / "b.jsonl", records[200:])
    content = monitor(labels=None)
    files = exporter("once", write_monitor(tmp_path, content), "--at", AT).stdout
    content["spec"]["predictions"]["sink"] = {
        "objects": {"url": f"file://{tmp_path}/bucket/dt=%Y-%m-%d/", "since": "2026-01-01"}
    }
    path = write_monitor(tmp_path, content)
    with caplog.at_level(logging.WARNING):
        objects = exporter("once", path, "--at", AT).stdout

    def of_data(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith(("ml_feature_", "ml_prediction"))]

    assert of_data(objects) == of_data(files)
    assert len(of_data(files)) > 10
    checked = exporter("check", path).stdout
    assert f"file://{tmp_path}/bucket/dt=2026-01-10/" in checked
    assert "usable" in checked
