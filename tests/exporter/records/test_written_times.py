"""`timezone` and `timeFormat` of predictions and labels, and clocks that are hours off."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import exporter
from tests.support.logs import monitor, once, record, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

LOCAL = {"timezone": "Europe/Berlin"}
GERMAN = {"timezone": "Europe/Berlin", "timeFormat": ["%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M"]}


def write(
    folder: Path, predictions: list[str], labels: list[str], settings: dict[str, Any], **of_labels: Any
) -> Path:
    """A monitor of records at these times; ``settings`` of predictions, and of labels where none are given."""
    content = monitor()
    content["spec"]["predictions"] |= settings
    content["spec"]["labels"] |= of_labels or settings
    rows = enumerate(predictions)
    write_lines(folder / "logs/predictions.jsonl", (record(n, at=0) | {"ts": stamp} for n, stamp in rows))
    known = ({"id": f"r{n}", "label": 1, "ts": stamp} for n, stamp in enumerate(labels))
    write_lines(folder / "logs/labels.jsonl", known)
    return write_monitor(folder, content)


def test_predictions_and_labels_in_local_time(tmp_path: Path) -> None:
    stamps = ["2026-01-10T01:30:00", "2026-01-10 01:40:00,123", "2026-01-10T00:45:00Z"]
    gauges = once(write(tmp_path, stamps, ["2026-01-10T02:00:00", "2026-01-10T01:55:00"], LOCAL))
    assert value(gauges, "ml_monitor_samples", version="v1") == 3
    assert value(gauges, "ml_label_delay_seconds", quantile="0.5") == pytest.approx(1350, abs=500)


def test_formats_of_ones_own(tmp_path: Path) -> None:
    stamps = ["10.01.2026 01:30:00", "10.01.2026 01:40", "2026-01-10T00:45:00Z"]
    path = write(tmp_path, stamps, ["10.01.2026 01:55:00", "tomorrow"], GERMAN)
    gauges = once(path)
    assert (
        value(gauges, "ml_sink_rejected_records_total", sink="predictions", reason="invalid_timestamp") == 1
    )
    assert value(gauges, "ml_sink_rejected_records_total", sink="labels", reason="invalid_timestamp") == 1


@pytest.mark.parametrize("sink", ["predictions", "labels"])
@pytest.mark.parametrize(
    ("key", "written", "said"),
    [
        ("timezone", "Europe/Berln", "got 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ("timezone", "+5:30", "or an offset such as +05:30, got '+5:30'"),
        ("timezone", "+15:00", "or an offset such as +05:30, got '+15:00'"),
        ("timezone", "localtime", "expected a time zone such as Europe/Berlin"),
        ("timezone", "../../etc/passwd", "expected a time zone such as Europe/Berlin"),
        ("timeFormat", "%d.%m.%Q", "'%Q' in '%d.%m.%Q' is no part of a time; expected %a, "),
        ("timeFormat", "%d.%m.%Y %", "'%' in '%d.%m.%Y %' is no part of a time"),
        ("timeFormat", "%H:%M:%S", "expected a format with year, month and day such as %d.%m.%Y"),
        ("timeFormat", "yyyy-MM-dd", "expected a format with year, month and day such as %d.%m.%Y"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    sink: str, key: str, written: str, said: str, tmp_path: Path
) -> None:
    content = monitor()
    content["spec"][sink][key] = written
    path = write_monitor(tmp_path, content)
    line, text = next(
        (n, text)
        for n, text in enumerate(path.read_text().splitlines(), 1)
        if text.strip().startswith(f"{key}:")
    )
    done = exporter("check", path, check=False)
    assert done.returncode == 2
    assert f"{path}:{line}:{text.index(': ') + 3}: " in done.stderr
    assert said in done.stderr


def test_a_list_of_formats_names_the_wrong_one(tmp_path: Path) -> None:
    content = monitor()
    content["spec"]["predictions"]["timeFormat"] = ["%d.%m.%Y", "%H:%M"]
    done = exporter("check", write_monitor(tmp_path, content), check=False)
    assert done.returncode == 2
    (mistake,) = done.stderr.splitlines()
    assert "expected a format with year, month and day" in mistake
    assert "got '%H:%M'" in mistake


def stamps(shift: timedelta, suffix: str = "") -> list[str]:
    """Times of records that a log got in the last minutes, by a clock that is ``shift`` ahead."""
    now = datetime.fromtimestamp(time.time(), UTC).replace(tzinfo=None) + shift
    return [(now - timedelta(seconds=seconds)).isoformat() + suffix for seconds in range(300, -1, -10)]


def warned(path: Path) -> list[str]:
    lines = exporter("check", path, check=False).stdout.splitlines()
    return [line for line in lines if "the clock" in line]


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        (timedelta(hours=2), "timestamps are 2 h ahead of the clock"),
        (timedelta(hours=5, minutes=30), "timestamps are 5.5 h ahead of the clock"),
        (timedelta(hours=14), "timestamps are 14 h ahead of the clock"),
        (timedelta(hours=-5), "timestamps are 5 h behind the clock"),
        (timedelta(hours=-3, minutes=-30), "timestamps are 3.5 h behind the clock"),
    ],
)
def test_local_time_without_an_offset_is_warned_of(shift: timedelta, said: str, tmp_path: Path) -> None:
    (warning,) = warned(write(tmp_path, stamps(shift), [], {}))
    assert said in warning
    assert "'spec.predictions.timezone' says which" in warning


def test_labels_from_the_future_are_warned_of_and_late_ones_are_not(tmp_path: Path) -> None:
    (warning,) = warned(write(tmp_path, stamps(timedelta()), stamps(timedelta(hours=1)), {}))
    assert "timestamps are 1 h ahead of the clock" in warning
    assert "'spec.labels.timezone' says which" in warning
    (tmp_path / "late").mkdir()
    assert not warned(write(tmp_path / "late", stamps(timedelta()), stamps(timedelta(hours=-24)), {}))
    (tmp_path / "later").mkdir()
    assert not warned(write(tmp_path / "later", stamps(timedelta()), stamps(timedelta(hours=-2)), {}))


def test_an_offset_that_is_wrong_is_the_writers(tmp_path: Path) -> None:
    (warning,) = warned(write(tmp_path, stamps(timedelta(hours=2), "Z"), [], {}))
    assert "local time that is logged as UTC" in warning


def test_a_wrong_zone_is_doubted(tmp_path: Path) -> None:
    (warning,) = warned(write(tmp_path, stamps(timedelta(hours=2)), [], {"timezone": "+01:00"}))
    assert "timestamps are 1 h ahead of the clock" in warning
    assert "is 'spec.predictions.timezone' right?" in warning


@pytest.mark.parametrize(
    "shift", [timedelta(), timedelta(minutes=12), timedelta(hours=-2, minutes=-10), timedelta(days=-3)]
)
def test_other_times_are_not_doubted(shift: timedelta, tmp_path: Path) -> None:
    assert not warned(write(tmp_path, stamps(shift), [], {}))


def test_the_right_zone_is_not_doubted(tmp_path: Path) -> None:
    assert not warned(write(tmp_path, stamps(timedelta(hours=2)), [], {"timezone": "+02:00"}))


@pytest.mark.parametrize("form", ["csv", "cri"])
def test_other_forms_of_logs_are_doubted_too(form: str, tmp_path: Path) -> None:
    times = stamps(timedelta(hours=1))
    csv = ["ts,score,id", *(f"{stamp},0.5,r{n}" for n, stamp in enumerate(times))]
    cri = [
        f'2026-01-10T00:00:00Z stdout F {{"ts": "{stamp}", "score": 0.5, "id": "r{n}"}}'
        for n, stamp in enumerate(times)
    ]
    write_lines(tmp_path / f"log.{form}", csv if form == "csv" else cri)
    content = monitor(labels=None)
    content["spec"]["predictions"] = {
        "sink": {"file": {"path": f"log.{form}"}},
        "fields": {"timestamp": "ts", "score": "score", "id": "id"},
    }
    (warning,) = warned(write_monitor(tmp_path, content))
    assert "1 h ahead of the clock" in warning


def test_files_below_any_folders_are_doubted_as_the_sink_finds_them(tmp_path: Path) -> None:
    records = [record(n, at=0) | {"ts": stamp} for n, stamp in enumerate(stamps(timedelta(hours=1)))]
    write_lines(tmp_path / "logs/a/b/log.jsonl", records)
    content = monitor(labels=None)
    content["spec"]["predictions"]["sink"]["file"]["path"] = "logs/**/log.jsonl"
    (warning,) = warned(write_monitor(tmp_path, content))
    assert "1 h ahead of the clock" in warning
