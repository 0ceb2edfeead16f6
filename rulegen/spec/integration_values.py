"""What the keys of Alertmanager's integrations may hold, as Alertmanager reads it.

https://github.com/prometheus/alertmanager/blob/v0.25.0/config/notifiers.go
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlslo.yamlfile import shown

_SCALAR = {"type": ["string", "number", "boolean"]}
# https://pkg.go.dev/time#ParseDuration, without signs: there are no days.
_GO_DURATION = re.compile(r"([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+|0")
_HOST = r"(\[[0-9a-fA-F:.]+\]|[^\s/?#<>\"\[\]{}|\\^`%:@]+)"


@dataclass(frozen=True)
class Kind:
    """A kind of value: whether one is of it, what to write instead, and as JSON Schema what of that shows there."""

    fits: Callable[[Any], bool]
    expected: str
    schema: Mapping[str, Any]


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63


def _matches(pattern: str | re.Pattern[str]) -> Callable[[Any], bool]:
    form = re.compile(pattern)
    return lambda value: isinstance(value, str) and form.fullmatch(value) is not None


def _address(schemes: str) -> Callable[[Any], bool]:
    # A path may have spaces and braces in it, so that a template can be; a percent sign begins an escape.
    place = r"([/?#]([^\x00-\x1f\x7f%]|%[0-9a-fA-F]{2})*)?"
    return _matches(rf"(?i:{schemes})://([^\s/?#@]*@)?{_HOST}(:[0-9]{{1,5}})?{place}")


def _one_of(*words: str) -> Kind:
    named = ", ".join(word for word in words if word)
    return Kind(lambda value: value in words, f"expected one of {named}", {"enum": list(words)})


TEXT = Kind(_is_scalar, "expected text", _SCALAR)
_BOOLEAN = Kind(lambda value: isinstance(value, bool), "expected true or false", {"type": "boolean"})
_CHAT = Kind(
    lambda value: _is_whole(value, -(2**63)) and value != 0,
    "expected a whole number that is not 0",
    {"type": "integer", "not": {"const": 0}},
)
_COUNT = Kind(
    lambda value: _is_whole(value, 0), "expected a whole number from 0 on", {"type": "integer", "minimum": 0}
)
_ADDRESS = Kind(
    _address("https?"),
    "expected an address that starts with https:// or http://",
    {"type": "string", "pattern": "^[hH][tT][tT][pP][sS]?://"},
)
_PROXY = Kind(
    _address("[a-z][a-z0-9+.-]*"), "expected an address such as http://proxy:3128", {"type": "string"}
)
_DURATION = Kind(
    _matches(_GO_DURATION),
    "expected a duration of hours, minutes and seconds, such as 1h30m",
    {"type": "string"},
)
_HOST_AND_PORT = Kind(
    _matches(r"([^\s:\[\]]*|\[[^\s\[\]]*\]):[^\s:\[\]/]+"),
    "expected host:port, such as mail.example.org:587",
    {"type": "string", "pattern": r":[^\s:/]+$"},
)
_TEXTS = Kind(
    lambda value: isinstance(value, list) and all(map(_is_scalar, value)),
    "expected a list of texts",
    {"type": "array", "items": _SCALAR},
)
_MAP = Kind(
    lambda value: isinstance(value, dict) and all(map(_is_scalar, value.values())),
    "expected a mapping of texts",
    {"type": "object", "additionalProperties": _SCALAR},
)
_RESPONDER = Kind(
    _matches(r"teams?|user|escalation|schedule|.*\{\{.*"),
    "expected one of team, teams, user, escalation, schedule or a template",
    {"type": "string"},
)
_TLS = _one_of("TLS13", "TLS12", "TLS11", "TLS10")

# By key, where it is the same in each integration that has it; all others are text.
_BY_KEY: Mapping[str, Kind] = {
    **dict.fromkeys(("send_resolved", "follow_redirects", "enable_http2", "insecure_skip_verify"), _BOOLEAN),
    **dict.fromkeys(("require_tls", "update_alerts", "short_fields", "short", "link_names"), _BOOLEAN),
    "disable_notifications": _BOOLEAN,
    **dict.fromkeys(("headers", "details", "custom_fields", "attributes", "endpoint_params"), _MAP),
    **dict.fromkeys(("scopes", "mrkdwn_in"), _TEXTS),
    **dict.fromkeys(("retry", "expire"), _DURATION),
    **dict.fromkeys(("min_version", "max_version"), _TLS),
    "chat_id": _CHAT,
    "max_alerts": _COUNT,
    "smarthost": _HOST_AND_PORT,
    "proxy_url": _PROXY,
    "api_url": _ADDRESS,
}  # fmt: skip
_BY_PLACE: Mapping[tuple[str, str], Kind] = {
    ("webhook_configs", "url"): _ADDRESS,
    ("pagerduty_configs", "url"): _ADDRESS,
    ("pushover_configs", "html"): _BOOLEAN,
    ("sns_configs", "api_url"): TEXT,
    ("responders", "type"): _RESPONDER,
    ("wechat_configs", "message_type"): _one_of("text", "markdown"),
    ("telegram_configs", "parse_mode"): _one_of("", "Markdown", "MarkdownV2", "HTML"),
}


def kind_of(name: str, key: str) -> Kind:
    """What ``key`` of the integration, or of the mapping inside of one, ``name`` may hold."""
    return _BY_PLACE.get((name, key)) or _BY_KEY.get(key, TEXT)


def mistake(name: str, key: str, value: Any) -> str | None:
    """What is wrong with the value of a key; None where Alertmanager takes it."""
    kind = kind_of(name, key)
    return None if kind.fits(value) else f"{kind.expected} for '{key}', got {shown(value)}"
