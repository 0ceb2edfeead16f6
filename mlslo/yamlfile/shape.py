"""Constraints of validators, written so that a JSON Schema has them too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import CoreSchema


class Shape:
    """Annotates a type with what a validator of ours enforces, as JSON Schema: ``Shape(pattern="^P[0-9]$")``."""

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: Callable[[CoreSchema], dict[str, Any]]
    ) -> dict[str, Any]:
        return {**handler(core), **self.keywords}


def _not_blank(name: str) -> str:
    if not name.strip():
        raise ValueError("expected a name, got only spaces")
    return name


# A name of the user's: of a model, a receiver, a feature.
Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_not_blank), Shape(pattern=r"\S")]
