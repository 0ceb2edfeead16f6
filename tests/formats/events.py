"""Request and response as two records: the events of KServe's logger and of Seldon's."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.formats.dataset import FEATURES, Request, iso, lines
from tests.formats.format import Format
from tests.formats.tensors import WITHOUT_MISSING, inputs, outputs

Body = Callable[[Request], dict[str, Any]]
Events = Iterator[tuple[datetime, dict[str, Any]]]

KSERVE = "org.kubeflow.serving.inference"
SELDON = "io.seldon.serving.inference"
NUMBERS = ("age", "amount", "tenure")
"""What one tensor of numbers can hold: neither text nor missing values."""


def _event(kind: str, request: Request, at: datetime, **attributes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": kind,
        "source": "http://localhost:9081/",
        "id": request.id,
        "time": iso(at, digits=9),
        "datacontenttype": "application/json",
        "inferenceservicename": "credit",
        "namespace": "default",
        **attributes,
    }


def _pairs(requests: Sequence[Request], of: str, body: Body, answer: Body, **extra: Any) -> Events:
    for request in requests:
        assert request.latency_ms is not None
        end = request.at + timedelta(milliseconds=request.latency_ms)
        yield request.at, {**_event(f"{of}.request", request, request.at, **extra), "data": body(request)}
        if not request.failed:
            yield end, {**_event(f"{of}.response", request, end, **extra), "data": answer(request)}


def _as_they_come(events: Events) -> list[dict[str, Any]]:
    """In the order of time, but for some: several workers send, so a response may overtake its request."""
    written = [event for _, event in sorted(events, key=lambda timed: timed[0])]
    for i in range(10, len(written) - 1, 25):
        written[i], written[i + 1] = written[i + 1], written[i]
    return written


def _kserve(requests: Sequence[Request], body: Body, answer: Body) -> bytes:
    events = _as_they_come(_pairs(requests, KSERVE, body, answer, component="predictor", endpoint=""))
    for event in events:
        event["metadata"] = "{}" if event["type"].endswith("request") else "null"
    return lines(events)


def _predictions(request: Request) -> dict[str, Any]:
    return {"predictions": [row.score for row in request.rows]}


def write_kserve_v1(requests: Sequence[Request]) -> bytes:
    """Instances as lists of values, which have no names."""
    return _kserve(
        requests,
        lambda request: {"instances": [[row.features[name] for name in FEATURES] for row in request.rows]},
        _predictions,
    )


def write_kserve_v1_named(requests: Sequence[Request]) -> bytes:
    """Instances as objects."""
    return _kserve(
        requests, lambda request: {"instances": [row.features for row in request.rows]}, _predictions
    )


def write_kserve_v2(requests: Sequence[Request]) -> bytes:
    """The Open Inference Protocol: one tensor for each feature, `predict_proba` as the output."""
    return _kserve(requests, lambda request: inputs(request, WITHOUT_MISSING), outputs)


def _seldon(requests: Sequence[Request], body: Body, answer: Body) -> bytes:
    """The request's id is in ``requestid``; ``id`` is of the event alone. ``endpoint`` is the predictor."""
    events = _as_they_come(_pairs(requests, SELDON, body, answer, modelid="classifier", protocol="seldon"))
    versions = {request.id: request.version for request in requests}
    for event in events:
        event |= {"requestid": event["id"], "endpoint": versions[event["id"]]}
        event["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, event["type"] + event["id"]))
    return lines(events)


def write_seldon_ndarray(requests: Sequence[Request]) -> bytes:
    """Rows in ``data.ndarray``, the features' names beside them; of the answer the probabilities of both classes."""
    return _seldon(
        requests,
        lambda request: {
            "data": {
                "names": list(FEATURES),
                "ndarray": [list(row.features.values()) for row in request.rows],
            }
        },
        lambda request: {
            "data": {
                "names": ["t:0", "t:1"],
                "ndarray": [[round(1 - score, 4), score] for score in _scores(request)],
            },
            "meta": {"requestPath": {"classifier": "credit:1.0"}},
        },
    )


def write_seldon_tensor(requests: Sequence[Request]) -> bytes:
    """All rows in one list of numbers, ``data.tensor.values``, which ``data.tensor.shape`` cuts."""
    return _seldon(
        requests,
        lambda request: {
            "data": {
                "names": list(NUMBERS),
                "tensor": {
                    "shape": [len(request.rows), len(NUMBERS)],
                    "values": [row.features[name] for row in request.rows for name in NUMBERS],
                },
            }
        },
        lambda request: {
            "data": {
                "names": ["t:1"],
                "tensor": {"shape": [len(request.rows), 1], "values": _scores(request)},
            },
            "meta": {"requestPath": {"classifier": "credit:1.0"}},
        },
    )


def _scores(request: Request) -> list[float]:
    return [row.score for row in request.rows if row.score is not None]


def _format(name: str, write: Callable[[Sequence[Request]], bytes], **but: Any) -> Format:
    return Format(name, write, ids="request", latency="difference", errors="no response", **but)


EVENTS = (
    _format("kserve-v1", write_kserve_v1, version="none"),
    _format("kserve-v1-named", write_kserve_v1_named, version="none"),
    _format("kserve-v2", write_kserve_v2, features=WITHOUT_MISSING, version="answered"),
    _format("seldon-ndarray", write_seldon_ndarray),
    _format("seldon-tensor", write_seldon_tensor, features=NUMBERS),
)
