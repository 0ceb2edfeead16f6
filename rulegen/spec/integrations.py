"""Receivers of an AlertRouting file, judged as Alertmanager judges them, and their JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

from mlslo.yamlfile import Document, Problem, did_you_mean, quoted_list
from rulegen.promql.versions import Gate, integration
from rulegen.spec import templates
from rulegen.spec.integration_keys import INTEGRATIONS, Keys
from rulegen.spec.integration_values import TEXT, is_template, kind_of, mistake
from rulegen.spec.lint_names import named

Location = tuple[str | int, ...]


def receiver_definitions() -> dict[str, Any]:
    """JSON Schemas: of a receiver, under the name `Receiver`, and of the mappings inside of it.

    What any Alertmanager knows that we write for; secrets by file only.
    """
    found: dict[str, Any] = {}
    properties = {
        name: {"type": "array", "minItems": 1, "items": _schema(name, keys, found)}
        for name, keys in INTEGRATIONS.items()
    }
    found["Receiver"] = {
        "type": "object", "minProperties": 1, "additionalProperties": False, "properties": properties,
    }  # fmt: skip
    return found


def _schema(name: str, keys: Keys, found: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {key: dict(kind_of(name, key).schema) for key in keys.allowed}
    for inside, inner in keys.nested.items():
        made = _schema(inside, inner, found)
        # Mappings of several integrations have one name.
        called = inside if found.setdefault(inside, made) == made else f"{name}.{inside}"
        found[called] = made
        one: dict[str, Any] = {"$ref": f"#/$defs/{called}"}
        forms = {
            "mapping": one,
            "list": {"type": "array", "items": one},
            "by name": {"type": "object", "additionalProperties": one},
        }
        properties[inside] = {"anyOf": [one, TEXT.schema]} if inner.or_text else forms[inner.form]
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


def problems(
    document: Document, at: Location, receiver: Mapping[str, Any], version: str, templates: Sequence[str] = ()
) -> Iterator[Problem]:
    """Find what is wrong with the receiver at ``at`` of ``document``, for Alertmanager ``version``.

    Unknown integrations and keys, missing keys, any secret that is written out instead of being kept in a file, and
    values and templates that Alertmanager does not read. ``templates``: names that are defined elsewhere.
    """
    if not receiver:
        expected = f"expected at least one of {quoted_list(INTEGRATIONS, 20)}"
        message = f"{expected}; without one the receiver tells nobody"
        yield document.problem(at, named(message, "receiver-without-integration"), key=True)
    check = _Check(document, version, templates)
    for name, configs in receiver.items():
        place = (*at, name)
        keys = INTEGRATIONS.get(name)
        if keys is None:
            # All end in the same word, which makes none of them near.
            near = did_you_mean(
                name.removesuffix("_configs"), {key.removesuffix("_configs") for key in INTEGRATIONS}
            )
            message = f"unknown integration '{name}', expected one of {quoted_list(INTEGRATIONS, 20)}"
            yield document.problem(place, message + near.replace("'?", "_configs'?"), key=True)
        elif refusal := integration(name).refusal(version):
            yield document.problem(place, refusal, key=True)
        elif not isinstance(configs, list) or not configs:
            yield document.problem(place, f"expected a list of mappings under {name}")
        else:
            yield from check.nested(place, name, configs, replace(keys, form="list"))


@dataclass(frozen=True)
class _Check:
    """Judges the mappings of a receiver."""

    document: Document
    version: str
    templates: Sequence[str]

    def nested(self, at: Location, name: str, value: Any, keys: Keys) -> Iterator[Problem]:
        """Judge what stands under the name of a mapping with known keys."""
        if keys.or_text and isinstance(value, str):
            yield from self._texts(at, value)
            return
        entries: Iterable[tuple[Location, Any]] = [(at, value)]
        if keys.form == "list" and isinstance(value, list):
            entries = (((*at, index), entry) for index, entry in enumerate(value))
        elif keys.form == "by name" and isinstance(value, dict):
            entries = (((*at, key), entry) for key, entry in value.items())
        elif keys.form != "mapping":
            expected = "a list of mappings" if keys.form == "list" else "a mapping of mappings"
            yield self.document.problem(at, f"expected {expected} under {name}")
            return
        for place, entry in entries:
            if isinstance(entry, dict):
                yield from self._mapping(place, name, entry, keys)
            else:
                message = f"expected a mapping in {name}, with {quoted_list(keys.allowed, 30)}"
                yield self.document.problem(place, message)

    def _mapping(self, at: Location, name: str, mapping: Mapping[str, Any], keys: Keys) -> Iterator[Problem]:
        for key, value in mapping.items():
            place = (*at, key)
            if key in keys.secrets:
                message = named(self._secret(name, key, keys), "literal-secret")
                yield self.document.problem(place, message, key=True)
            elif key not in keys.allowed:
                expected = f"expected one of {quoted_list(keys.allowed, 40)}{did_you_mean(key, keys.allowed)}"
                yield self.document.problem(place, f"unknown key '{key}' in {name}, {expected}", key=True)
            elif value is None:
                hint = '; text that begins with # needs quotes: "#channel"' if key == "channel" else ""
                yield self.document.problem(place, f"expected a value for '{key}', got nothing{hint}")
            elif refusal := integration(name, key).refusal(self.version):
                yield self.document.problem(place, refusal, key=True)
            elif key in keys.nested:
                yield from self.nested(place, key, value, keys.nested[key])
            elif wrong := mistake(name, key, value):
                yield self.document.problem(place, wrong)
            elif isinstance(value, str) and _carries_password(value):
                instead = "use http_config.basic_auth with 'password_file'"
                message = f"a literal secret: the URL in '{key}' holds a password; {instead}"
                yield self.document.problem(place, named(message, "literal-secret"))
            elif is_template(name, key, self.version):
                yield from self._texts(place, value)
        for message in self._choices(name, mapping, keys):
            yield self.document.problem(at, message)

    def _choices(self, name: str, mapping: Mapping[str, Any], keys: Keys) -> Iterator[str]:
        """Name the keys that are missing, and those that exclude each other."""
        for choice in keys.needs:
            # A secret that is written out is reported as such, not as a missing file.
            written = [key for key, file in keys.secrets.items() if file in choice]
            if not any(_has(mapping, key) for key in (*choice, *written)):
                gates = [integration(name, key) for key in choice if "." not in key]
                late = self._late(gates[0]) if len(gates) == len(choice) == 1 else ""
                yield f"missing key {_either(choice)} in {name}{late}"
        for choice in keys.at_most:
            found = [key for key in choice if _has(mapping, key)]
            if len(found) > 1:
                yield f"expected at most one of {_either(choice)} in {name}, got {' and '.join(found)}"
        for key, choice in keys.along.items():
            if _has(mapping, key) and not any(_has(mapping, other) for other in choice):
                yield f"'{key}' in {name} needs {_either(choice)} beside it"

    def _texts(self, at: Location, value: Any) -> Iterator[Problem]:
        """Judge the templates in a value: a text, or texts in lists and mappings."""
        if isinstance(value, dict | list):
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            for key, inner in entries:
                yield from self._texts((*at, key), inner)
        elif isinstance(value, str) and "{{" in value:
            for offset, message in templates.mistakes(value, self.version, self.templates):
                yield self.document.problem_within(at, offset, message)

    def _secret(self, name: str, key: str, keys: Keys) -> str:
        refused = f"a literal secret: '{key}' in {name} would be readable by all who read this file"
        file = keys.secrets[key]
        if file is not None:
            late = self._late(integration(name, file))
            return f"{refused}; use '{file}', the path of a file that holds it{late}"
        if name == "sigv4":
            return f"{refused}; use 'profile' or 'role_arn'"
        return f"{refused}, and Alertmanager has no key that names a file instead"

    def _late(self, gate: Gate) -> str:
        if gate.open(self.version):
            return ""
        return f" (needs Alertmanager {gate.since}, target.alertmanager is {self.version})"


def _has(mapping: Mapping[str, Any], key: str) -> bool:
    """Whether a key is given; one inside of another, as ``outer.inner``."""
    first, _, rest = key.partition(".")
    value = mapping.get(first, "")
    return _has(value, rest) if rest and isinstance(value, dict) else value not in ("", False) and not rest


def _carries_password(url: str) -> bool:
    try:
        return url.startswith(("http://", "https://")) and urlsplit(url).password is not None
    except ValueError:
        return False


def _either(choice: Sequence[str]) -> str:
    return " or ".join(f"'{key}'" for key in choice)
