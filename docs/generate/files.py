"""The reference of the files that users write, from their pydantic models."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.generate.markdown import table
from mlslo.yamlfile import Duration
from rulegen.simulation.scenario import ClockTime, Moment

_INTRODUCTION = """\
# Files

After this page you can write each of the files, and your editor checks them. `scripts/docs` writes the page from the
models that validate the files.

A file is one YAML document. Unknown keys, duplicate keys and values of another type are refused with
file:line:column. Merge keys (`<<: *base`) are read, and keys at the top that begin with `x-` are yours, for anchors. In
the tables:

* `[]` stands for each item of a list, `<name>` for a key that you choose.
* A required key inside of a mapping is required where that mapping is given. A key without a default may be left out.
* A duration is written as in Prometheus: `30s`, `5m`, `1h30m`, `7d`.
* A clock time is `2026-10-25T01:30`, or has its offset from UTC, `2026-10-25T01:30:00+02:00`. A moment is a clock
  time, or a duration after the start.

Editors complete and check the files as you type, with [JSON Schemas](schemas/mlslo.json) from the same models. For
yaml-language-server (VS Code's YAML extension, Neovim, Emacs) the first line of a file names the schema:

```yaml
# yaml-language-server: $schema=schemas/mlslo.json
```

`mlslo-rulegen schema --out schemas` writes the schemas of your version: `mlslo.json` for a file of any kind, and one
for each kind. A schema checks keys and single values. `mlslo-rulegen check` also checks that names exist and that
values fit together.
"""

_SIMPLE: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Duration: "duration",
    ClockTime: "clock time",
    Moment: "moment",
    Any: "anything",
}


# The models that a key is inside of, each with its path.
Above = tuple[tuple[type, str], ...]


@dataclass(frozen=True)
class Key:
    """One key of a file: ``path`` as `spec.slos[].name`."""

    path: str
    type: str
    required: bool
    default: str
    description: str


def render(kinds: Sequence[type[BaseModel]]) -> tuple[str, list[str]]:
    """The page, and every key that has no description."""
    sections = [_INTRODUCTION]
    problems: list[str] = []
    for model in kinds:
        kind = kind_of(model)
        described = list(keys(model))
        problems += [f"{kind}: {key.path}: no description" for key in described if not key.description]
        rows = [
            (f"`{key.path}`", key.type, "required" if key.required else key.default, key.description)
            for key in described
        ]
        head = ("key", "type", "default", "meaning")
        sections.append(f"## {kind}\n\n{inspect.getdoc(model)}\n\n{table(head, rows)}\n")
    return "\n".join(sections), problems


def kind_of(model: type[BaseModel]) -> str:
    """Return the value that the file's key ``kind`` must have."""
    return str(get_args(model.model_fields["kind"].annotation)[0])


def keys(model: type[BaseModel], path: str = "", above: Above = ()) -> Iterator[Key]:
    """Every key below ``model``, in the order of the file; a model inside itself is named, not repeated."""
    above = (*above, (model, path))
    for name, field in model.model_fields.items():
        key = field.alias or name
        full = f"{path}.{key}" if path else key
        description = (field.description or "").strip()
        yield Key(full, _type(field, above), field.is_required(), _default(field), description)
        for inner, inner_path in _models(field.annotation, full, key):
            if not _ancestor(inner, above):
                yield from keys(inner, inner_path, above)


def _ancestor(model: type[BaseModel], above: Above) -> tuple[type, str] | None:
    return next((item for item in reversed(above) if issubclass(item[0], model)), None)


def _models(annotation: Any, path: str, key: str) -> Iterator[tuple[type[BaseModel], str]]:
    """The models inside a type, each with the path of its keys."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, path
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (dict, Mapping):
        yield from _models(arguments[1], f"{path}.<{_one(key)}>", key)
    elif origin in (list, Sequence):
        yield from _models(arguments[0], f"{path}[]", key)
    elif origin is Literal:
        return
    else:
        for argument in arguments:
            yield from _models(argument, path, key)


def _one(key: str) -> str:
    return key.removesuffix("s")


def _type(field: FieldInfo, above: Above) -> str:
    return _words(field.annotation, above, _flat(field.metadata))


def _words(annotation: Any, above: Above, limits: Sequence[Any] = (), *, several: bool = False) -> str:
    """A type in words, with its constraints; ``several``: in the plural."""
    annotation = _bare(annotation)
    if hasattr(annotation, "__metadata__"):
        return _words(
            get_args(annotation)[0], above, [*limits, *_flat(annotation.__metadata__)], several=several
        )
    plural = "s" if several else ""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _mapping(annotation, above, plural)
    if annotation in (int, float):
        return ", ".join([_SIMPLE[annotation] + plural, *_bounds(limits)])
    if annotation in _SIMPLE:
        return _SIMPLE[annotation] + (plural if annotation in (Duration, ClockTime, Moment) else "")
    if origin is Literal:
        return " or ".join(
            filter(None, [", ".join(f"`{item}`" for item in arguments[:-1]), f"`{arguments[-1]}`"])
        )
    if origin is list:
        return ", ".join([f"list{plural} of {_words(arguments[0], above, several=True)}", *_sizes(limits)])
    if origin in (dict, Mapping):
        return f"mapping{plural} of names to {_words(arguments[1], above, several=True)}"
    if origin in (Union, types.UnionType):
        return ", or ".join(_words(option, above) for option in arguments)
    raise TypeError(f"no words for the type {annotation}")


def _mapping(model: type[BaseModel], above: Above, plural: str) -> str:
    if not model.model_fields:
        return "empty mapping `{}`"
    found = _ancestor(model, above)
    if found is None:
        return f"mapping{plural}"
    outer, path = found
    assert issubclass(outer, BaseModel)
    missing = [f"`{name}`" for name in outer.model_fields if name not in model.model_fields]
    return f"mapping{plural} with the keys of `{path}`" + (f" except {', '.join(missing)}" if missing else "")


def _bare(annotation: Any) -> Any:
    """Without ``None``; optional keys are just not given."""
    if get_origin(annotation) in (Union, types.UnionType):
        options = [option for option in get_args(annotation) if option is not type(None)]
        return options[0] if len(options) == 1 else Union[tuple(options)]  # noqa: UP007 - made at run time
    return annotation


def _flat(metadata: Sequence[Any]) -> list[Any]:
    """Constraints, those inside a pydantic Field included."""
    return [part for item in metadata for part in (item.metadata if isinstance(item, FieldInfo) else [item])]


def _bounds(limits: Sequence[Any]) -> list[str]:
    """The constraints of a number."""
    words = []
    for item in limits:
        match item:
            case Ge(ge=bound):
                words.append(f"at least {bound}")
            case Gt(gt=bound):
                words.append(f"above {bound}")
            case Le(le=bound):
                words.append(f"at most {bound}")
            case Lt(lt=bound):
                words.append(f"below {bound}")
            case _:
                pass
    return words


def _sizes(limits: Sequence[Any]) -> list[str]:
    """The constraints of a list's length."""
    least = next((item.min_length for item in limits if isinstance(item, MinLen)), 0)
    most = next((item.max_length for item in limits if isinstance(item, MaxLen)), None)
    if least == most:
        return [f"exactly {least}"]
    return ([f"at least {least}"] if least else []) + ([f"at most {most}"] if most else [])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True, validated_data={})
    match value:
        case None | [] | {} | BaseModel():
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case [*items]:
            return f"`[{', '.join(str(item) for item in items)}]`"
        case _:
            return f"`{value}`"
