"""Endpoint: which path takes what for which inbox, and who may send."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import NamedTuple

from exporter.inbox import Request
from exporter.web.push import body, otlp
from exporter.web.push.answers import Answer, Call, RefusedError, text, wait
from exporter.web.push.events import events_of
from exporter.web.push.tokens import Tokens
from exporter.web.push.writer import Writer

logger = logging.getLogger(__name__)

_PARSED_ASIDE = 64 << 10
_MOST_HELD = 32 << 20


class Route(NamedTuple):
    """Destination of the events of a path. ``otlp``: whether they are OTLP logs."""

    writer: Writer
    otlp: bool


class Endpoint:
    """Answers requests. ``routes``: by path."""

    def __init__(self, tokens: Tokens | None) -> None:
        self.routes: Mapping[str, Route] = {}
        self._tokens = tokens
        self._held = 0
        self._aside = ThreadPoolExecutor(2, "parsing")

    def close(self) -> None:
        """Release the threads."""
        self._aside.shutdown()

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Raise RefusedError where a request is none to be read: before its body has come."""
        if self._tokens is not None and not self._tokens.accept(headers.get("authorization")):
            raise RefusedError(
                HTTPStatus.UNAUTHORIZED,
                "expected 'Authorization: Bearer TOKEN' with a token of --push.token-file",
                "unauthorized",
                {"WWW-Authenticate": 'Bearer realm="mlslo-exporter"'},
            )
        if path not in self.routes:
            raise _unknown()
        if method != "POST":
            raise RefusedError(
                HTTPStatus.METHOD_NOT_ALLOWED, "expected POST", "unsupported", {"Allow": "POST"}
            )

    async def answer(self, call: Call) -> Answer:
        """Take the events of a request that passed ``check``; the answer says 200 once they are durable."""
        route = self.routes.get(call.path)
        if route is None:
            # It was taken away since the request began.
            return text(_unknown())
        try:
            if len(call.body) <= _PARSED_ASIDE:
                return await self._taken(route, _parsed(route, call), call)
            # Others need not wait for it.
            found = await asyncio.get_running_loop().run_in_executor(self._aside, _parsed, route, call)
            if (route := self.routes.get(call.path)) is None:
                return text(_unknown())
            return await self._taken(route, found, call)
        except RefusedError as refusal:
            return self.refused(call, refusal)

    def refused(self, call: Call, refusal: RefusedError) -> Answer:
        """Return the answer to a request that is not taken, and count it."""
        route = self.routes.get(call.path)
        if route is None:
            return text(refusal)
        if refusal.reason:
            route.writer.count(refusal.reason)
        return otlp.failure(call, refusal) if route.otlp else text(refusal)

    async def _taken(self, route: Route, found: Request | otlp.Logs, call: Call) -> Answer:
        request = found.request if isinstance(found, otlp.Logs) else found
        size = sum(len(event.line) for event in request.events)
        if self._held + size > _MOST_HELD:
            raise wait(HTTPStatus.SERVICE_UNAVAILABLE, "too many events at once", "busy")
        self._held += size
        try:
            taken = await route.writer.take(request)
        finally:
            self._held -= size
        if isinstance(found, otlp.Logs):
            if found.rejected:
                route.writer.count("rejected", found.rejected)
            return otlp.answer(call, found)
        content = json.dumps({"accepted": taken.accepted, "repeated": taken.repeated}) + "\n"
        return Answer(HTTPStatus.OK, content.encode(), "application/json")


def _unknown() -> RefusedError:
    return RefusedError(HTTPStatus.NOT_FOUND, "no monitor file has a push sink with this path")


def _parsed(route: Route, call: Call) -> Request | otlp.Logs:
    call = call._replace(body=body.decoded(call.body, call.headers.get("content-encoding", "")))
    return otlp.logs_of(call) if route.otlp else events_of(call)
