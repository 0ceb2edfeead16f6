"""Whatever a log is written in, the figures are those of the same records as plain JSON lines."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard

from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, parse, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

Record = dict[str, Any]
FIELDS: Record = {
    "timestamp": "ts",
    "id": "id",
    "version": "version",
    "status": "status",
    "latency": {"field": "took", "unit": "ms"},
    "score": "score",
    "features": ["amount", "country", "known", "shop.name"],
}
TYPES = {
    "amount": {"type": "numeric"},
    "country": {"type": "categorical"},
    "known": {"type": "boolean"},
    "shop.name": {"type": "categorical"},
}


def records(count: int = 300) -> list[Record]:
    return [
        {
            "ts": EPOCH + number,
            "id": f"{number:05}",
            "version": "1.0",
            "status": 500 if number % 17 == 0 else 200,
            "took": number / 8,
            "score": number / 512,
            "amount": None if number % 11 == 0 else number / 4 - 20,
            "country": ["DE", "FR", 'a "quoted, one"', "two\nlines", "é;\t"][number % 5],
            "known": number % 2 == 0,
            "shop.name": None if number % 7 == 0 else f"shop {number % 3}",
        }
        for number in range(count)
    ]


def labels(count: int = 300) -> list[Record]:
    return [{"id": f"{number:05}", "label": number % 3 == 0, "ts": EPOCH + 60} for number in range(count)]


def lines(rows: Iterable[Record]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def csv_text(rows: list[Record], separator: str = ",", comma: str = ".", missing: str = "NA") -> bytes:
    """As programs write it that quote where they must."""

    def cell(item: Any) -> str:
        if item is None:
            return missing
        if isinstance(item, float):
            return repr(item).replace(".", comma)
        text = str(item)
        return '"' + text.replace('"', '""') + '"' if re.search('[,;"\t\n]', text) else text

    header = separator.join(rows[0])
    return "\n".join([header, *(separator.join(map(cell, row.values())) for row in rows), ""]).encode()


def parquet(rows: list[Record], path: Path) -> None:
    source = path.with_name("rows.json")
    source.write_bytes(lines(rows))
    columns = dict.fromkeys(rows[0], "VARCHAR") | {
        "ts": "TIMESTAMP" if "took" in rows[0] else "DOUBLE",
        "status": "SMALLINT",
        "took": "DECIMAL(18, 3)",
        "score": "DOUBLE",
        "amount": "DECIMAL(9, 2)",
        "known": "BOOLEAN",
        "label": "BOOLEAN",
    }
    stamps = "to_timestamp(ts)::TIMESTAMP AS ts" if columns["ts"] == "TIMESTAMP" else "ts AS ts"
    typed = ", ".join(f"'{name}': '{columns[name] if name != 'ts' else 'DOUBLE'}'" for name in rows[0])
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"COPY (SELECT * REPLACE ({stamps}) FROM read_json('{source}', format = 'newline_delimited', "
            f"columns = {{{typed}}})) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
        )
    source.unlink()


Write = Callable[[Path, list[Record]], object]


def zst(content: bytes) -> bytes:
    half = len(content) // 2
    compressor = zstandard.ZstdCompressor()
    return compressor.compress(content[:half]) + compressor.compress(content[half:])


# The usual ones are in tests/formats.
FORMS: dict[str, tuple[str, Write, str | None]] = {
    "rotated": ("log.json.2.gz", lambda path, rows: path.write_bytes(gzip.compress(lines(rows))), None),
    "csv by its key": ("log.txt", lambda path, rows: path.write_bytes(csv_text(rows)), "csv"),
    "csv with a mark": (
        "log.csv",
        lambda path, rows: path.write_bytes(b"\xef\xbb\xbf" + csv_text(rows)),
        None,
    ),
    "csv of Windows": (
        "log.csv.1",
        lambda path, rows: path.write_bytes(
            csv_text(rows, missing="").replace(b"\n", b"\r\n").replace(b"two\r\n", b"two\n")
        ),
        None,
    ),
    "csv with semicolons": (
        "log.csv",
        lambda path, rows: path.write_bytes(csv_text(rows, ";", ",", "NULL")),
        None,
    ),
    "csv with tabs": (
        "log.tsv",
        lambda path, rows: path.write_bytes(csv_text(rows, "\t", missing="None")),
        None,
    ),
    "csv, compressed": (
        "log.csv.gz",
        lambda path, rows: path.write_bytes(gzip.compress(csv_text(rows))),
        None,
    ),
    "csv, its header again": (
        "log.csv",
        lambda path, rows: path.write_bytes(csv_text(rows[:100]) + csv_text(rows[100:])),
        None,
    ),
    "csv, another header": (
        "log.csv",
        lambda path, rows: path.write_bytes(
            csv_text(rows[:100]) + csv_text([dict(reversed({"new": 1, **row}.items())) for row in rows[100:]])
        ),
        None,
    ),
    "parquet by its key": ("part-0", lambda path, rows: parquet(rows, path), "parquet"),
}


def figures(folder: Path, name: str, write: Write, format_: str | None) -> Gauges:
    """All that ``once`` exports of both logs, but what the clock and the files themselves tell."""
    made = monitor(features=TYPES)
    for log, rows in (("predictions", records()), ("labels", labels())):
        (folder / log).mkdir(parents=True)
        write(folder / log / name, rows)
        made["spec"][log]["sink"]["file"] = {
            "path": f"{log}/{name}",
            **({"format": format_} if format_ else {}),
        }
    made["spec"]["predictions"]["fields"] = FIELDS
    path = write_monitor(folder, made)
    checked = exporter("check", path)
    assert "300 of the first 300 records usable" in checked.stdout
    assert "warning" not in checked.stdout
    gauges = once(path)
    assert value(gauges, "ml_sink_lag_bytes", sink="predictions") == 0
    kept = {
        name: series
        for name, series in gauges.items()
        if not name.startswith(("ml_exporter_", "ml_monitor_", "python_"))
    }
    return {name: sorted(series, key=repr) for name, series in kept.items()}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Gauges:
    folder = tmp_path_factory.mktemp("plain")
    gauges = figures(folder, "log.jsonl", lambda path, rows: path.write_bytes(lines(rows)), None)
    assert gauges["ml_model_accuracy"]
    return gauges


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_figures_are_those_of_plain_lines(
    form: tuple[str, Write, str | None], tmp_path: Path, expected: Gauges
) -> None:
    assert figures(tmp_path / "other", *form) == expected


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("log.gz", b'{"ts": 1}\n', 2, "not gzip, as its name says: it begins with b'{\"ts\": 1'"),
        ("log.gz", gzip.compress(b"x" * 999, mtime=0)[:-9] + bytes(9), 2, "log.gz: damaged: "),
        (
            "log.gz",
            gzip.compress(b'{"ts": 1}\n', mtime=0) + b"more",
            1,
            "log.gz: damaged: after a member of gzip comes b'more'",
        ),
        ("log.gz", b"", 0, "no records yet"),
        ("log.gz", gzip.compress(b"", mtime=0)[:5], 0, "no records yet"),
        ("log.zst", b"\xff" * 99, 2, "not zstandard, as its name says"),
        ("log.zst", zst(b"x" * 999)[:9] + bytes(range(99)), 2, "log.zst: damaged: "),
        ("log.csv", b"ts,score\n", 0, "no records yet"),
        ("log.csv", b"ts,score\n1,2,3\n4\n", 2, "with a quote in the wrong place: 2"),
        ("log.parquet", b"PAR1" + bytes(99), 2, "no whole Parquet file: its footer is missing"),
        ("log.parquet", b"hello, world", 2, "no Parquet file: it begins with b'hell'"),
        ("log.parquet", b"PAR1" + bytes(99) + b"\x30\0\0\0PAR1", 2, "cannot be read as Parquet: "),
        ("log.parquet", b"", 2, "no whole Parquet file"),
    ],
)
def test_check_says_what_cannot_be_read(
    name: str, content: bytes, code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    made = monitor(labels=None)
    made["spec"]["predictions"]["sink"]["file"]["path"] = name
    done = exporter("check", write_monitor(tmp_path, made), check=False)
    assert said in done.stdout + done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_once_reads_what_is_beside_a_damaged_file(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", records(29)[20:])
    whole = gzip.compress(lines(records(20)))
    (tmp_path / "logs/predictions.1.gz").write_bytes(whole[:-6] + bytes(6))
    made = monitor(labels=None)
    made["spec"]["predictions"]["sink"]["file"]["path"] = "logs/*"
    done = exporter("once", write_monitor(tmp_path, made), check=False)
    assert done.returncode == 1
    assert f"{tmp_path}/logs/predictions.1.gz: damaged: " in done.stderr
    gauges = parse(done.stdout)
    assert value(gauges, "ml_sink_up", sink="predictions") == 0
    assert value(gauges, "ml_sink_records_total", sink="predictions") == 29


def test_rows_that_are_none_are_counted(tmp_path: Path) -> None:
    content = csv_text(records(20)).replace(b"\n", b"\n1,2\n", 3) + b'"x" y,2\n'
    (tmp_path / "log.csv").write_bytes(content)
    made = monitor(labels=None, features=TYPES)
    made["spec"]["predictions"] |= {"sink": {"file": {"path": "log.csv"}}, "fields": FIELDS}
    path = write_monitor(tmp_path, made)
    gauges = once(path)
    assert value(gauges, "ml_sink_rejected_records_total", sink="predictions", reason="malformed") == 4
    assert value(gauges, "ml_sink_records_total", sink="predictions") == 24
    assert value(gauges, "ml_predictions_total") == 20
    assert "with a quote in the wrong place: 4" in exporter("check", path).stdout
