"""The key `accept`, which specs, SLOs and alerts have."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from mlslo.yamlfile import Shape, StrictModel, did_you_mean, quoted_list
from rulegen.spec.lint_names import ACCEPTABLE


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError("expected a reason that a reviewer understands, got nothing")
    return text


def _known(lint: str) -> str:
    if lint not in ACCEPTABLE:
        raise ValueError(
            f"expected one of {quoted_list(ACCEPTABLE)}, got '{lint}'{did_you_mean(lint, ACCEPTABLE)}"
        )
    return lint


class Accept(StrictModel):
    """A finding that somebody has looked at and wants as it is."""

    lint: Annotated[str, AfterValidator(_known), Shape(enum=list(ACCEPTABLE))] = Field(
        description="Name of the lint, as its message ends with; docs/lint has a page for each."
    )
    reason: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_reason)] = Field(
        description="Why it is right here."
    )
