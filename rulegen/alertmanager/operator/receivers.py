"""Receivers in the words of AlertmanagerConfig; a secret's file becomes a reference to a key of a Secret."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from mlslo.yamlfile import Location, Problem
from rulegen.alertmanager import receivers as filled_receivers
from rulegen.alertmanager import templates
from rulegen.alertmanager.operator.files import SECRETS, reference
from rulegen.alertmanager.operator.objects import camel
from rulegen.spec.integrations import INTEGRATIONS, OPERATOR_NAMES, TEXT, Keys
from rulegen.spec.routing import Routing
from rulegen.spec.template_tokens import tokens

_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
_DEFINITION = re.compile(r'^(?=\{\{ define "([^"]+)")', re.MULTILINE)
# What Alertmanager adds to Go's own functions: the operator does not know them where it checks a URL.
_ADDED = (
    "toUpper", "toLower", "title", "trimSpace", "join", "match", "safeHtml", "reReplaceAll", "stringSlice",
)  # fmt: skip
_URLS = ("client_url", "href", "icon_url", "image_url", "thumb_url", "title_link", "url")


class _NoCounterpartError(ValueError):
    """A value without a counterpart in an AlertmanagerConfig."""


def name_of(keys: Keys, key: str) -> str | None:
    """Return the operator's name of a key of Alertmanager's; None where it has none."""
    files = {file: secret for secret, file in keys.secrets.items() if file}
    return (OPERATOR_NAMES.get(keys.name) or {}).get(key, camel(files.get(key, key)))


def receivers(routing: Routing, problems: list[Problem]) -> list[dict[str, Any]]:
    """Convert every receiver of the file; ``problems`` gets what has no counterpart."""
    converter = _Converter(routing, problems)
    converted = []
    for receiver in filled_receivers(routing.spec):
        made: dict[str, Any] = {"name": receiver.pop("name")}
        for name, configs in receiver.items():
            at = ("spec", "receivers", made["name"], name)
            if OPERATOR_NAMES.get(name, {}) is None:
                converter.refuse(at, f"an AlertmanagerConfig has no {name}", key=True)
            else:
                made[camel(name)] = converter.mappings(configs, INTEGRATIONS[name], at)
        converted.append(made)
    return converted


@dataclass
class _Converter:
    """Converts one file's receivers, and collects what cannot be."""

    routing: Routing
    problems: list[Problem]

    def mappings(self, given: Sequence[Any], keys: Keys, at: Location) -> list[dict[str, Any]]:
        return [self._mapping(one, keys, (*at, index)) for index, one in enumerate(given)]

    def _mapping(self, given: Mapping[str, Any], keys: Keys, at: Location) -> dict[str, Any]:
        converted: dict[str, Any] = {}
        for key, value in given.items():
            place, name = (*at, key), name_of(keys, key)
            if name is None:
                self.refuse(place, f"an AlertmanagerConfig has no '{key}' here", key=True)
                continue
            try:
                converted[name] = self._value(keys, key, value, place)
            except _NoCounterpartError as error:
                self.refuse(place, str(error))
        return converted

    def _value(self, keys: Keys, key: str, value: Any, at: Location) -> Any:
        known = keys.keys[key]
        if known.inner is not None and known.form == "list of":
            if key == "links" and not self.routing.document.has(at):
                # Of ours the operator would refuse some: the same address is among the details.
                value = [one for one in value if not uses_added_functions(one["href"])]
            return self.mappings(value, known.inner, at)
        if known.inner is not None:
            return self._mapping(value, known.inner, at)
        if key in keys.secrets.values() or key.endswith("_file"):
            return self._reference(keys, key, str(value))
        if keys.name == "sns_configs" and key == "attributes":
            return value
        if known.kind.schema.get("type") == "object":
            return [{"key": name, "value": with_templates(str(text))} for name, text in value.items()]
        if known.kind is not TEXT and key not in _URLS and not isinstance(value, str):
            return value
        text = str(value)
        if key in _URLS and "{{" in text and uses_added_functions(text):
            message = "prometheus-operator refuses a URL that uses Alertmanager's template functions"
            raise _NoCounterpartError(message)
        if not text:
            raise _NoCounterpartError("an AlertmanagerConfig takes no empty text; leave the key out")
        return with_templates(text)

    def _reference(self, keys: Keys, key: str, path: str) -> dict[str, Any]:
        """Return the selector of the key that stands for the file at ``path``."""
        found = reference(path, self.routing.operator)
        if found is None:
            name = path.rpartition("/")[2]
            expected = f"expected {SECRETS}/<Secret>/<key>"
            instead = f"spec.operator.secret to name the Secret that has the key '{name}'"
            raise _NoCounterpartError(f"{expected}, or {instead}")
        selected = {"name": found.name, "key": found.key}
        if keys.name == "tls_config" and key != "key_file":
            return {found.kind: selected}
        if found.kind != "secret":
            raise _NoCounterpartError("an AlertmanagerConfig takes this from a Secret, not from a ConfigMap")
        return selected

    def refuse(self, place: Location, message: str, *, key: bool = False) -> None:
        self.problems.append(self.routing.document.problem(place, message, key=key))


def with_templates(text: str) -> str:
    """Return ``text``, preceded by the definitions of all templates of ours that it uses."""
    known = _definitions()
    needed: dict[str, str] = {}
    pending = _called(text)
    while pending:
        name = pending.pop(0)
        if name in known and name not in needed:
            needed[name] = known[name]
            pending += _called(known[name])
    return "".join(needed[name] for name in sorted(needed)) + text


def uses_added_functions(text: str) -> bool:
    """Return whether a text calls functions that are Alertmanager's own."""
    return any(token.kind == "word" and token.text in _ADDED for token in tokens(with_templates(text)))


def _called(text: str) -> list[str]:
    return [
        name.text[1:-1]
        for call, name in pairwise(tokens(text))
        if (call.kind, call.text) == ("word", "template")
    ]


@cache
def _definitions() -> dict[str, str]:
    """Name -> ``{{ define }}`` to ``{{ end }}``, without comments."""
    source = "\n".join(_COMMENT.sub("", text) for text in templates().values())
    _, *parts = _DEFINITION.split(source)
    return {name: text.rstrip() for name, text in zip(parts[::2], parts[1::2], strict=True)}
