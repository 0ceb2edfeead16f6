"""Three real data sets, each with faults that somebody planted: every fault is named, and nothing else fails."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
Fault = tuple[Callable[[pd.DataFrame], None], set[tuple[str, str]]]


@dataclass
class Case:
    """A data set in halves: of the first the reference is made, the second is the batch."""

    frame: pd.DataFrame
    spec: dict[str, Any]
    ending: str
    faults: Mapping[str, Fault]
    folder: Path = field(default_factory=Path)

    def write(self, frame: pd.DataFrame, name: str) -> Path:
        path = self.folder / f"{name}.{self.ending}"
        match self.ending:
            case "csv":
                frame.to_csv(path, index=False)
            case "parquet":
                duckdb.from_df(frame).write_parquet(str(path))
            case _:
                records = frame.to_json(orient="records", lines=True, double_precision=15)
                path.write_bytes(gzip.compress(records.encode()))
        return path

    def prepare(self, folder: Path) -> None:
        self.folder = folder
        file = {
            "apiVersion": "mlslo/v1",
            "kind": "ModelMonitor",
            "metadata": {"name": "real"},
            "spec": self.spec,
        }
        (folder / "monitor.yaml").write_text(yaml.safe_dump(file))
        half = self.write(self.frame[: len(self.frame) // 2], "reference")
        exporter("baseline", folder / "monitor.yaml", "--data", half, "--out", folder / "training.json")

    def judged(self, name: str, damage: Callable[[pd.DataFrame], None]) -> dict[str, Any]:
        batch = self.frame[len(self.frame) // 2 :].reset_index(drop=True)
        damage(batch)
        out = self.folder / name
        data = self.write(batch, name)
        done = exporter("gate", self.folder / "monitor.yaml", "--data", data, "--out", out, check=False)
        assert not done.stderr
        verdict = json.loads((out / "gate.json").read_text(encoding="utf-8"))
        jsonschema.validate(verdict, SCHEMA)
        assert done.returncode == (verdict["verdict"] == "failed")
        assert isinstance(verdict, dict)
        return verdict


def _shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    mixed = frame.sample(frac=1, random_state=7).reset_index(drop=True)
    mixed["id"] = np.arange(len(mixed)) + 1000
    return mixed


def _spec(task: str, expected: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "task": task,
        "windows": ["1h"],
        "minSamples": 50,
        "predictions": {
            "sink": {"file": {"path": "log.jsonl"}},
            "fields": {"timestamp": "ts", "id": "id", "features": "features", **fields},
        },
        "labels": {"sink": {"file": {"path": "labels.jsonl"}}, "fields": {"id": "id", "label": "label"}},
        "references": {"training": {"static": "training.json"}},
        "expectations": {
            "rows": {"atLeast": 100},
            "fields": {"id": {"unique": True, "type": "integer"}, **expected},
        },
    }


def _set(name: str, change: Callable[[pd.Series], Any]) -> Callable[[pd.DataFrame], None]:
    def damage(frame: pd.DataFrame) -> None:
        frame[name] = change(frame[name])

    return damage


def _part(share: float, value: Any) -> Callable[[pd.Series], Any]:
    """Change every so many-th value."""

    def change(values: pd.Series) -> pd.Series:
        chosen = np.arange(len(values)) % round(1 / share) == 0
        return values.astype(object).where(~chosen, value)

    return change


def _keep(frame: pd.DataFrame) -> None:
    del frame


def _swap(first: str, second: str) -> Callable[[pd.DataFrame], None]:
    def damage(frame: pd.DataFrame) -> None:
        frame[[first, second]] = frame[[second, first]].to_numpy()

    return damage


def _repeat_ids(frame: pd.DataFrame) -> None:
    frame.loc[:2, "id"] = frame["id"].iloc[10]


def _score(values: Floats) -> Floats:
    odds: Floats = 2 * (values - values.mean()) / values.std()
    found: Floats = 1 / (1 + np.exp(-odds))
    return found


def _cancer() -> Case:
    """569 tumours, 30 measures of each."""
    data = sklearn.datasets.load_breast_cancer()
    names = [name.replace(" ", "_") for name in data.feature_names]
    frame = pd.DataFrame(data.data, columns=names)
    frame["size"] = pd.cut(frame["mean_radius"], [0, 12, 16, 99], labels=["small", "middle", "large"]).astype(
        str
    )
    frame["label"] = 1 - data.target
    frame["score"] = _score(frame["worst_perimeter"].to_numpy())
    expected = {"mean_area": {"atLeast": 0, "atMost": 5000}, "size": {"type": "text"}}
    faults: dict[str, Fault] = {
        "unit": (
            _set("mean_area", lambda values: values * 100),
            {("drift", "mean_area"), ("range", "mean_area")},
        ),
        "nulls": (_set("mean_texture", _part(0.2, None)), {("missing", "mean_texture")}),
        "category": (_set("size", _part(0.1, "huge")), {("new categories", "size")}),
        "swapped": (
            _swap("mean_smoothness", "area_error"),
            {("drift", "mean_smoothness"), ("drift", "area_error")},
        ),
        "ids": (_repeat_ids, {("unique", "id")}),
        "labels": (_set("label", _part(0.5, 1)), {("drift", "label")}),
        "score": (_set("score", lambda values: values**3), {("drift", "score")}),
        "outlier": (
            _set("mean_area", lambda values: values.where(values.index != 3, -1.0)),
            {("range", "mean_area")},
        ),
        "column": (lambda frame: frame.__delitem__("mean_area"), {("column", "mean_area")}),
    }
    return Case(_shuffled(frame), _spec("binary", expected, score="score"), "csv", faults)


def _digits() -> Case:
    """1797 pictures of digits, 64 pixels of each; some pixels are always white."""
    data = sklearn.datasets.load_digits()
    frame = pd.DataFrame(data.data, columns=[f"pixel{number:02}" for number in range(64)])
    centres = np.stack([data.data[data.target == digit].mean(axis=0) for digit in range(10)])
    nearest = ((data.data[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    frame["prediction"], frame["label"] = nearest.astype(str), data.target.astype(str)
    expected = {"pixel20": {"atLeast": 0, "atMost": 16, "missingAtMost": 0.01}, "label": {"in": [*range(10)]}}
    faults: dict[str, Fault] = {
        "constant": (_set("pixel20", lambda values: values * 0), {("drift", "pixel20")}),
        "nulls": (
            _set("pixel20", lambda values: values.where(values.index % 5 > 0)),
            {("missing", "pixel20")},
        ),
        "labels": (_set("label", _part(0.25, "7")), {("drift", "label")}),
        "unknown": (_set("label", _part(0.002, "x")), {("set", "label")}),
        "outlier": (
            _set("pixel20", lambda values: values.where(values.index != 3, 17.0)),
            {("range", "pixel20")},
        ),
    }
    return Case(_shuffled(frame), _spec("multiclass", expected, prediction="prediction"), "parquet", faults)


def _diabetes() -> Case:
    """442 patients, ten measures of each, in their own units: training data, which no model has scored yet."""
    data = sklearn.datasets.load_diabetes(scaled=False)
    frame = pd.DataFrame(data.data, columns=data.feature_names)
    frame["sex"] = frame["sex"].map({1.0: "f", 2.0: "m"})
    frame["label"] = data.target
    expected = {"age": {"type": "number", "atLeast": 18, "atMost": 110}, "sex": {"matches": "^[a-z]$"}}
    faults: dict[str, Fault] = {
        "unit": (_set("bp", lambda values: values / 7.5), {("drift", "bp")}),
        "nulls": (_set("sex", _part(0.2, None)), {("missing", "sex")}),
        "category": (_set("sex", _part(0.1, "X")), {("new categories", "sex"), ("pattern", "sex")}),
        "text": (_set("age", _part(0.2, "old")), {("type", "age"), ("range", "age"), ("invalid", "age")}),
        "labels": (_set("label", lambda values: values * 2), {("drift", "label")}),
    }
    return Case(_shuffled(frame), _spec("regression", expected, score="score"), "jsonl.gz", faults)


CASES = {"cancer": _cancer, "digits": _digits, "diabetes": _diabetes}
_READY: dict[str, Case] = {}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    def ready(name: str) -> Case:
        if name not in _READY:
            _READY[name] = CASES[name]()
            _READY[name].prepare(tmp_path_factory.mktemp(name))
        return _READY[name]

    return ready


@pytest.mark.parametrize("name", CASES)
def test_a_batch_like_the_reference_passes(cases: Callable[[str], Case], name: str) -> None:
    verdict = cases(name).judged("clean", _keep)
    assert [check for check in verdict["checks"] if not check["passed"]] == []
    assert {check["what"] for check in verdict["checks"]} >= {"rows", "unique", "drift", "missing"}
    assert "label" in {check["where"] for check in verdict["checks"]}
    assert verdict["notJudged"] == []


@pytest.mark.parametrize("name", CASES)
def test_every_planted_fault_is_named_and_nothing_else(cases: Callable[[str], Case], name: str) -> None:
    case = cases(name)
    for fault, (damage, expected) in case.faults.items():
        verdict = case.judged(fault, damage)
        failed = {(check["what"], check["where"]) for check in verdict["checks"] if not check["passed"]}
        assert failed == expected, fault
        if (name, fault) == ("cancer", "category"):
            (new,) = [
                check
                for check in verdict["checks"]
                if check["what"] == "new categories" and not check["passed"]
            ]
            assert (new["rows"], new["examples"]) == (29, ["huge"])
