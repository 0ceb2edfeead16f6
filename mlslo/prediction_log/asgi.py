"""An ASGI middleware: one record for each prediction of a request, also for those that fail."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from mlslo.prediction_log.log import PredictionLog
from mlslo.prediction_log.request import CURRENT, Request

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_LONGEST_ID = 128


class PredictionLogMiddleware:
    """Writes time, id, status and latency of each request to ``paths``, with what ``annotate`` and ``LoggedModel`` add.

    The id is the request's ``X-Request-Id``, or a new one, and goes back in the answer. Of a request with several
    predictions each record's id ends in ``/0``, ``/1`` and so on.
    """

    def __init__(self, app: Application, log: PredictionLog, paths: Collection[str] = ("/predict",)) -> None:
        self._app = app
        self._log = log
        self._paths = frozenset(paths)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        identity = _request_id(scope) or uuid.uuid4().hex
        # Where the application fails, or the client leaves, before there is an answer.
        status = 500
        started = time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {
                    **message,
                    "headers": [*message.get("headers", ()), (b"x-request-id", identity.encode())],
                }
            await send(message)

        request = Request()
        token = CURRENT.set(request)
        try:
            await self._app(scope, receive, answer)
        finally:
            CURRENT.reset(token)
            about = {"latency_seconds": time.perf_counter() - started, "status": status}
            rows = request.rows or [{}]
            for position, row in enumerate(rows):
                name = identity if len(rows) == 1 else f"{identity}/{position}"
                self._log.write(**{"id": name, **about, **request.common, **row})


def _request_id(scope: Message) -> str | None:
    """Return the id that the client has given; None where it is none that can go into an answer."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and 0 < len(value) <= _LONGEST_ID:
            text: str = value.decode("latin-1")
            return text if text.isascii() and text.isprintable() else None
    return None
