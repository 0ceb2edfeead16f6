"""Three real data sets, each with faults that somebody planted: every fault is named, and nothing else fails."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import jsonschema
import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
import yaml

from exporter.summary.base import Floats
from tests.support.commands import exporter
from tests.support.paths import ROOT

SCHEMA = json.loads((ROOT / "docs/schemas/GateVerdict.json").read_text(encoding="utf-8"))
Planted = set[tuple[str, str]]


class Case(NamedTuple):
    """A data set: of one half the reference is made, the other is the batch. ``plant``: damages it, and says how."""

    frame: pd.DataFrame
    task: str
    fields: dict[str, str]
    expected: dict[str, Any]
    ending: str
    plant: Callable[[pd.DataFrame], Planted]

    def monitor(self) -> dict[str, Any]:
        predictions = {
            "sink": {"file": {"path": "log.jsonl"}},
            "fields": {"timestamp": "ts", "id": "id", "features": "features", **self.fields},
        }
        labels = {"sink": {"file": {"path": "labels.jsonl"}}, "fields": {"id": "id", "label": "label"}}
        fields = {"id": {"unique": True, "type": "integer"}, **self.expected}
        spec = {
            "task": self.task,
            "windows": ["1h"],
            "minSamples": 50,
            "predictions": predictions,
            "labels": labels,
            "references": {"training": {"static": "training.json"}},
            "expectations": {"rows": {"atLeast": 100}, "fields": fields},
        }
        return {
            "apiVersion": "mlslo/v1",
            "kind": "ModelMonitor",
            "metadata": {"name": "real"},
            "spec": spec,
        }

    def write(self, frame: pd.DataFrame, path: Path) -> Path:
        path = path.with_name(f"{path.name}.{self.ending}")
        match self.ending:
            case "csv":
                frame.to_csv(path, index=False)
            case "parquet":
                duckdb.from_df(frame).write_parquet(str(path))
            case _:
                records = frame.to_json(orient="records", lines=True, double_precision=15)
                path.write_bytes(gzip.compress(records.encode()))
        return path


def _every(number: int, values: pd.Series, changed: Any) -> pd.Series:
    return values.astype(object).where(np.arange(len(values)) % number != 0, changed)


def _cancer() -> Case:
    """569 tumours, 30 measures of each."""
    data = sklearn.datasets.load_breast_cancer()
    frame = pd.DataFrame(data.data, columns=[name.replace(" ", "_") for name in data.feature_names])
    sizes = pd.cut(frame["mean_radius"], [0, 12, 16, 99], labels=["small", "middle", "large"])
    frame["size"], frame["label"] = sizes.astype(str), 1 - data.target
    values = frame["worst_perimeter"]
    frame["score"] = 1 / (1 + np.exp(-2 * (values - values.mean()) / values.std()))

    def plant(batch: pd.DataFrame) -> Planted:
        swapped = ["mean_smoothness", "area_error"]
        batch[swapped] = batch[swapped[::-1]].to_numpy()
        batch["mean_area"] *= 100
        batch["mean_texture"] = _every(5, batch["mean_texture"], None)
        batch["size"] = _every(10, batch["size"], "huge")
        batch["label"] = _every(2, batch["label"], 1)
        batch["score"] **= 3
        batch.loc[:2, "id"] = batch["id"].iloc[10]
        batch.loc[3, "mean_radius"] = -1.0
        del batch["mean_symmetry"]
        return {
            *(("drift", name) for name in (*swapped, "mean_area", "size", "label", "score")),
            ("range", "mean_area"),
            ("missing", "mean_texture"),
            ("new categories", "size"),
            ("unique", "id"),
            ("range", "mean_radius"),
            ("column", "mean_symmetry"),
        }

    expected = {"mean_area": {"atMost": 5000}, "mean_radius": {"atLeast": 0}, "size": {"type": "text"}}
    return Case(frame, "binary", {"score": "score"}, expected, "csv", plant)


def _digits() -> Case:
    """1797 pictures of digits, 32 pixels of each; some pixels are always white."""
    data = sklearn.datasets.load_digits()
    frame = pd.DataFrame(data.data[:, ::2], columns=[f"pixel{number:02}" for number in range(0, 64, 2)])
    centres = np.stack([data.data[data.target == digit].mean(axis=0) for digit in range(10)])
    squares: Floats = ((data.data[:, None] - centres) ** 2).sum(axis=2)
    frame["prediction"], frame["label"] = squares.argmin(axis=1).astype(str), data.target.astype(str)

    def plant(batch: pd.DataFrame) -> Planted:
        batch["pixel20"] *= 0
        batch["pixel28"] = batch["pixel28"].where(batch.index % 5 > 0)
        batch["label"] = _every(500, _every(4, batch["label"], "7"), "x")
        batch.loc[3, "pixel34"] = 17.0
        return {
            ("drift", "pixel20"),
            ("missing", "pixel28"),
            ("drift", "label"),
            ("set", "label"),
            ("range", "pixel34"),
        }

    expected = {
        "pixel34": {"atLeast": 0, "atMost": 16, "missingAtMost": 0.01},
        "label": {"in": [*range(10)]},
    }
    return Case(frame, "multiclass", {"prediction": "prediction"}, expected, "parquet", plant)


def _diabetes() -> Case:
    """442 patients, ten measures of each, in their own units: training data, which no model has scored yet."""
    data = sklearn.datasets.load_diabetes(scaled=False)
    frame = pd.DataFrame(data.data, columns=data.feature_names)
    frame["sex"], frame["label"] = frame["sex"].map({1.0: "f", 2.0: "m"}), data.target

    def plant(batch: pd.DataFrame) -> Planted:
        batch["bp"] /= 7.5
        batch["sex"] = _every(5, _every(7, batch["sex"], "X"), None)
        batch["age"] = _every(5, batch["age"], "old")
        batch["label"] *= 2
        return {
            ("drift", "bp"),
            ("drift", "sex"),
            ("missing", "sex"),
            ("new categories", "sex"),
            ("pattern", "sex"),
            *((what, "age") for what in ("type", "range", "invalid")),
            ("drift", "label"),
        }

    expected = {"age": {"type": "number", "atLeast": 18, "atMost": 110}, "sex": {"matches": "^[a-z]$"}}
    return Case(frame, "regression", {"score": "score"}, expected, "jsonl.gz", plant)


@pytest.mark.parametrize("make", [_cancer, _digits, _diabetes], ids=["cancer", "digits", "diabetes"])
def test_every_planted_fault_is_named_and_nothing_else(make: Callable[[], Case], tmp_path: Path) -> None:
    case = make()
    rows = case.frame.sample(frac=1, random_state=7).reset_index(drop=True)
    rows["id"] = np.arange(len(rows)) + 1000
    monitor, half = tmp_path / "monitor.yaml", len(rows) // 2
    monitor.write_text(yaml.safe_dump(case.monitor()))
    data = case.write(rows[:half], tmp_path / "reference")
    exporter("baseline", monitor, "--data", data, "--out", tmp_path / "training.json")
    clean = rows[half:].reset_index(drop=True)
    damaged = clean.copy()
    planted = case.plant(damaged)
    for name, batch, faults in (("clean", clean, set[tuple[str, str]]()), ("damaged", damaged, planted)):
        data, out = case.write(batch, tmp_path / name), tmp_path / name
        done = exporter("gate", monitor, "--data", data, "--out", out, check=False)
        verdict = json.loads((out / "gate.json").read_text(encoding="utf-8"))
        jsonschema.validate(verdict, SCHEMA)
        checks = verdict["checks"]
        assert {(check["what"], check["where"]) for check in checks if not check["passed"]} == faults
        assert (done.returncode, done.stderr, verdict["notJudged"]) == (bool(faults), "", [])
        assert {check["what"] for check in checks} >= {"rows", "unique", "drift", "missing"}
        assert "label" in {check["where"] for check in checks}
