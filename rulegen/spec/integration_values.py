"""Values of the keys of Alertmanager's integrations, as Alertmanager reads them.

https://github.com/prometheus/alertmanager/blob/v0.25.0/config/notifiers.go
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlslo.yamlfile import shown
from rulegen.promql.versions import URL_TEMPLATE

_SCALAR = {"type": ["string", "number", "boolean"]}
# https://pkg.go.dev/time#ParseDuration, without signs: there are no days.
_GO_DURATION = re.compile(r"([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+|0")
_HOST = r"(\[[0-9a-fA-F:.]+\]|[^\s/?#<>\"\[\]{}|\\^`%:@]+)"


@dataclass(frozen=True)
class Kind:
    """A kind of value: a test, what to write instead, and a JSON Schema of what shows in one."""

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
# https://pkg.go.dev/github.com/prometheus/common/model#ParseDuration
_DAYS = Kind(
    _matches(r"(?=.)([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?|0"),
    "expected a duration such as 10d or 1h30m",
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
_TYPE = Kind(
    lambda value: _is_scalar(value) and str(value).strip().lower() != "basic",
    "expected a type that is not basic, which is basic_auth",
    _SCALAR,
)
_HEADERS = Kind(
    lambda value: _MAP.fits(value) and len({header.lower() for header in value}) == len(value),
    "expected a mapping of texts, each header once",
    _MAP.schema,
)
# https://github.com/prometheus/alertmanager/blob/v0.25.0/config/notifiers.go (VictorOpsConfig.UnmarshalYAML)
_RESERVED = {
    "routing_key", "message_type", "state_message", "entity_display_name", "monitoring_tool", "entity_id",
    "entity_state",
}  # fmt: skip
_CUSTOM_FIELDS = Kind(
    lambda value: _MAP.fits(value) and not _RESERVED & set(value),
    "expected a mapping of texts without the keys that are fixed",
    {**_MAP.schema, "propertyNames": {"not": {"enum": sorted(_RESERVED)}}},
)
_ANYTHING = Kind(lambda value: value is not None, "expected any value", {})
_ANY_MAP = Kind(lambda value: isinstance(value, dict), "expected a mapping", {"type": "object"})
_TLS = _one_of("TLS13", "TLS12", "TLS11", "TLS10")
_BOOLEANS = (
    "disable_notifications", "enable_http2", "enable_update", "enabled", "follow_redirects", "force_implicit_tls",
    "insecure_skip_verify", "link_names", "monospace", "persistent_notifications", "proxy_from_environment",
    "requested_ack", "require_tls", "send_resolved", "short", "short_fields", "update_alerts", "use_aws_http_client",
    "use_fips_sts_endpoint",
)  # fmt: skip

# By key, where it is the same in each integration that has it; all others are text.
_BY_KEY: Mapping[str, Kind] = {
    **dict.fromkeys(_BOOLEANS, _BOOLEAN),
    **dict.fromkeys(("details", "attributes", "endpoint_params"), _MAP),
    **dict.fromkeys(("scopes", "mrkdwn_in", "labels", "files", "values"), _TEXTS),
    **dict.fromkeys(("retry", "expire", "timeout", "ttl"), _DURATION),
    **dict.fromkeys(("min_version", "max_version"), _TLS),
    **dict.fromkeys(("api_url", "app_url"), _ADDRESS),
    "api_type": _one_of("auto", "cloud", "datacenter"),
    "chat_id": _CHAT,
    "claims": _ANY_MAP,
    "custom_fields": _CUSTOM_FIELDS,
    "headers": _HEADERS,
    "max_alerts": _COUNT,
    "message_thread_id": _COUNT,
    "payload": _ANYTHING,
    "proxy_url": _PROXY,
    "reopen_duration": _DAYS,
    "signature_algorithm": _one_of("RS256", "RS384", "RS512"),
    "smarthost": _HOST_AND_PORT,
    "thread_by_date": _one_of("none", "daily"),
}
_BY_PLACE: Mapping[tuple[str, str], Kind] = {
    **{(f"{name}_configs", "url"): _ADDRESS for name in ("incidentio", "pagerduty", "webhook")},
    ("authorization", "type"): _TYPE,
    ("jira_configs", "fields"): _ANY_MAP,
    ("pushover_configs", "html"): _BOOLEAN,
    ("sns_configs", "api_url"): TEXT,
    ("responders", "type"): _RESPONDER,
    ("wechat_configs", "message_type"): _one_of("text", "markdown"),
    ("telegram_configs", "parse_mode"): _one_of("", "Markdown", "MarkdownV2", "HTML"),
}
# Texts that Alertmanager takes as they are.
_VERBATIM = (
    "auth_identity", "auth_username", "hello", "parse_mode", "reopen_transition", "resolve_transition",
    "wont_fix_resolution",
)  # fmt: skip
_VERBATIM_IN = (
    "authorization",
    "basic_auth",
    "http_headers",
    "oauth2",
    "sigv4",
    "threading",
    "tls_config",
    "http_config",
)


def kind_of(name: str, key: str) -> Kind:
    """Return what ``key`` of the integration, or of the mapping inside of one, ``name`` may hold."""
    return _BY_PLACE.get((name, key)) or _BY_KEY.get(key, TEXT)


def mistake(name: str, key: str, value: Any) -> str | None:
    """Say what is wrong with the value of a key; None where Alertmanager takes it."""
    kind = kind_of(name, key)
    return None if kind.fits(value) else f"{kind.expected} for '{key}', got {shown(value)}"


def is_template(name: str, key: str, version: str) -> bool:
    """Whether Alertmanager expands the templates in the texts of a key."""
    if (name, key) == ("webhook_configs", "url"):
        return URL_TEMPLATE.open(version)
    if name in _VERBATIM_IN or key in _VERBATIM or key.endswith("_file"):
        return False
    expanded = (TEXT, _MAP, _HEADERS, _CUSTOM_FIELDS, _RESPONDER, _ANYTHING, _ANY_MAP)
    return key == "labels" or kind_of(name, key) in expanded
