"""Alertmanager's integrations, their keys and values as it reads them: integrations.yaml has the data.

https://github.com/prometheus/alertmanager/blob/v0.25.0/config/notifiers.go
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import combinations
from typing import Any, Literal

import yaml

from rulegen.promql.versions import OLDEST, Gate, at_least

# One mapping, a list of them, a mapping of them by names of the user's; or a text, instead of one.
Form = Literal["mapping", "list of", "by name", "text or"]
_FORMS: tuple[Form, ...] = ("mapping", "list of", "by name", "text or")
Choices = Sequence[Sequence[str]]
_VALUE = re.compile(r"(?P<kind>.+?)(?: (?P<since>[0-9.]+))?")

# Those that send nothing of an alert's end unless they are asked to.
SILENT_ABOUT_ENDS = ("email_configs", "rocketchat_configs", "slack_configs", "wechat_configs")


@dataclass(frozen=True)
class Kind:
    """A kind of value: what to write, a JSON Schema of what shows in one, and the form of its text.

    ``expanded``: the Alertmanager that first expands the templates in its texts. ``unique``: keys differ not only in
    case.
    """

    expected: str
    schema: Mapping[str, Any]
    form: str | None = None
    expanded: str | None = None
    unique: bool = False

    def fits(self, value: Any) -> bool:
        """Return whether Alertmanager takes ``value``, and does something with it."""
        if not _fits(self.schema, value):
            return False
        if self.unique and len({str(key).lower() for key in value}) < len(value):
            return False
        return self.form is None or re.fullmatch(self.form, str(value)) is not None


def one_of(words: Sequence[str]) -> Kind:
    """One of several texts."""
    return Kind(f"one of {', '.join(word for word in words if word)}", {"enum": list(words)})


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Return whether a value is what a JSON Schema of this table says, as far as its own keywords go."""
    if "enum" in schema:
        return value in schema["enum"]
    match schema.get("type"):
        case None:
            return value is not None
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            least = schema.get("minimum", -(2**63))
            return is_whole and least <= value < 2**63 and value != schema.get("not", {}).get("const")
        case "array":
            return isinstance(value, list) and all(_fits(schema["items"], item) for item in value)
        case "object":
            inner = schema.get("additionalProperties")
            reserved = schema.get("propertyNames", {}).get("not", {}).get("enum", ())
            return isinstance(value, dict) and all(
                key not in reserved and (inner is None or _fits(inner, item)) for key, item in value.items()
            )
        case _:
            # One of the types of a scalar.
            return isinstance(value, str | int | float)


# As data, without places: ten times as fast as files of users are read.
_TABLE = yaml.load((resources.files("rulegen") / "spec" / "integrations.yaml").read_bytes(), yaml.CSafeLoader)
_KINDS = {name: Kind(**given) for name, given in _TABLE["kinds"].items()}
TEXT = _KINDS["text"]
TEXTS: Mapping[str, Mapping[str, Any]] = _TABLE["texts"]
# Integration or mapping -> key -> its name for prometheus-operator, or None; None for all of an integration.
OPERATOR_NAMES: Mapping[str, Mapping[str, str | None] | None] = _TABLE["operator"]


@dataclass(frozen=True)
class Key:
    """A key that an Alertmanager knows ``since`` a version: its kind of value, or the keys of what it holds."""

    since: str
    kind: Kind = TEXT
    is_verbatim: bool = False
    is_secret: bool = False
    form: Form = "mapping"
    inner: Keys | None = None

    def is_template(self, version: str) -> bool:
        """Return whether Alertmanager ``version`` expands the templates in its texts."""
        return (
            not self.is_verbatim and self.kind.expanded is not None and at_least(version, self.kind.expanded)
        )


