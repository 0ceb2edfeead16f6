"""Evidently's drift preset, as its documentation has it, in its own environment (see benchmarks/peers.py).

evidently_drift.py files REFERENCE LOG        JSON lines with nested features, read with pandas
evidently_drift.py windows ROWS REFERENCE_ROWS WINDOWS [SEED]     drift-free windows; how many the preset rings on
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")


def drifted(current: pd.DataFrame, reference: pd.DataFrame) -> dict[str, Any]:
    """Return the preset's result for the whole data set: count and share of drifted columns."""
    from evidently import DataDefinition, Dataset, Report  # type: ignore[import-not-found]
    from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]

    numbers = [name for name in reference.columns if name.startswith("n")]
    categories = [name for name in reference.columns if name.startswith("c")]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    found = Report([DataDriftPreset()]).run(
        Dataset.from_pandas(current, definition), Dataset.from_pandas(reference, definition)
    )
    metrics = found.dict()["metrics"]
    return dict(next(item["value"] for item in metrics if "DriftedColumnsCount" in str(item)))


def read(path: str) -> pd.DataFrame:
    with Path(path).open(encoding="utf-8") as lines:
        return pd.DataFrame([json.loads(line)["features"] for line in lines])


def rings(rows: int, reference_rows: int, windows: int, seed: int = 0) -> int:
    """Of drift-free windows, those in which four features or more of 20 drifted by the preset."""
    rng = np.random.default_rng(seed)

    def sample(size: int) -> pd.DataFrame:
        columns: dict[str, Any] = {f"n{i}": rng.normal(size=size) for i in range(16)}
        columns |= {f"c{i}": rng.integers(0, 10, size).astype(str) for i in range(4)}
        return pd.DataFrame(columns)

    return sum(drifted(sample(rows), sample(reference_rows))["count"] >= 4 for _ in range(windows))


if __name__ == "__main__":
    if sys.argv[1] == "files":
        print(drifted(read(sys.argv[3]), read(sys.argv[2])))
    else:
        print(rings(*map(int, sys.argv[2:])))
