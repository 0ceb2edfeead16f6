"""Settings of events that are sent to the exporter."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from mlslo.yamlfile import Shape, StrictModel

OTLP_PATH = "/v1/logs"
"""Below the path of a push sink: where OTLP logs are sent."""


_PUSH_PATH = r"^(/[A-Za-z0-9._~-]+)+$"


def _as_path(text: str) -> str:
    if not re.fullmatch(_PUSH_PATH, text):
        raise ValueError(
            f"expected a path such as /fraud, of letters, digits and ._~- behind each slash, got '{text}'"
        )
    return text


class PushSink(StrictModel):
    """Events that are sent to the exporter over HTTP: CloudEvents, JSON lines, OTLP logs."""

    path: Annotated[str, AfterValidator(_as_path), Shape(pattern=_PUSH_PATH)] = Field(
        description="The path on `--push.listen-address` that takes them, such as `/fraud`; OTLP logs below it, at "
        "`/v1/logs`.",
    )
    maxBytes: int = Field(
        1 << 30,
        ge=1 << 20,
        description="Events that are not counted yet take at most so many bytes; past it senders are told to wait.",
    )
