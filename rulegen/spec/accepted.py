"""The key `accept`, which specs, SLOs and alerts have."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from mlslo.yamlfile import StrictModel
from rulegen.spec.lint_names import Acceptable


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError("expected a reason that a reviewer understands, got nothing")
    return text


class Accept(StrictModel):
    """A finding that somebody has looked at and wants as it is."""

    lint: Acceptable = Field(
        description="Name of the lint, as its message ends with; docs/lint has a page for each."
    )
    reason: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_reason)] = Field(
        description="Why it is right here."
    )
