"""Request and response in one record, as the platforms of the clouds and BentoML log them."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tests.formats.dataset import FEATURES, Request, dumps, iso, lines, singles
from tests.formats.format import Format


def _answered(requests: Sequence[Request]) -> Iterator[Request]:
    """Those that the platform logs: of a request that failed nothing is documented."""
    return (request for request in requests if not request.failed)


def _csv(rows: Iterable[Iterable[object]]) -> str:
    """Rows without a header, empty where a value is missing."""
    with io.StringIO(newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
        return file.getvalue()


def _values(request: Request) -> list[list[Any]]:
    return [[row.features[name] for name in FEATURES] for row in request.rows]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _captured(
    requests: Sequence[Request], given: Callable[[Request], Any], answer: Callable[[Request], Any]
) -> bytes:
    return lines(
        {
            "captureData": {"endpointInput": given(request), "endpointOutput": answer(request)},
            "eventMetadata": {"eventId": request.id, "inferenceTime": iso(request.at)},
            "eventVersion": "0",
        }
        for request in _answered(requests)
    )


def _capture(mode: str, content_type: str, encoding: str, data: str) -> dict[str, str]:
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}


def write_sagemaker_csv(requests: Sequence[Request]) -> bytes:
    """CSV text without a header in, a score on each line out."""
    return _captured(
        requests,
        lambda request: _capture("INPUT", "text/csv", "CSV", _csv(_values(request))),
        lambda request: _capture(
            "OUTPUT", "text/csv; charset=utf-8", "CSV", "\n".join(str(row.score) for row in request.rows)
        ),
    )


def _json_predictions(request: Request) -> str:
    return dumps({"predictions": [{"score": row.score} for row in request.rows]})


def write_sagemaker_json(requests: Sequence[Request]) -> bytes:
    """JSON text, in the form of the built-in algorithms."""
    return _captured(
        requests,
        lambda request: _capture(
            "INPUT",
            "application/json",
            "JSON",
            dumps({"instances": [{"features": values} for values in _values(request)]}),
        ),
        lambda request: _capture("OUTPUT", "application/json", "JSON", _json_predictions(request)),
    )


def write_sagemaker_base64(requests: Sequence[Request]) -> bytes:
    """The default encoding: CSV in and JSON out, both as base64."""
    return _captured(
        requests,
        lambda request: _capture("INPUT", "text/csv", "BASE64", _base64(_csv(_values(request)))),
        lambda request: _capture("OUTPUT", "application/json", "BASE64", _base64(_json_predictions(request))),
    )


def write_bentoml(requests: Sequence[Request]) -> bytes:
    """One line a prediction, logged one by one; ``timestamp`` has no time zone."""
    return lines(
        {
            **row.features,
            "score": row.score,
            "timestamp": iso(request.at, digits=6).rstrip("Z"),
            "request_id": name,
            "trace_id": request.id[::-1],
        }
        for request, name, row in singles(list(_answered(requests)))
    )


def write_vertex(requests: Sequence[Request]) -> bytes:
    """BigQuery's JSON export: a JSON text for each instance, integers as text, times in BigQuery's form."""
    return lines(
        {
            "endpoint": "projects/1/locations/us-central1/endpoints/2",
            "deployed_model_id": request.version,
            "logging_time": f"{request.at:%Y-%m-%d %H:%M:%S} UTC",
            "request_id": request.id,
            "request_payload": [dumps(row.features) for row in request.rows],
            "response_payload": [dumps(row.score) for row in request.rows],
        }
        for request in _answered(requests)
    )


def _inference(request: Request, given: Any, *, served: bool) -> dict[str, Any]:
    """A row of an inference table; ``served``: of the gateway's, where columns have other names."""
    answer = {"predictions": [row.score for row in request.rows]}
    failure = {"error_code": "INTERNAL_ERROR", "message": "timeout"}
    common = {
        "databricks_request_id": request.id,
        "client_request_id": None,
        "status_code": request.status,
        "sampling_fraction": 1.0,
        "request": dumps(given),
        "response": dumps(failure if request.failed else answer),
    }
    if served:
        return {
            "request_date": f"{request.at:%Y-%m-%d}",
            "request_time": iso(request.at, digits=3),
            "execution_duration_ms": request.latency_ms,
            "served_entity_id": request.version,
            "logging_error_codes": [],
            "requester": "someone@example.com",
            **common,
        }
    return {
        "date": f"{request.at:%Y-%m-%d}",
        "timestamp_ms": int(request.at.timestamp() * 1000),
        "execution_time_ms": request.latency_ms,
        "request_metadata": {
            "endpoint_name": "credit",
            "model_name": "credit",
            "model_version": request.version,
        },
        **common,
    }


def write_databricks_records(requests: Sequence[Request]) -> bytes:
    """A table of the older kind, with ``dataframe_records``."""
    return lines(
        _inference(request, {"dataframe_records": [row.features for row in request.rows]}, served=False)
        for request in requests
    )


def write_databricks_split(requests: Sequence[Request]) -> bytes:
    """A table of the AI gateway, with ``dataframe_split``."""
    return lines(
        _inference(
            request,
            {
                "dataframe_split": {
                    "columns": list(FEATURES),
                    "index": list(range(len(request.rows))),
                    "data": _values(request),
                }
            },
            served=True,
        )
        for request in requests
    )


def _sagemaker(name: str, write: Callable[[Sequence[Request]], bytes]) -> Format:
    return Format(name, write, ids="request", version="none", latency="none", errors="left out")


PLATFORMS = (
    _sagemaker("sagemaker-csv", write_sagemaker_csv),
    _sagemaker("sagemaker-json", write_sagemaker_json),
    _sagemaker("sagemaker-base64", write_sagemaker_base64),
    Format("bentoml", write_bentoml, version="none", latency="none", errors="left out"),
    Format("vertex", write_vertex, ids="request", latency="none", errors="left out"),
    Format("databricks-records", write_databricks_records, ids="request"),
    Format("databricks-split", write_databricks_split, ids="request"),
)
