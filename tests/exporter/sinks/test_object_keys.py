"""Keys that a url with the date of a partition matches, and the folders that are listed for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from exporter.sinks.objects.keys import ObjectKeys

NOW = datetime(2026, 11, 30, 16, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "key", "partition"),
    [
        ("fraud/dt=%Y-%m-%d/hour=%H/", "fraud/dt=2026-11-30/hour=12/a.jsonl", (2026, 11, 30, 12)),
        ("fraud/dt=%Y-%m-%d/hour=%H/", "fraud/dt=2026-11-30/hour=12/a/b.gz", (2026, 11, 30, 12)),
        ("fraud/dt=%Y-%m-%d/hour=%H/", "fraud/dt=2026-13-30/hour=12/a.jsonl", None),
        ("fraud/dt=%Y-%m-%d/hour=%H/", "fraud/dt=2026-11-30/a.jsonl", None),
        ("%Y/%m/%Y-%m-%d-*.gz", "2026/11/2026-11-30-7.gz", (2026, 11, 30)),
        ("%Y/%m/%Y-%m-%d-*.gz", "2025/11/2026-11-30-7.gz", None),
        ("%Y%m", "202611/x", (2026, 11, 1)),
        ("%Y", "2026/x", (2026, 1, 1)),
        ("*/dt=%Y-%m-%d", "fraud/dt=2026-11-30/x", (2026, 11, 30)),
        ("*/dt=%Y-%m-%d", "a/b/dt=2026-11-30/x", None),
        ("**/dt=%Y-%m-%d", "a/b/dt=2026-11-30/x", (2026, 11, 30)),
        ("logs/?.jsonl", "logs/a.jsonl", (1, 1, 1)),
        ("logs/?.jsonl", "logs/ab.jsonl", None),
        ("logs", "logs/a+b (1).jsonl", (1, 1, 1)),
        ("logs", "logsandmore/a.jsonl", None),
        ("", "anything", (1, 1, 1)),
        # What is no data.
        ("logs", "logs/_SUCCESS", None),
        ("logs", "logs/_temporary/0/part-0.parquet", None),
        ("logs", "logs/.hidden/a", None),
        ("logs", "logs/folder/", None),
        ("", "_delta_log/0.json", None),
        ("_logs", "_logs/a", (1, 1, 1)),
    ],
)
def test_partitions(
    path: str, key: str, partition: tuple[int, int, int] | tuple[int, int, int, int] | None
) -> None:
    found = ObjectKeys(path).partition(key)
    hour = partition[3] if partition is not None and len(partition) == 4 else 0
    assert found == (None if partition is None else datetime(*partition[:3], hour, tzinfo=UTC))


@pytest.mark.parametrize(
    ("path", "back", "folders", "behind"),
    [
        (
            "f/dt=%Y-%m-%d/hour=%H/",
            72,
            [f"f/dt=2026-11-{day}" for day in (27, 28, 29, 30)],
            "f/dt=2026-11-27/hour=16",
        ),
        ("f/%Y/%m/%d/%H/a-*", 2, [f"f/2026/11/30/{hour}" for hour in (14, 15, 16)], "f/2026/11/30/14/a-"),
        ("f/%Y/%m/%d/", 24 * 90, [f"f/2026/{month:02d}" for month in (9, 10, 11)], "f/2026/09/01"),
        ("f/dt=%Y-%m-%d/", 24 * 90, ["f"], "f/dt=2026-09-01"),
        # Their order is not that of time.
        ("f/%d.%m.%Y/", 24, ["f/29.11.2026", "f/30.11.2026"], None),
        ("*/%Y-%m-%d/", 24, [""], None),
        ("f/a-*", 24, ["f"], None),
        ("f/", 24, ["f"], None),
        ("", 24, [""], None),
    ],
)
def test_folders(path: str, back: int, folders: list[str], behind: str | None) -> None:
    """What is listed costs what the recent partitions cost; of a long time, not a request for each of them."""
    assert ObjectKeys(path).folders(NOW - timedelta(hours=back), NOW) == (folders, behind)
