"""What validators know, said so that a JSON Schema can say it too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BaseModel, Field
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


class KeysError(ValueError):
    """Of ``keys`` not one was given, or, where they are ``exclusive``, more than one."""

    def __init__(self, message: str, keys: tuple[str, ...], *, exclusive: bool) -> None:
        super().__init__(message)
        self.keys = keys
        self.exclusive = exclusive


def exactly_one(model: BaseModel, *keys: str) -> None:
    """Raise KeysError where not exactly one of ``keys`` was given."""
    given = [key for key in keys if getattr(model, key) is not None]
    if len(given) != 1:
        named = f"got {' and '.join(given)}" if given else "got none"
        raise KeysError(f"expected exactly one of {', '.join(keys)}, {named}", keys, exclusive=True)


def none_of(message: str, *keys: str) -> NoReturn:
    """Raise KeysError: at least one of ``keys`` must be there."""
    raise KeysError(message, keys, exclusive=False)
