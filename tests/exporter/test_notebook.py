"""The interface for notebooks: a DataFrame gives what the commands give for the same records as a log."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import exporter
from tests.support.commands import exporter as command
from tests.support.logs import AT, EPOCH, Gauges, monitor, once, record, write_lines, write_monitor
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

# Of the clock, of the files, and of what is being run.
_OTHERWISE = ("ml_monitor_last", "ml_monitor_cycle", "ml_exporter_", "ml_reference_created")
_ROWS = 400


def samples(gauges: Gauges) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """By name and labels; an empty label is none."""
    return {
        (name, frozenset((label, text) for label, text in labels.items() if text)): number
        for name, series in gauges.items()
        for labels, number in series
        if not name.startswith(_OTHERWISE)
    }


def tidy(frame: pd.DataFrame) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    rows = frame.to_dict("records")
    gauges: Gauges = {}
    for row in rows:
        name, number = row.pop("metric"), row.pop("value")
        gauges.setdefault(name, []).append((row, number))
    assert sum(map(len, gauges.values())) == len(rows)
    return samples(gauges)


@pytest.fixture
def records() -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    return [
        record(
            i,
            at=float(i),
            score=float(rng.random()),
            features={
                "amount": float(rng.lognormal()) if i % 9 else None,
                "country": str(rng.choice(["DE", "FR", "IT"])),
                "vector": rng.normal(size=3).tolist(),
            },
        )
        for i in range(_ROWS)
    ]


@pytest.fixture
def labels() -> list[dict[str, Any]]:
    return [{"id": f"r{i}", "label": i % 2, "ts": EPOCH + i + 60} for i in range(0, _ROWS, 2)]


@pytest.fixture
def path(tmp_path: Path, records: list[dict[str, Any]], labels: list[dict[str, Any]]) -> Path:
    write_lines(tmp_path / "logs/predictions.jsonl", records)
    write_lines(tmp_path / "logs/labels.jsonl", labels)
    return write_monitor(
        tmp_path,
        monitor(
            features={"vector": {"type": "embedding"}},
            segments=["features.country"],
            references={"training": {"static": "training.json"}},
        ),
    )


def test_a_frame_gives_what_a_log_gives(
    path: Path, records: list[dict[str, Any]], labels: list[dict[str, Any]]
) -> None:
    frame, truth = pd.json_normalize(records), pd.DataFrame(labels)
    reference = exporter.baseline(path, frame)
    reference.save(path.parent / "training.json")
    command(
        "baseline", path, "--data", path.parent / "logs/predictions.jsonl", "--out", path.parent / "same.json"
    )
    ours, theirs = (json.loads((path.parent / f"{name}.json").read_text()) for name in ("training", "same"))
    assert {**ours, "created": 0} == {**theirs, "created": 0}
    expected = samples(once(path))
    assert len(expected) > 200
    assert tidy(exporter.once(path, frame, truth, at=AT)) == expected
    # From the monitor file's own sinks, and from files; a time without a zone is UTC.
    logs = path.parent / "logs"
    assert tidy(exporter.once(str(path), at=pd.Timestamp(AT).tz_localize(None))) == expected
    assert tidy(exporter.once(path, logs / "predictions.jsonl", [logs / "labels.jsonl"], at=AT)) == expected


def test_columns_are_the_elements_of_a_list(path: Path, records: list[dict[str, Any]]) -> None:
    names = ["amount", "country"]
    content = monitor(
        labels=None, features={"amount": {"type": "numeric"}, "country": {"type": "categorical"}}
    )
    content["spec"]["predictions"]["fields"]["features"] = {"path": "rows.0", "names": names}
    lists = [{**row, "rows": [[row["features"][name] for name in names]]} for row in records]
    write_lines(path.parent / "predictions.jsonl", lists)
    path = write_monitor(path.parent, content)
    flat = [{**{key: row[key] for key in row if key != "features"}, **row["features"]} for row in records]
    found = tidy(exporter.once(path, pd.DataFrame(flat), at=AT))
    assert found == tidy(exporter.once(path, path.parent / "predictions.jsonl", at=AT))
    assert sum(name == "ml_feature_mean" for name, _ in found) == 1


def test_several_files_are_one_log(path: Path, records: list[dict[str, Any]]) -> None:
    parts = [write_lines(path.parent / f"part {i}.jsonl", records[i::3]) for i in range(3)]
    path = write_monitor(path.parent, monitor(labels=None))
    gauges = exporter.once(path, parts, at=AT)
    assert gauges.loc[gauges["metric"] == "ml_monitor_samples", "value"].tolist() == [_ROWS]


def test_accounts_and_what_a_reference_says(path: Path, records: list[dict[str, Any]]) -> None:
    reference = exporter.baseline(path, pd.json_normalize(records))
    assert (reference.model, reference.rows, reference.malformed) == ("m", _ROWS, 0)
    accounts = reference.accounts.set_index("feature")
    assert accounts.loc["vector", ["kind", "declared"]].tolist() == ["embedding", True]
    assert accounts.loc["amount", "correction"].startswith("amount: {type: numeric, range: [")
    assert "(score)" in accounts.index


def test_a_flat_frame_of_the_types_that_pandas_has(tmp_path: Path) -> None:
    """Times with and without a zone, nullable numbers, categories, arrays; what is missing, infinite or nothing."""
    number = 12
    frame = pd.DataFrame(
        {
            "ts": pd.date_range("2026-01-10T00:10", periods=number, freq="s"),
            "score": np.linspace(0, 1, number, dtype=np.float32),
            "prediction": pd.array([1, 0, None] * 4, dtype="Int64"),
            "amount": [np.nan, np.inf, *range(number - 2)],
            "country": pd.Categorical(["DE", None, "FR"] * 4),
            "flag": pd.array([True, False, None] * 4, dtype="boolean"),
            "since": pd.date_range("2026-01-01", periods=number, tz="Europe/Berlin").where(
                np.arange(number) > 0
            ),
            "vector": [np.array([1.0, i]) for i in range(number)],
        }
    )
    kinds = {"amount": "numeric", "flag": "boolean", "since": "timestamp", "vector": "embedding"}
    path = write_monitor(
        tmp_path, monitor(labels=None, features={name: {"type": kind} for name, kind in kinds.items()})
    )
    gauges = exporter.once(path, frame, at=AT)

    def ratio(name: str, feature: str) -> float:
        found = gauges[(gauges["metric"] == f"ml_feature_{name}_ratio") & (gauges["feature"] == feature)]
        return float(found["value"].item()) * number

    assert [ratio("missing", name) for name in (*kinds,)] == pytest.approx([1, 4, 1, 0])
    assert [ratio("invalid", name) for name in (*kinds,)] == pytest.approx([1, 0, 0, 0])
    assert gauges.loc[gauges["metric"] == "ml_feature_embedding_cosine_distance"].empty
    newest = gauges.loc[gauges["metric"] == "ml_sink_last_event_timestamp_seconds", "value"].item()
    assert newest == EPOCH + 611


def test_probabilities_of_several_classes(tmp_path: Path) -> None:
    """A column of dictionaries is what columns below it are."""
    scores = [{"a": 0.5, "b": 0.25, "c": 0.25}, {"a": 0.0, "b": 1.0, "c": 0.0}] * 10
    frame = pd.DataFrame({"ts": EPOCH + np.arange(20.0), "score": scores})
    fields = {"timestamp": "ts", "score": "score"}
    spec = {"task": "multiclass", "labels": None}
    predictions = {"sink": {"file": {"path": "none"}}, "fields": fields, "classes": ["a", "b", "c"]}
    path = write_monitor(tmp_path, monitor(**spec, predictions=predictions))
    gauges = exporter.once(path, frame, at=AT)
    assert gauges.loc[gauges["metric"] == "ml_prediction_class_ratio", "value"].tolist() == [0.5, 0.5, 0]
    assert tidy(exporter.once(path, pd.json_normalize(frame.to_dict("records")), at=AT)) == tidy(gauges)


def test_mistakes_are_told_with_their_place(path: Path, records: list[dict[str, Any]]) -> None:
    frame = pd.json_normalize(records)
    with pytest.raises(exporter.InputError, match=r"^DataFrame 'data': holds no records$"):
        exporter.baseline(path, frame.head(0))
    with pytest.raises(exporter.InputError, match=r"column 'features\.amount' lies within another column"):
        exporter.once(path, frame.assign(features=1))
    with pytest.raises(exporter.InputError, match="column 'id' is there twice"):
        exporter.baseline(path, pd.concat([frame, frame[["id"]]], axis=1))
    with pytest.raises(
        exporter.InputError, match=rf"^{path}:\d+:\d+: .*build it with: mlslo-exporter baseline"
    ):
        exporter.once(path, frame, at=AT)
    with pytest.raises(exporter.InputError, match=r"no such file"):
        exporter.baseline(path, path.parent / "none.csv")
    with pytest.raises(exporter.InputError, match=r"neither a feature nor a score nor a class was found"):
        exporter.baseline(write_monitor(path.parent), pd.DataFrame({"ts": [1.0], "id": ["a"]}))
    with pytest.raises(ValueError, match="expected a DataFrame or at least one file"):
        exporter.baseline(path, [])
    with pytest.raises(ValueError, match="expected a time such as 2026-01-31T12:00:00Z, got 'noon'"):
        exporter.once(path, frame, at="noon")
    path = write_monitor(path.parent, monitor(labels=None))
    with pytest.raises(exporter.InputError, match=rf"^{path}:\d+:\d+: labels are given"):
        exporter.once(path, frame, pd.DataFrame({"id": []}))


def test_windows_that_end_now_hold_nothing_of_a_recorded_log(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    path = write_monitor(tmp_path, monitor(labels=None))
    with pytest.warns(UserWarning, match=r"the newest fits at='2026-01-10T00:06:40\+00:00'"):
        exporter.once(path, pd.json_normalize(records))


def test_importing_the_exporter_imports_nothing() -> None:
    check = (
        "import sys, exporter; print(sorted({'numpy', 'duckdb', 'pandas', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="module 'exporter' has no attribute 'basline'"):
        _ = exporter.basline  # type: ignore[attr-defined]


def test_without_pandas_it_is_said_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs the extra 'pandas' \(see docs/install.md\)"):
        exporter.once(path)
