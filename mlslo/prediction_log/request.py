"""The predictions that a request asks for, and what is known of them."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    """Keys of ``PredictionLog.write``: of each prediction of a request, and of all of them."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    common: dict[str, Any] = field(default_factory=dict)


CURRENT: ContextVar[Request | None] = ContextVar("mlslo_request", default=None)
"""None outside of a request."""


def annotate(**keys: Any) -> None:
    """Add keys of ``PredictionLog.write`` to the predictions of this request; outside of one, do nothing."""
    request = CURRENT.get()
    if request is not None:
        request.common.update(keys)
