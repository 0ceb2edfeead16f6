"""Kinds of values that the keys of Alertmanager's integrations hold, as Alertmanager reads them.

https://github.com/prometheus/alertmanager/blob/v0.25.0/config/notifiers.go
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SCALAR = {"type": ["string", "number", "boolean"]}
_STRING = {"type": "string"}
_HOST = r"(\[[0-9a-fA-F:.]+\]|[^\s/?#<>\"\[\]{}|\\^`%:@]+)"
# https://github.com/prometheus/alertmanager/blob/v0.25.0/config/notifiers.go (VictorOpsConfig.UnmarshalYAML)
_RESERVED = {
    "routing_key", "message_type", "state_message", "entity_display_name", "monitoring_tool", "entity_id",
    "entity_state",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of value: a test, what to write instead, and a JSON Schema of what shows in one.

    ``expanded``: templates in its texts are, at the latest since that Alertmanager.
    """

    fits: Callable[[Any], bool]
    expected: str
    schema: Mapping[str, Any]
    expanded: str | None = None


def one_of(words: Sequence[str]) -> Kind:
    """One of several texts."""
    named = ", ".join(word for word in words if word)
    return Kind(lambda value: value in words, f"expected one of {named}", {"enum": list(words)})


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63


def _is_map(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_scalar, value.values()))


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_scalar, value))


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _address(schemes: str) -> Callable[[Any], bool]:
    # A path may have spaces and braces in it, so that a template can be; a percent sign begins an escape.
    place = r"([/?#]([^\x00-\x1f\x7f%]|%[0-9a-fA-F]{2})*)?"
    return _matches(rf"(?i:{schemes})://([^\s/?#@]*@)?{_HOST}(:[0-9]{{1,5}})?{place}")


_IS_ADDRESS = _address("https?")
_ADDRESS_EXPECTED = "expected an address that starts with https:// or http://"
_ADDRESS_SCHEMA = {"type": "string", "pattern": "^[hH][tT][tT][pP][sS]?://"}
_TEXTS_SCHEMA = {"type": "array", "items": _SCALAR}
_MAP_SCHEMA = {"type": "object", "additionalProperties": _SCALAR}
_OLDEST = "0"

# By the names that integrations.yaml has for them.
TEXT = Kind(_is_scalar, "expected text", _SCALAR, _OLDEST)
KINDS: Mapping[str, Kind] = {
    "text": TEXT,
    "boolean": Kind(lambda value: isinstance(value, bool), "expected true or false", {"type": "boolean"}),
    "count": Kind(
        lambda value: _is_whole(value, 0),
        "expected a whole number from 0 on",
        {"type": "integer", "minimum": 0},
    ),
    "chat": Kind(
        lambda value: _is_whole(value, -(2**63)) and value != 0,
        "expected a whole number that is not 0",
        {"type": "integer", "not": {"const": 0}},
    ),
    "address": Kind(_IS_ADDRESS, _ADDRESS_EXPECTED, _ADDRESS_SCHEMA),
    "address template": Kind(_IS_ADDRESS, _ADDRESS_EXPECTED, _ADDRESS_SCHEMA, "0.31"),
    "proxy": Kind(_address("[a-z][a-z0-9+.-]*"), "expected an address such as http://proxy:3128", _STRING),
    "host and port": Kind(
        _matches(r"([^\s:\[\]]*|\[[^\s\[\]]*\]):[^\s:\[\]/]+"),
        "expected host:port, such as mail.example.org:587",
        {"type": "string", "pattern": r":[^\s:/]+$"},
    ),
    # https://pkg.go.dev/time#ParseDuration, without signs: there are no days.
    "duration": Kind(
        _matches(r"([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+|0"),
        "expected a duration of hours, minutes and seconds, such as 1h30m",
        _STRING,
    ),
    # https://pkg.go.dev/github.com/prometheus/common/model#ParseDuration
    "days": Kind(
        _matches(r"(?=.)([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?|0"),
        "expected a duration such as 10d or 1h30m",
        _STRING,
    ),
    "texts": Kind(_is_texts, "expected a list of texts", _TEXTS_SCHEMA, _OLDEST),
    "map": Kind(_is_map, "expected a mapping of texts", _MAP_SCHEMA, _OLDEST),
    "headers": Kind(
        lambda value: _is_map(value) and len({header.lower() for header in value}) == len(value),
        "expected a mapping of texts, each header once",
        _MAP_SCHEMA,
        _OLDEST,
    ),
    "custom fields": Kind(
        lambda value: _is_map(value) and not _RESERVED & set(value),
        "expected a mapping of texts without the keys that are fixed",
        {**_MAP_SCHEMA, "propertyNames": {"not": {"enum": sorted(_RESERVED)}}},
        _OLDEST,
    ),
    "object": Kind(lambda value: isinstance(value, dict), "expected a mapping", {"type": "object"}, _OLDEST),
    "anything": Kind(lambda value: value is not None, "expected any value", {}, _OLDEST),
    "responder": Kind(
        _matches(r"teams?|user|escalation|schedule|.*\{\{.*"),
        "expected one of team, teams, user, escalation, schedule or a template",
        _STRING,
        _OLDEST,
    ),
    "scheme": Kind(
        lambda value: _is_scalar(value) and str(value).strip().lower() != "basic",
        "expected a type that is not basic, which is basic_auth",
        _SCALAR,
    ),
}
