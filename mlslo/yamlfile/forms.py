"""Types of keys whose form a validator of ours enforces, written so that a JSON Schema has it too."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from mlslo.yamlfile.errors import shown


class Shape:
    """Annotates a type with what a validator of ours enforces, as JSON Schema: ``Shape(pattern="^P[0-9]$")``."""

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: Callable[[CoreSchema], dict[str, Any]]
    ) -> dict[str, Any]:
        return {**handler(core), **self.keywords}


class Or(Shape):
    """Annotates a type whose validator takes another form of value too: ``Or({"type": "string"})``."""

    def __init__(self, other: Mapping[str, Any]) -> None:
        super().__init__()
        self.other = dict(other)

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: Callable[[CoreSchema], dict[str, Any]]
    ) -> dict[str, Any]:
        return {"anyOf": [self.other, handler(core)]}


def _not_blank(name: str) -> str:
    if not name.strip():
        raise ValueError("expected a name, got only spaces")
    return name


# A name of the user's: of a model, a receiver, a feature.
Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_not_blank), Shape(pattern=r"\S")]


class WrittenText(str):
    """Base of texts that are kept as they were written.

    A subclass reads the text in ``__new__`` and raises ValueError where it is not of its form.

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
        return cls(value)

    @classmethod
    def _json_schema(cls, _schema: CoreSchema, _handler: Any) -> dict[str, Any]:
        return {"type": "string", **cls.form}
