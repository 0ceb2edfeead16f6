"""Content that no logger means to write: NULs, endless lines, other encodings. What is whole behind it is read."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from exporter.parse.json_lines import LONGEST_RECORD
from exporter.sinks.compression import Decompressed
from exporter.sinks.content import Plain
from exporter.sinks.files import FileSink
from tests.support.logs import monitor, once, record, value, write_monitor

_GIB = 1 << 30


class Reading:
    """A sink that is opened anew for each look, as after a crash, and what it has read. ``rejected``: too long."""

    def __init__(self, pattern: Path) -> None:
        self.pattern = pattern
        self.positions: dict[str, str] = {}
        self.too_long = 0

    def read(self, *, final: bool = False) -> list[bytes]:
        found: list[bytes] = []
        sink = FileSink(self.pattern, self.positions)
        for batch in sink.batches(final=final):
            found += filter(None, batch.lines.tobytes().splitlines())
            self.positions.update(batch.positions)
            self.too_long += batch.too_long
            assert not batch.rejected
        sink.close()
        return found


def test_a_hole_as_long_as_a_truncated_log_is_not_read(tmp_path: Path) -> None:
    """A writer that does not append goes on at its old offset: 20 GiB of NULs that no disk holds."""
    log = tmp_path / "log.jsonl"
    with log.open("wb") as file:
        file.write(b'{"a": 1}\n')
    reading = Reading(log)
    assert reading.read() == [b'{"a": 1}']
    with log.open("r+b") as file:
        file.truncate(0)
        file.seek(20 * _GIB)
        file.write(b'{"a": 2}\n{"a": ')
    tracemalloc.start()
    assert reading.read() == [b'{"a": 2}']
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20
    assert reading.read() == []
    with log.open("ab") as file:
        file.write(b"3}\n")
    assert reading.read() == [b'{"a": 3}']
    assert reading.too_long == 0


@pytest.mark.parametrize("nulls", [2, 3 << 20])
@pytest.mark.parametrize("before", [b"", b'{"a": 0}\n', b'{"torn": '])
@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz"])
def test_nulls_cost_no_record(
    nulls: int, before: bytes, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a crash of the machine leaves them: on disk, between two records or behind the beginning of one."""
    for kind in (Plain, Decompressed):
        monkeypatch.setattr(kind, "most", 1 << 20)
    content = before + b"\0" * nulls + b'{"a": 1}\n{"a": 2}\n'
    (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    reading = Reading(tmp_path / name)
    expected = [*filter(None, [before.removesuffix(b"\n")]), b'{"a": 1}', b'{"a": 2}']
    assert reading.read() == expected
    assert reading.read() == []
    assert reading.too_long == 0


def test_nulls_before_rows_of_csv(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_bytes(b"\0" * 1000 + b"a,b\n1,x\n")
    reading = Reading(log)
    assert reading.read() == [b'{"a": 1, "b": "x"}']


def test_nulls_alone_tell_no_file_from_another(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(b"\0" * 5000)
    reading = Reading(tmp_path / "*.jsonl")
    assert reading.read() == []
    for name in ("a", "b"):
        with (tmp_path / f"{name}.jsonl").open("ab") as file:
            file.write(b'{"n": "%s"}\n' % name.encode())
    assert reading.read() == [b'{"n": "a"}', b'{"n": "b"}']


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
def test_a_line_of_100_mb_in_pieces_over_restarts_counts_once(name: str, tmp_path: Path) -> None:
    log = tmp_path / name
    begin, end = (b"x\n1\n", b"2\n") if name == "log.csv" else (b'{"x": 1}\n', b'{"x": 2}\n')
    log.write_bytes(begin)
    reading = Reading(log)
    assert reading.read() == [b'{"x": 1}']
    piece = b"y" * (1 << 20)
    tracemalloc.start()
    for number in range(100):
        with log.open("ab") as file:
            file.write(piece)
        if number % 9 == 0:
            assert reading.read() == []
    with log.open("ab") as file:
        file.write(b"\n" + end)
    assert reading.read() == [b'{"x": 2}']
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reading.too_long == 1
    assert peak < 40 << 20


def test_every_line_longer_than_a_record_is_counted(tmp_path: Path) -> None:
    """Also those that fit into a batch, wherever they are in it."""

    def line(length: int) -> bytes:
        return b'{"x": "' + b"y" * (length - len(b'{"x": ""}\n')) + b'"}\n'

    short, longest, long, longer = (
        line(n) for n in (100, LONGEST_RECORD - 1, LONGEST_RECORD, 3 * LONGEST_RECORD)
    )
    content = [long, short, longest, longer, long, longest, short, longer]
    (tmp_path / "log.jsonl").write_bytes(b"".join(content))
    reading = Reading(tmp_path / "log.jsonl")
    assert reading.read() == [text.strip() for text in (short, longest, longest, short)]
    assert reading.too_long == 4


def test_what_a_command_counts_of_odd_lines(tmp_path: Path) -> None:
    """CRLF, a mark at the beginning, no newline at the end; other encodings and long lines, by their reasons."""
    lines = [json.dumps(record(number, at=60 + number)).encode() for number in range(7)]
    lines[1] = lines[1].replace(b"DE", b"\xff\xfe")
    lines[2] = lines[2].replace(b"DE", b"\xc3\xa9")
    lines[3] = lines[3].replace(b'"latency_ms": 20.0', b'"latency_ms": ' + b"9" * 400)
    lines[4] = lines[4].replace(b'"amount": 1.0', b'"amount": 123456789012345678901234567890')
    lines[5] = b'{"x": "' + b"y" * (3 << 20) + b'"}'
    # A whole number of so many digits is one, also where the line does not end.
    lines[6] = lines[6][:-1] + b', "more": ' + b"9" * 5000 + b"}"
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/predictions.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    features = {"amount": {"type": "numeric"}, "country": {"type": "categorical"}}
    gauges = once(write_monitor(tmp_path, monitor(labels=None, features=features)))
    rejected = {labels["reason"]: n for labels, n in gauges["ml_sink_rejected_records_total"] if n}
    assert rejected == {"malformed": 1, "too_long": 1}
    assert value(gauges, "ml_sink_records_total", sink="predictions") == 7
    assert value(gauges, "ml_predictions_total", version="v1") == 5
    assert value(gauges, "ml_feature_mean", feature="amount") == pytest.approx(
        123456789012345678901234567890 / 5
    )
    assert value(gauges, "ml_sink_lag_bytes", sink="predictions") == 0
