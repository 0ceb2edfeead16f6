"""Logs that an application writes itself: plain JSON lines, and other shapes of the same."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from tests.formats.dataset import FEATURES, Request, Row, dumps, iso, lines, singles
from tests.formats.format import Format


def _about(request: Request, name: str) -> dict[str, Any]:
    """What is said of a whole request; nothing where it is None."""
    about = {
        "ts": iso(request.at),
        "id": name,
        "version": request.version,
        "status": request.status,
        "latency_ms": request.latency_ms,
    }
    return {key: value for key, value in about.items() if value is not None}


def _score(row: Row) -> dict[str, float]:
    return {} if row.score is None else {"score": row.score}


def _plain(requests: Sequence[Request]) -> Iterator[dict[str, Any]]:
    for request, name, row in singles(requests):
        # A call that failed before there were any has no features, which is not to have missing ones.
        features = {"features": row.features} if row.features else {}
        yield {**_about(request, name), **_score(row), **features}


def write_plain(requests: Sequence[Request]) -> bytes:
    """One line a prediction, with what it has: the baseline of all comparisons."""
    return lines(_plain(requests))


def write_positional(requests: Sequence[Request]) -> bytes:
    """Features as a list without names."""
    return lines(
        {**_about(request, name), **_score(row), "inputs": [row.features[key] for key in FEATURES]}
        for request, name, row in singles(requests)
    )


def write_predict_proba(requests: Sequence[Request]) -> bytes:
    """The score as the probabilities of both classes."""
    return lines(
        {
            **_about(request, name),
            "features": row.features,
            "probabilities": None if row.score is None else [round(1 - row.score, 4), row.score],
        }
        for request, name, row in singles(requests)
    )


def write_batches(requests: Sequence[Request]) -> bytes:
    """One line a request: instances, predictions and ids in step."""
    return lines(
        {
            **_about(request, request.id),
            "ids": request.row_ids(),
            "instances": [row.features for row in request.rows],
            **({} if request.failed else {"predictions": [row.score for row in request.rows]}),
        }
        for request in requests
    )


def write_json_text(requests: Sequence[Request]) -> bytes:
    """Request and response as texts that hold JSON."""
    return lines(
        {
            **_about(request, name),
            "request": dumps({"features": row.features}),
            "response": dumps({"error": "timeout"} if request.failed else _score(row)),
        }
        for request, name, row in singles(requests)
    )


def _flat(requests: Sequence[Request]) -> Iterator[dict[str, Any]]:
    for request, name, row in singles(requests):
        yield {**_about(request, name), **_score(row), **row.features}


def write_logfmt(requests: Sequence[Request]) -> bytes:
    """``key=value``, in quotes where there is a space, a comma, a quote or ``=``; nothing where it is missing."""
    return "".join(
        " ".join(f"{key}={_logfmt(value)}" for key, value in record.items() if value is not None) + "\n"
        for record in _flat(requests)
    ).encode()


def _logfmt(value: object) -> str:
    text = str(value)
    return dumps(text) if any(mark in text for mark in ' ,"=') else text


def write_csv(requests: Sequence[Request]) -> bytes:
    """A header, quotes where they are needed, and empty cells for missing values."""
    records = list(_flat(requests))
    header = list(dict.fromkeys(key for record in records for key in record))
    with io.StringIO(newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
        return file.getvalue().encode()


PLAIN = Format("plain", write_plain)
OWN = (
    PLAIN,
    Format("positional", write_positional),
    Format("predict-proba", write_predict_proba),
    Format("batches", write_batches),
    Format("json-text", write_json_text),
    Format("logfmt", write_logfmt, suffix=".log"),
    Format("csv", write_csv, suffix=".csv"),
)
