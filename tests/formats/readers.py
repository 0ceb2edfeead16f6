"""Plain readings of the formats, one by one: they tell whether a writer writes what it should."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import zstandard

from tests.formats.dataset import dumps, iso

Prediction = tuple[str, Any, Any]
"""Time, values of the features, score."""


def records(content: bytes) -> list[Any]:
    """Return the values of JSON lines."""
    return [json.loads(line) for line in content.splitlines()]


def as_text(at: str, instance: Any, score: Any) -> str:
    """Return one prediction as text, in which a missing value is empty."""
    values = instance.values() if isinstance(instance, dict) else instance
    return dumps([at[:19], *("" if value is None else str(value) for value in values), score])


def unwrapped_docker(content: bytes) -> bytes:
    """Return the plain lines."""
    return "".join(record["log"] for record in records(content) if record["stream"] == "stdout").encode()


def unwrapped_cri(content: bytes) -> bytes:
    """Return the plain lines."""
    lines = [line.split(" ", 3) for line in content.decode().splitlines()]
    return "".join(
        text + "\n" * (tag == "F") for _, stream, tag, text in lines if stream == "stdout"
    ).encode()


def unwrapped_prefix(content: bytes) -> bytes:
    """Return the plain lines."""
    return b"".join(line[line.index(b"{") :] for line in content.splitlines(keepends=True))


def unwrapped_zstd(content: bytes) -> bytes:
    """Return the plain lines."""
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content), read_across_frames=True) as reader:
        return reader.read()


def of_events(name: str, content: bytes) -> Iterator[Prediction]:
    """Yield the predictions of requests and responses that are records of their own."""
    key = "requestid" if name.startswith("seldon") else "id"
    events = records(content)
    requests = {event[key]: event for event in events if event["type"].endswith(".request")}
    for event in events:
        if event["type"].endswith(".response"):
            request = requests[event[key]]
            instances, scores = _of_bodies(name, request["data"], event["data"])
            for instance, score in zip(instances, scores, strict=True):
                yield request["time"], instance, score


def _of_bodies(name: str, given: Any, answer: Any) -> tuple[list[Any], list[Any]]:
    match name:
        case "kserve-v1" | "kserve-v1-named":
            return given["instances"], answer["predictions"]
        case "kserve-v2":
            return _tensors(given), answer["outputs"][1]["data"][1::2]
        case "seldon-ndarray":
            return given["data"]["ndarray"], [pair[1] for pair in answer["data"]["ndarray"]]
    size, width = given["data"]["tensor"]["shape"]
    values = given["data"]["tensor"]["values"]
    rows = [values[i * width : (i + 1) * width] for i in range(size)]
    return rows, answer["data"]["tensor"]["values"]


def _tensors(given: Any) -> list[Any]:
    return list(zip(*(tensor["data"] for tensor in given["inputs"]), strict=True))


def of_records(name: str, content: bytes) -> Iterator[Prediction]:
    """Yield the predictions, with their scores, of records that hold request and response."""
    for record in records(content):
        at, instances, scores = _of_record(name, record)
        for instance, score in zip(instances[: len(scores)], scores, strict=True):
            yield at, instance, score


def _of_record(name: str, record: Any) -> tuple[str, list[Any], list[Any]]:
    match name:
        case "sagemaker-csv" | "sagemaker-json" | "sagemaker-base64":
            return record["eventMetadata"]["inferenceTime"], *_captured(record["captureData"])
        case "vertex":
            given, answer = record["request_payload"], record["response_payload"]
            at = record["logging_time"].replace(" ", "T", 1)
            return at, [json.loads(text) for text in given], [json.loads(text) for text in answer]
        case "databricks-records":
            at = iso(datetime.fromtimestamp(record["timestamp_ms"] / 1000, UTC))
            return at, json.loads(record["request"])["dataframe_records"], _scores(record)
        case "databricks-split":
            split = json.loads(record["request"])["dataframe_split"]
            return record["request_time"], split["data"], _scores(record)
        case "batches":
            return record["ts"], record["instances"], record.get("predictions", [])
        case "bentoml":
            *values, score, at, _, _ = record.values()
            return at, [values], [score]
        case "positional":
            return record["ts"], [record["inputs"]], [record["score"]] if "score" in record else []
        case "predict-proba":
            return record["ts"], [record["features"]], (record["probabilities"] or [])[1:]
        case "json-text":
            answer = json.loads(record["response"])
            scores = [answer["score"]] if "score" in answer else []
            return record["ts"], [json.loads(record["request"])["features"]], scores
    given = record["request"]
    instances = given["inputs"][0]["data"] if name == "tensor-matrix" else _tensors(given)
    outputs = record["response"].get("outputs")
    return record["ts"], instances, outputs[1]["data"][1::2] if outputs else []


def _scores(record: Any) -> list[Any]:
    scores: list[Any] = json.loads(record["response"]).get("predictions", [])
    return scores


def _captured(capture: Any) -> tuple[list[Any], list[Any]]:
    given, answer = (_decoded(capture[key]) for key in ("endpointInput", "endpointOutput"))
    if isinstance(given, dict):
        given = [instance["features"] for instance in given["instances"]]
    if isinstance(answer, dict):
        return given, [prediction["score"] for prediction in answer["predictions"]]
    return given, [float(row[0]) for row in answer]


def _decoded(side: Any) -> Any:
    text, as_csv = side["data"], side["observedContentType"].startswith("text/csv")
    if side["encoding"] == "BASE64":
        text = base64.b64decode(text).decode()
    return list(csv.reader(io.StringIO(text))) if as_csv else json.loads(text)
