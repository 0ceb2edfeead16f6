"""The same predictions in other formats, against plain JSON lines: CPU time of `once` for each.

    .venv/bin/python -m benchmarks.shapes [--quick]

20 features. Presets and wrappings have a prediction a record, batches a hundred. What `once` takes of a log of one
record is taken off all of them. The formats take turns; the least of each counts. Limits are those that were asked for
when formats were begun, by the prediction; docs/decisions.md says which are missed, and why.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.process import Cost, python
from benchmarks.table import Row, finish

PRESET, BATCH = 1.5, 0.7
_TURNS = 2
_TYPE = "org.kubeflow.serving.inference."
_TYPES = {f"n{i}": {"type": "numeric"} for i in range(16)} | {
    f"c{i}": {"type": "categorical"} for i in range(4)
}
_NAMES = list(_TYPES)
_ABOUT = {
    "timestamp": "ts",
    "id": "id",
    "version": "version",
    "status": "status",
    "latency": {"field": "latency_ms", "unit": "ms"},
    "score": "score",
}

Record = dict[str, Any]
Writer = Callable[[list[Record]], Iterator[Record | str]]


def _kserve(records: list[Record]) -> Iterator[Record]:
    for record in records:
        event = {"specversion": "1.0", "id": record["id"], "time": record["ts"]}
        yield {**event, "type": f"{_TYPE}request", "data": {"instances": [[*record["features"].values()]]}}
        yield {**event, "type": f"{_TYPE}response", "data": {"predictions": [record["score"]]}}


def _sagemaker(records: list[Record]) -> Iterator[Record]:
    for record in records:
        text = ",".join(map(str, record["features"].values()))
        yield {
            "captureData": {
                "endpointInput": {"data": text, "encoding": "CSV"},
                "endpointOutput": {"data": str(record["score"]), "encoding": "CSV"},
            },
            "eventMetadata": {"eventId": record["id"], "inferenceTime": record["ts"]},
        }


def _databricks(records: list[Record]) -> Iterator[Record]:
    for record in records:
        yield {
            "databricks_request_id": record["id"],
            "request_time": record["ts"],
            "status_code": 200,
            "execution_duration_ms": record["latency_ms"],
            "request": json.dumps({"dataframe_records": [record["features"]]}),
            "response": json.dumps({"predictions": [record["score"]]}),
        }


def _batches(records: list[Record]) -> Iterator[Record]:
    for start in range(0, len(records), 100):
        some = records[start : start + 100]
        about = {key: value for key, value in some[0].items() if key not in ("features", "score", "id")}
        yield {
            **about,
            "ids": [record["id"] for record in some],
            "instances": [[*record["features"].values()] for record in some],
            "predictions": [record["score"] for record in some],
        }


def _docker(records: list[Record]) -> Iterator[Record]:
    for record in records:
        yield {"log": json.dumps(record) + "\n", "stream": "stdout", "time": record["ts"]}


def _cri(records: list[Record]) -> Iterator[str]:
    for record in records:
        yield f"{record['ts']} stdout F {json.dumps(record)}"


def _csv(records: list[Record]) -> Iterator[str]:
    about = [key for key in records[0] if key != "features"]
    yield ",".join([*about, *_NAMES])
    for record in records:
        yield ",".join(map(str, [*(record[key] for key in about), *record["features"].values()]))


_FORMATS: list[tuple[str, Writer, dict[str, Any], float | None]] = [
    ("plain", lambda records: iter(records), {"fields": {**_ABOUT, "features": "features"}}, None),
    ("kserve", _kserve, {"preset": "kserve", "fields": {"features": {"names": _NAMES}}}, PRESET),
    ("sagemaker", _sagemaker, {"preset": "sagemaker", "fields": {"features": {"names": _NAMES}}}, PRESET),
    ("databricks", _databricks, {"preset": "databricks"}, PRESET),
    (
        "batches of 100",
        _batches,
        {
            "fields": {
                **_ABOUT,
                "id": "ids.*",
                "score": "predictions.*",
                "features": {"path": "instances.*", "names": _NAMES},
            }
        },
        BATCH,
    ),
    ("docker", _docker, {"fields": {**_ABOUT, "features": "features"}}, None),
    ("cri", _cri, {"fields": {**_ABOUT, "features": "features"}}, None),
    ("csv", _csv, {"fields": {**_ABOUT, "features": _NAMES}}, None),
    ("gzip", lambda records: iter(records), {"fields": {**_ABOUT, "features": "features"}}, None),
]
_SUFFIX = {"csv": ".csv", "gzip": ".gz"}


def _write(path: Path, lines: Iterator[Record | str]) -> None:
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text, 1) if path.suffix == ".gz" else text)


def _once(folder: Path, log: Path, predictions: dict[str, Any]) -> Cost:
    sink = {"file": {"path": log.name}}
    monitor = data.monitor(folder, predictions={"sink": sink, **predictions}, features=_TYPES)
    return python("-m", "exporter", "once", monitor, "--at", "2026-01-01T01:00:00Z")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="2,000 records")
    options = parser.parse_args()
    rows = 2_000 if options.quick else 200_000
    with tempfile.TemporaryDirectory(prefix="mlslo-shapes-") as name:
        folder = Path(name)
        source = folder / "source"
        python("-m", "benchmarks.data", source, "--rows", rows)
        records = [json.loads(line) for line in source.read_text().splitlines()]
        found: dict[str, list[Cost]] = {}
        for format_, writer, *_ in _FORMATS:
            _write(folder / f"log-{format_}{_SUFFIX.get(format_, '.log')}", writer(records))
        single = folder / "single.log"
        _write(single, iter(records[:1]))
        for _ in range(1 if options.quick else _TURNS):
            found.setdefault("", []).append(_once(folder, single, _FORMATS[0][2]))
            for format_, _, predictions, _ in _FORMATS:
                log = folder / f"log-{format_}{_SUFFIX.get(format_, '.log')}"
                found.setdefault(format_, []).append(_once(folder, log, predictions))
                assert "ml_predictions_total{" in found[format_][-1].output
    least = {format_: min(cost.cpu for cost in costs) for format_, costs in found.items()}
    table = [Row("plain, CPU µs a prediction", (least["plain"] - least[""]) / rows * 1e6, "µs")]
    for format_, _, _, limit in _FORMATS:
        ratio = (least[format_] - least[""]) / (least["plain"] - least[""])
        table.append(Row(format_, ratio, "x plain", limit))
    finish(f"Formats: {rows:,} predictions each", table, quick=options.quick)


if __name__ == "__main__":
    main()
