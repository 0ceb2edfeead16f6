"""The ASGI middleware: one record for each prediction of a request, also where it fails."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mlslo.prediction_log import LoggedModel, PredictionLog, PredictionLogMiddleware, annotate
from mlslo.prediction_log.asgi import Application, Message, Receive, Send


async def _answer(send: Send, status: int = 200) -> None:
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]}
    )
    await send({"type": "http.response.body", "body": b"done"})


def _request(
    tmp_path: Path, app: Application, *, path: str = "/predict", headers: tuple[tuple[bytes, bytes], ...] = ()
) -> tuple[list[Message], list[dict[str, Any]]]:
    """Return what was sent, and the log."""
    log = PredictionLog(tmp_path / "log.jsonl")
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "path": path, "headers": headers}
    try:
        asyncio.run(PredictionLogMiddleware(app, log)(scope, receive, send))
    finally:
        log.close()
    file = tmp_path / "log.jsonl"
    return sent, [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_what_the_application_adds_is_in_the_record(tmp_path: Path) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG001
        annotate(score=0.75, features={"age": 41})
        annotate(version="2")
        await _answer(send, 201)

    sent, (record,) = _request(tmp_path, app, headers=((b"x-request-id", b"r-17"),))
    assert sent[0]["headers"] == [(b"content-type", b"text/plain"), (b"x-request-id", b"r-17")]
    assert record.pop("latency_ms") >= 0
    record.pop("timestamp")
    assert record == {"id": "r-17", "status": 201, "version": "2", "score": 0.75, "features": {"age": 41}}


def test_threads_of_the_application_add_to_the_same_record(tmp_path: Path) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await asyncio.to_thread(annotate, score=0.5)
        await _answer(send)

    _, (record,) = _request(tmp_path, app)
    assert record["score"] == 0.5


def test_several_rows_are_several_records(tmp_path: Path) -> None:
    class Model:
        def predict(self, rows: list[list[float]]) -> list[float]:
            return [sum(row) for row in rows]

    unused = PredictionLog(tmp_path / "unused.jsonl")

    async def app(scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG001
        annotate(tenant="north")
        LoggedModel(Model(), unused).predict([[1.0, 2.0], [3.0, 4.0]])
        await _answer(send)

    _, records = _request(tmp_path, app, headers=((b"x-request-id", b"r"),))
    assert [(record["id"], record["score"], record["tenant"]) for record in records] == [
        ("r/0", 3.0, "north"),
        ("r/1", 7.0, "north"),
    ]
    assert unused.written == unused.dropped == 0


def test_both_answers_for_the_same_rows_are_one_record(tmp_path: Path) -> None:
    class Model:
        classes_ = ("no", "yes")

        def predict(self, rows: list[list[float]]) -> list[str]:
            return ["yes" for _ in rows]

        def predict_proba(self, rows: list[list[float]]) -> list[list[float]]:
            return [[0.25, 0.75] for _ in rows]

    unused = PredictionLog(tmp_path / "unused.jsonl")

    async def app(scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG001
        model = LoggedModel(Model(), unused)
        model.predict_proba([[1.0]])
        model.predict([[1.0]])
        await _answer(send)

    _, (record,) = _request(tmp_path, app)
    assert (record["score"], record["prediction"]) == (0.75, "yes")


def test_a_request_that_fails_is_an_error(tmp_path: Path) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG001
        raise RuntimeError("no model")

    with pytest.raises(RuntimeError):
        _request(tmp_path, app)
    (record,) = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert record["status"] == 500
    assert "score" not in record


def test_other_paths_are_not_predictions(tmp_path: Path) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG001
        annotate(score=1.0)
        await _answer(send)

    sent, records = _request(tmp_path, app, path="/health")
    assert len(sent) == 2
    assert records == []


@pytest.mark.parametrize("given", [b"", b"x" * 129, b"caf\xe9", b"a\nSet-Cookie: b"])
def test_ids_that_cannot_be_answered_are_replaced(given: bytes, tmp_path: Path) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await _answer(send)

    sent, (record,) = _request(tmp_path, app, headers=((b"x-request-id", given),))
    assert len(record["id"]) == 32
    assert sent[0]["headers"][-1] == (b"x-request-id", record["id"].encode())
