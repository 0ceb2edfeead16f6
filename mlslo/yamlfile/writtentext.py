"""Text of a form, kept as it was written."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, Self, TypeVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from mlslo.yamlfile.shown import shown

Form = TypeVar("Form", bound="WrittenText")


class WrittenText(str):
    """Base of such texts. A subclass reads the text in ``__new__`` and raises ValueError where it is not of the form.

    ``expected`` begins the message, ``form`` is the form as JSON Schema.
    """

    __slots__ = ()
    expected: ClassVar[str]
    form: ClassVar[dict[str, Any]]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._of_value,
            serialization=core_schema.to_string_ser_schema(),
            metadata={"pydantic_js_functions": [cls._json_schema]},
        )

    @classmethod
    def _of_value(cls, value: Any) -> Self:
        if not isinstance(value, str):
            raise ValueError(f"{cls.expected}, got {shown(value)}")  # noqa: TRY004 - pydantic's way
        found: Self = _read(cls, value)
        return found

    @classmethod
    def _json_schema(cls, _schema: CoreSchema, _handler: Any) -> dict[str, Any]:
        return {"type": "string", **cls.form}


# Files of many models say few such texts many times.
@lru_cache(maxsize=4096)
def _read(form: type[Form], text: str) -> Form:
    return form(text)
