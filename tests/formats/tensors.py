"""The Open Inference Protocol's tensors, and logs of an application that speaks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.formats.dataset import Request, iso, lines
from tests.formats.format import Format

WITHOUT_MISSING = ("age", "amount", "tenure", "region")
"""The features that are never missing: a tensor has no null."""
MATRIX = ("age", "amount", "tenure")
_DATATYPES = {"age": "INT64", "amount": "FP64", "tenure": "INT64", "region": "BYTES"}


def inputs(request: Request, names: Sequence[str]) -> dict[str, Any]:
    """Return an inference request with a tensor for each feature: MLServer's content type ``pd``."""
    return {
        "id": request.id,
        "parameters": {"content_type": "pd"},
        "inputs": [
            {
                "name": name,
                "shape": [len(request.rows), 1],
                "datatype": _DATATYPES[name],
                "data": [row.features[name] for row in request.rows],
            }
            for name in names
        ],
    }


def outputs(request: Request) -> dict[str, Any]:
    """Return an inference response: the classes, and the probabilities of both, flat and row by row."""
    scores = [row.score for row in request.rows if row.score is not None]
    size = len(scores)
    flat = [probability for score in scores for probability in (round(1 - score, 4), score)]
    return {
        "model_name": "credit",
        "model_version": request.version,
        "id": request.id,
        "outputs": [
            {
                "name": "predict",
                "shape": [size, 1],
                "datatype": "INT64",
                "data": [int(s >= 0.5) for s in scores],
            },
            {"name": "predict_proba", "shape": [size, 2], "datatype": "FP64", "data": flat},
        ],
    }


def _matrix(request: Request) -> dict[str, Any]:
    """Return an inference request with one tensor of all features, nested."""
    data = [[row.features[name] for name in MATRIX] for row in request.rows]
    tensor = {"name": "input-0", "shape": [len(data), len(MATRIX)], "datatype": "FP64", "data": data}
    return {"id": request.id, "inputs": [tensor]}


def _exchange(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "ts": iso(request.at),
        "status": request.status,
        "latency_ms": request.latency_ms,
        "request": body,
        "response": {"error": "timeout"} if request.failed else outputs(request),
    }


def write_named_tensors(requests: Sequence[Request]) -> bytes:
    """Request and response in one record; a tensor for each feature."""
    return lines(_exchange(request, inputs(request, WITHOUT_MISSING)) for request in requests)


def write_tensor_matrix(requests: Sequence[Request]) -> bytes:
    """Request and response in one record; one tensor of all features."""
    return lines(_exchange(request, _matrix(request)) for request in requests)


TENSORS = (
    Format("named-tensors", write_named_tensors, features=WITHOUT_MISSING, ids="request", version="answered"),
    Format("tensor-matrix", write_tensor_matrix, features=MATRIX, ids="request", version="answered"),
)
