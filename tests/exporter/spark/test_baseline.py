"""Baseline by Spark: the same file as by one machine, of parts of the data; what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.references.baseline import source as here
from exporter.references.baseline.views import Quantiles, ranks
from exporter.spark.baseline import files
from exporter.spark.baseline import source as there
from exporter.spark.baseline.ranks import Sought, keys_of, values_of
from exporter.summary.base import Floats
from tests.support.commands import exporter
from tests.support.logs import monitor, write_lines, write_monitor
from tests.support.references import quantile_edges
from tests.support.segmented import before
from tests.support.spark import MARKS

pytestmark = MARKS

SEGMENTS: dict[str, Any] = {
    "segments": ["features.country", "features.tier"],
    "maxSegmentValues": 3,
    "fairness": {"attributes": ["features.gender"]},
}


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 250 rows, of lines read 100 kB at a time: what takes gigabytes otherwise."""
    monkeypatch.setattr(here, "PART", 250)
    monkeypatch.setattr(there, "PART", 250)
    monkeypatch.setattr(files, "SPLIT", 100_000)


@pytest.mark.usefixtures("small_parts", "spark")
def test_the_reference_is_that_of_one_machine(tmp_path: Path) -> None:
    """A type that only the last file tells, a record that is none, times that many rows have."""
    rows = before(700)
    rng = np.random.default_rng(3)
    for place, row in enumerate(rows):
        row["ts"] = float(int(row["ts"]) // 60 * 60)
        row["features"] |= {"vector": rng.normal(size=3).tolist(), "note": f"text {place % 7} of some words"}
        row["features"]["late"] = 1 if place < 600 else 1.5
    data = [
        write_lines(tmp_path / "a.jsonl", rows[:400]),
        write_lines(tmp_path / "b.jsonl", rows[400:]),
    ]
    with data[1].open("a") as out:
        out.write('{"features": \n')
    path = write_monitor(tmp_path, monitor(**SEGMENTS))
    for engine in ("local", "spark"):
        done = exporter("baseline", path, "--engine", engine, "--data", *data, "--out", tmp_path / engine)
        assert "skipped 1 malformed record(s)" in done.stderr
    assert (tmp_path / "spark").read_bytes() == (tmp_path / "local").read_bytes()


@pytest.mark.usefixtures("spark")
def test_what_needs_all_rows_at_once_is_refused(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, monitor(task="regression"))
    data = write_lines(tmp_path / "a.jsonl", before(10))
    arguments: tuple[str | Path, ...] = (
        "--engine",
        "spark",
        "--fit-loss-estimator",
        "--data",
        data,
        "--out",
        tmp_path / "r.json",
    )
    done = exporter("baseline", path, *arguments, check=False)
    assert done.returncode == 2
    assert "expected --engine local" in done.stderr
    (tmp_path / "a.csv").write_text("amount\n1\n")
    arguments = ("--engine", "spark", "--data", tmp_path / "a.csv", "--out", tmp_path / "r.json")
    done = exporter("baseline", path, *arguments, check=False)
    assert done.returncode == 2
    assert "Spark reads references from JSONL and Parquet" in done.stderr
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(1).normal(size=200_000),
        np.random.default_rng(2).standard_cauchy(150_000) ** 3,
        np.round(np.random.default_rng(3).normal(size=90_000), 1),
        np.where(np.arange(180_000) % 10 < 9, 0.0, np.random.default_rng(4).random(180_000)),
        np.array([-1e308, 1e308, 0.0, -0.0, 5e-324]),
        np.array([7.0]),
        np.empty(0),
    ],
    ids=["normal", "heavy", "ties", "mostly-zero", "extreme", "one", "none"],
)
def test_quantiles_are_found_digit_by_digit(values: Floats) -> None:
    sought = Sought()
    while sought.keys is None:
        halves = [sought.count(keys_of(half + 0.0)) for half in (values[::2], values[1::2])]
        counts, few = (halves[0][name] + halves[1][name] for name in ("counts", "few"))
        sought.narrow(counts, few, ranks)
    found = sought.ordered(0.0)
    expected = np.sort(values + 0.0)[ranks(len(values))] if len(values) else values
    assert found.values.tolist() == expected.tolist()
    assert values_of(keys_of(values)).tolist() == values.tolist()
    assert Quantiles.of(found).binning.edges.tolist() == quantile_edges(values)[0].tolist()