@dataclass(frozen=True)
class Keys:
    """The integration ``name``, or a mapping inside of one.

    ``secrets``: keys that would hold a secret, each with the key that names a file instead, or None.
    ``needs``: choices of keys, of each of which one must be there; ``at_most``: choices of which at most one may be.
    ``along``: a key, and the choice of keys of which one must stand beside it.
    """

    name: str
    since: str
    keys: Mapping[str, Key]
    secrets: Mapping[str, str | None]
    needs: Choices
    at_most: Choices
    along: Mapping[str, Sequence[str]]

    def gate(self, key: str = "") -> Gate:
        """Return the gate of a key, or of the integration itself."""
        if not key:
            return Gate(self.name, "Alertmanager", self.since)
        return Gate(f"'{key}' in {self.name}", "Alertmanager", self.keys[key].since)


def _keys(name: str, given: Mapping[str, Any]) -> Keys:
    keys = {key: _key(key, value) for key, value in given["keys"].items()}
    files = {key.removesuffix("_file"): key for key, one in keys.items() if one.is_secret}
    return Keys(
        name,
        given.get("since", OLDEST["Alertmanager"]),
        keys,
        {**files, **given.get("secrets", {})},
        [choice.split("|") for choice in given.get("needs", ())],
        [choice.split("|") for choice in given.get("at_most", ())],
        {key: choice.split("|") for key, choice in given.get("along", {}).items()},
    )


def _key(name: str, given: str | Mapping[str, Any]) -> Key:
    if isinstance(given, str):
        found = _VALUE.fullmatch(given)
        assert found is not None
        kind, since = found["kind"], found["since"] or OLDEST["Alertmanager"]
        if kind == "secret":
            return Key(since, is_verbatim=True, is_secret=True)
        word = kind.removeprefix("verbatim").strip()
        return Key(since, _KINDS[word or "text"], is_verbatim=kind.startswith("verbatim"))
    since = given.get("since", OLDEST["Alertmanager"])
    if "one of" in given:
        return Key(since, one_of(given["one of"]))
    form = next(form for form in _FORMS if form in given)
    return Key(since, form=form, inner=_keys(name, given[form]))


INTEGRATIONS: Mapping[str, Keys] = {
    name: _keys(name, given) for name, given in _TABLE["integrations"].items()
}


def receiver_definitions() -> dict[str, Any]:
    """JSON Schemas: of a receiver, under the name `Receiver`, and of the mappings inside of it.

    What any Alertmanager knows that we write for; secrets by file only.
    """
    found: dict[str, Any] = {}
    properties = {
        name: {"type": "array", "minItems": 1, "items": _schema(keys, found)}
        for name, keys in INTEGRATIONS.items()
    }
    found["Receiver"] = {
        "type": "object", "minProperties": 1, "additionalProperties": False, "properties": properties,
    }  # fmt: skip
    return found


def _schema(keys: Keys, found: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {key: dict(one.kind.schema) for key, one in keys.keys.items()}
    for key, one in keys.keys.items():
        if one.inner is not None:
            made = _schema(one.inner, found)
            # Mappings of several integrations have one name.
            called = key if found.setdefault(key, made) == made else f"{keys.name}.{key}"
            found[called] = made
            reference: dict[str, Any] = {"$ref": f"#/$defs/{called}"}
            properties[key] = {
                "mapping": reference,
                "list of": {"type": "array", "items": reference},
                "by name": {"type": "object", "additionalProperties": reference},
                "text or": {"anyOf": [reference, TEXT.schema]},
            }[one.form]
    rules: list[dict[str, Any]] = [{"anyOf": [_given(key) for key in choice]} for choice in keys.needs]
    rules += [
        {"not": {"allOf": [_given(key), _given(other)]}}
        for choice in keys.at_most
        for key, other in combinations(choice, 2)
    ]
    rules += [{"anyOf": [{"not": _given(key)}, *map(_given, choice)]} for key, choice in keys.along.items()]
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "allOf": rules} if rules else schema


def _given(key: str) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    inner = _given(rest) if rest else {"not": {"enum": ["", False]}}
    return {"required": [first], "properties": {first: inner}}
