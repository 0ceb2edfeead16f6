"""Turn a YAML document into a pydantic model, and pydantic's errors into places in the file."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from mlslo.yamlfile.construct import Location
from mlslo.yamlfile.errors import InputError, Problem, did_you_mean, quoted_list, shown
from mlslo.yamlfile.reader import Document


def _with_choices(schema: dict[str, Any], model: type[StrictModel]) -> None:
    """Say in a JSON Schema which keys exclude each other."""
    for word, keys in (("oneOf", model.exactly_one), ("anyOf", model.at_least_one)):
        if keys:
            schema[word] = [
                {"required": [key], "properties": {key: {"not": {"enum": [None, []]}}}} for key in keys
            ]


class StrictModel(BaseModel):
    """Base of every file model: no unknown keys, no coercion (``"60"`` is no number), immutable.

    ``exactly_one``, ``at_least_one``: so many of these keys must be given. ``confidential``, of a whole file: a text or
    a number in it may be a secret, and no error shows it.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        populate_by_name=False,
        allow_inf_nan=False,
        json_schema_extra=_with_choices,
    )
    exactly_one: ClassVar[tuple[str, ...]] = ()
    at_least_one: ClassVar[tuple[str, ...]] = ()
    confidential: ClassVar[bool] = False

    @model_validator(mode="after")
    def _has_its_keys(self) -> Self:
        given = [key for key in self.exactly_one if getattr(self, key) is not None]
        if self.exactly_one and len(given) != 1:
            got = " and ".join(given) or "none"
            raise ValueError(f"expected exactly one of {', '.join(self.exactly_one)}, got {got}")
        if self.at_least_one and not any(getattr(self, key) for key in self.at_least_one):
            raise ValueError(f"expected at least one of {', '.join(self.at_least_one)}")
        return self


Model = TypeVar("Model", bound=BaseModel)

_EXPECTED = {
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
}

_LENGTHS = {
    "too_short": ("item", "min_length"),
    "too_long": ("item", "max_length"),
    "string_too_short": ("character", "min_length"),
    "string_too_long": ("character", "max_length"),
}


def validate(document: Document, model: type[Model]) -> Model:
    """``document`` as a ``model``.

    Raises InputError with every problem found: its place, what was expected, the nearest valid name.
    """
    try:
        data = document.data
        if isinstance(data, dict):
            # Users keep anchors in keys of their own.
            data = {key: value for key, value in data.items() if not key.startswith("x-")}
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
    # A file of another kind is wrong in one way, not in each of its keys.
    of_kind = [detail for detail in details if detail["loc"] == ("kind",)]
    # A key that is missing may be one that is not known: a merge key, or a typing error.
    details = of_kind or sorted(details, key=lambda detail: detail["type"] == "missing")
    raise InputError([_problem(document, model, detail) for detail in details])


def _problem(document: Document, model: type[BaseModel], detail: ErrorDetails) -> Problem:
    location = _in_file(document, tuple(part for part in detail["loc"] if part != "[key]"))
    kind = detail["type"]
    name = str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        owner = _annotation_at(model, location[:-1])
        valid = [field.alias or key for key, field in getattr(owner, "model_fields", {}).items()]
        message = f"unknown key '{name}', expected one of {quoted_list(valid, 30)}{did_you_mean(name, valid)}"
        return document.problem(location, message, key=True)
    if kind == "missing":
        return document.problem(location[:-1], f"missing key '{name}'")
    if kind in ("literal_error", "enum"):
        return document.problem(location, _one_of(detail))
    if kind in ("value_error", "assertion_error"):
        return document.problem(location, str(detail["ctx"]["error"]), key="[key]" in detail["loc"])
    if kind in _LENGTHS:
        word, limit = _LENGTHS[kind]
        bound = detail["ctx"][limit]
        things = f"{word}s" if bound != 1 else word
        most = "at least" if limit == "min_length" else "at most"
        return document.problem(location, f"expected {most} {bound} {things}, got {len(detail['input'])}")
    said = detail["msg"].replace("Input should be", "expected")
    expected = _EXPECTED.get(kind) or said[:1].lower() + said[1:]
    value = detail["input"]
    hidden = getattr(model, "confidential", False) and isinstance(value, str | int | float)
    return document.problem(location, f"{expected}, got {'another value' if hidden else shown(value)}")


def _in_file(document: Document, location: Location) -> Location:
    """Return ``location`` without the names that pydantic gives to the forms of a value."""
    found: Location = ()
    for part in location[:-1]:
        found = (*found, part) if document.has((*found, part)) else found
    return (*found, *location[-1:])


def _one_of(detail: ErrorDetails) -> str:
    valid = [part.strip("'") for part in detail["ctx"]["expected"].replace(" or ", ", ").split(", ")]
    given = detail["input"]
    near = did_you_mean(given, valid) if isinstance(given, str) else ""
    return f"expected one of {quoted_list(valid)}, got {shown(given)}{near}"


def _annotation_at(annotation: Any, location: Location) -> Any:
    """The type at ``location`` below ``annotation``: through models, lists, mappings and optionals."""
    if get_origin(annotation) is Annotated:
        return _annotation_at(get_args(annotation)[0], location)
    if get_origin(annotation) in (Union, types.UnionType):
        options = [_annotation_at(option, ()) for option in get_args(annotation)]
        options = [option for option in options if option is not type(None)]
        # Of the forms of a value only one has keys.
        models = [option for option in options if hasattr(option, "model_fields")]
        annotation = options[0] if len(options) == 1 else next(iter(models), annotation)
    if not location:
        return annotation
    head, rest = location[0], location[1:]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if head in (name, field.alias):
                return _annotation_at(field.annotation, rest)
        return None
    arguments = get_args(annotation)
    if get_origin(annotation) in (dict, Mapping) and arguments:
        return _annotation_at(arguments[1], rest)
    return _annotation_at(arguments[0], rest) if arguments else None
