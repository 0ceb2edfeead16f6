"""What `baseline` warns of: columns that may not be what they were taken for."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import exporter as notebook
from tests.support.commands import exporter
from tests.support.logs import monitor, write_lines, write_monitor

pytestmark = pytest.mark.slow

ROWS = 100
FINE: Mapping[str, Sequence[Any]] = {"amount": [number / 7 for number in range(ROWS)]}


def spec(features: Mapping[str, str]) -> dict[str, Any]:
    declared = {name: {"type": kind} for name, kind in features.items()}
    return monitor(labels=None, features=declared)


def run(
    folder: Path, columns: Mapping[str, Sequence[Any]], *, suffix: str, **declared: str
) -> tuple[dict[str, str], list[str]]:
    """The kind of each feature, and the warnings."""
    table = {"score": [0.5] * ROWS, **FINE, **columns}
    rows = list(zip(*table.values(), strict=True))
    data = folder / f"data{suffix}"
    if suffix == ".csv":
        with data.open("w", newline="") as file:
            csv.writer(file).writerows([list(table), *rows])
    else:
        write_lines(data, (dict(zip(table, row, strict=True)) for row in rows))
    out = folder / "reference.json"
    done = exporter("baseline", write_monitor(folder, spec(declared)), "--data", data, "--out", out)
    features = json.loads(out.read_text())["features"]
    warnings = [line.removeprefix("warning: ") for line in done.stderr.splitlines() if "warning: " in line]
    return {name: item["type"] for name, item in features.items()}, warnings


CASES: list[tuple[str, str, Sequence[Any], str | None, list[str]]] = [
    (
        ".csv", "zip", [f"{1000 + n % 40:05}" for n in range(ROWS)], "categorical",
        ["'zip' (such as '010", "leading zeros", "taken as categorical", "write zip: {type: numeric}"],
    ),
    (
        ".jsonl", "zip", [f"{1000 + n % 40:05}" for n in range(ROWS)], "categorical",
        ["'zip' (such as '010", "leading zeros", "write zip: {type: numeric}"],
    ),
    (
        ".csv", "customer", [n * 13 + 5 for n in range(ROWS)], "numeric",
        ["'customer' (such as ", "an id?", "taken as numeric", "write customer: {type: categorical}"],
    ),
    (
        ".jsonl", "customer", [n * 13 + 5 for n in range(ROWS)], "numeric",
        ["'customer' (such as ", "an id?", "write customer: {type: categorical}"],
    ),
    (
        ".csv", "Unnamed: 0", list(range(ROWS)), "numeric",
        ["'Unnamed: 0' (such as '0')", "the index of a DataFrame", 'write the data with index=False'],
    ),
    (".csv", "index", list(range(ROWS)), "numeric", ["'index' (such as '0')", "the index of a DataFrame"]),
    (
        ".csv", "income", ["unknown" if n % 20 == 0 else n % 7 + 0.5 for n in range(ROWS)], "numeric",
        ["'income' (such as 'unknown')", "counts as missing", "write income: {type: categorical}"],
    ),
    (
        ".csv", "income", ["unknown" if n % 4 else n % 8 for n in range(ROWS)], "categorical",
        ["'income' (such as 'unknown')", "numbers among text", "write income: {type: numeric}"],
    ),
    (".csv", "plan", ["free"] * ROWS, "categorical", ["'plan' (such as 'free')", "one value in all rows"]),
    (".jsonl", "rate", [1.5] * ROWS, "numeric", ["'rate' (such as '1.5')", "one value in all rows"]),
    (".jsonl", "empty", [None] * ROWS, None, ["'empty'", "no value in any row, so left out"]),
    (
        ".csv", "since", [f"{1 + n % 28:02}/Nov/2026:10:00:00 +0000" for n in range(ROWS)], "categorical",
        ["'since' (such as '01/Nov/2026:10:00:00 +0000')", "looks like a time", "write since: {type: timestamp}"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "name", "values", "kind", "said"), CASES)
def test_a_doubt_names_column_example_assumption_and_key(
    suffix: str, name: str, values: Sequence[Any], kind: str | None, said: list[str], tmp_path: Path
) -> None:
    kinds, warnings = run(tmp_path, {name: values}, suffix=suffix)
    assert kinds.get(name) == kind
    (warning,) = warnings
    assert [part for part in said if part not in warning] == []


def test_what_is_declared_or_usual_is_not_doubted(tmp_path: Path) -> None:
    columns: dict[str, Sequence[Any]] = {
        "zip": [f"{1000 + n % 40:05}" for n in range(ROWS)],
        "age": [20 + n % 50 for n in range(ROWS)],
        "country": ["DE" if n % 3 else "FR" for n in range(ROWS)],
        "zero": ["0" if n % 3 else "0.5" for n in range(ROWS)],
        "index": [n % 50 for n in range(ROWS)],
    }
    kinds, warnings = run(tmp_path, columns, suffix=".csv", zip="numeric")
    assert warnings == []
    assert kinds["zip"] == "numeric"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_scores_that_are_no_probabilities(suffix: str, tmp_path: Path) -> None:
    _, (warning,) = run(tmp_path, {"score": [n - 2.5 for n in range(ROWS)]}, suffix=suffix)
    assert warning.startswith("'score' (such as -2.5): 99 of 100 scores are outside 0 to 1")
    assert "'spec.predictions.fields.score'" in warning


def test_many_columns_are_one_line(tmp_path: Path) -> None:
    columns = {f"c{n:03}": [1.5] * ROWS for n in range(500)}
    _, (warning,) = run(tmp_path, columns, suffix=".jsonl")
    assert warning.startswith(
        "'c000' (such as '1.5'), 'c001' (such as '1.5'), 'c002' (such as '1.5') and 497 more: "
    )


def test_leading_zeros_of_a_file_without_a_header(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("".join(f"{1000 + n % 40:05},{n / 7}\n" for n in range(ROWS)))
    out = tmp_path / "reference.json"
    done = exporter("baseline", write_monitor(tmp_path, spec({})), "--data", data, "--out", out)
    assert json.loads(out.read_text())["features"]["column0"]["type"] == "categorical"
    assert "leading zeros" in done.stderr


def test_a_notebook_is_told_as_well(tmp_path: Path) -> None:
    frame = pd.DataFrame({"score": [0.5] * ROWS, "plan": ["free"] * ROWS, **FINE})
    (doubt,) = notebook.baseline(write_monitor(tmp_path, spec({})), frame).doubts
    assert doubt.startswith("'plan' (such as 'free'): one value in all rows")
