"""Requests and answers of the push endpoint, and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple


class RefusedError(Exception):
    """A request that is not taken. ``reason``: how it is counted; "" where it belongs to no sink."""

    def __init__(
        self, status: HTTPStatus, text: str, reason: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.headers = headers or {}


def malformed(text: str) -> RefusedError:
    """Return the refusal of a body that is not what its type says."""
    return RefusedError(HTTPStatus.BAD_REQUEST, text, "malformed")


def wait(status: HTTPStatus, text: str, reason: str, seconds: int = 1) -> RefusedError:
    """Return the refusal of a request that may be sent again after some ``seconds``."""
    return RefusedError(status, text, reason, {"Retry-After": str(seconds)})


class Call(NamedTuple):
    """A whole request. ``headers``: names in lower case; values of repeated ones are joined by commas."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type, in lower case and without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Answer(NamedTuple):
    """Answer to a request."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = {}


def text(refusal: RefusedError) -> Answer:
    """Return a refusal as one line of text."""
    return Answer(refusal.status, f"{refusal}\n".encode(), headers=refusal.headers)
