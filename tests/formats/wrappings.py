"""Plain JSON lines in what container runtimes and loggers put around them, and in other kinds of file."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import zstandard

from tests.formats.dataset import Request, dumps, iso
from tests.formats.format import Format
from tests.formats.own import write_csv, write_plain

_STARTED = "INFO:     Uvicorn running on http://0.0.0.0:8080"
_FOREIGN = 5


def _timed(requests: Sequence[Request]) -> Iterator[tuple[str, str]]:
    """Yield each plain line with the time of its request."""
    times = (request.at for request in requests for _ in request.rows)
    for at, line in zip(times, write_plain(requests).decode().splitlines(), strict=True):
        yield iso(at, digits=9), line


def write_docker(requests: Sequence[Request]) -> bytes:
    """Docker's json-file: a long line in two records, the first without its newline; what went to stderr between."""
    written = []
    for number, (time, line) in enumerate(_timed(requests)):
        if number < _FOREIGN:
            written.append({"log": f"{_STARTED}\n", "stream": "stderr", "time": time})
        parts = [line[:100], f"{line[100:]}\n"] if number % 10 == 3 else [f"{line}\n"]
        written += [{"log": part, "stream": "stdout", "time": time} for part in parts]
    return "".join(f"{dumps(record)}\n" for record in written).encode()


def write_cri(requests: Sequence[Request]) -> bytes:
    """CRI's log: a long line in parts ``P`` and a last one ``F``, with what went to stderr in between."""
    written = []
    for number, (time, line) in enumerate(_timed(requests)):
        if number % 10 == 3:
            written += [f"{time} stdout P {line[:60]}", f"{time} stdout P {line[60:120]}"]
            if number < _FOREIGN * 10:
                written.append(f"{time} stderr F {_STARTED}")
            line = line[120:]
        written.append(f"{time} stdout F {line}")
    return "".join(f"{line}\n" for line in written).encode()


def write_prefix(requests: Sequence[Request]) -> bytes:
    """Python's logging: time, level and logger before the JSON."""
    return "".join(
        f"{time[:10]} {time[11:19]},000 INFO app.predictions: {line}\n" for time, line in _timed(requests)
    ).encode()


def write_gzip(requests: Sequence[Request]) -> bytes:
    """Two members, as a rotated file that was appended to."""
    return b"".join(gzip.compress(half, mtime=0) for half in _halves(write_plain(requests)))


def write_zstd(requests: Sequence[Request]) -> bytes:
    """Two frames."""
    return b"".join(zstandard.compress(half) for half in _halves(write_plain(requests)))


def _halves(content: bytes) -> tuple[bytes, bytes]:
    """Cut in the midst of a line: a member need not end with one."""
    return content[: len(content) // 2], content[len(content) // 2 :]


def write_parquet(requests: Sequence[Request]) -> bytes:
    """A column for each field: the timestamp as TIMESTAMP WITH TIME ZONE, the id as text."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as database:
        source, target = Path(folder, "log.csv"), Path(folder, "log.parquet")
        source.write_bytes(write_csv(requests))
        database.execute("SET TimeZone = 'UTC'")
        database.execute(
            f"COPY (SELECT * FROM read_csv('{source}', types = {{'ts': 'TIMESTAMPTZ', 'id': 'VARCHAR'}}))"
            f" TO '{target}' (FORMAT parquet)"
        )
        return target.read_bytes()


def _format(name: str, write: Callable[[Sequence[Request]], bytes], suffix: str, foreign: int = 0) -> Format:
    return Format(name, write, suffix=suffix, foreign_lines=foreign)


WRAPPINGS = (
    _format("docker", write_docker, "-json.log", _FOREIGN),
    _format("cri", write_cri, ".log", _FOREIGN),
    _format("prefix", write_prefix, ".log"),
    _format("gzip", write_gzip, ".jsonl.gz"),
    _format("zstd", write_zstd, ".jsonl.zst"),
    _format("parquet", write_parquet, ".parquet"),
)
