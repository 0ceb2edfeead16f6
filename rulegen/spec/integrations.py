"""Alertmanager's notification integrations: their keys, and which of them hold secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mlslo.yamlfile import Document, Problem, did_you_mean, quoted_list
from rulegen.promql.versions import integration
from rulegen.spec.integration_values import kind_of, mistake
from rulegen.spec.lint_names import named

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Keys:
    """The keys of one mapping.

    ``secrets``: keys that would hold a secret, each with the key that names a file instead, or None.
    ``nested``: keys whose value is a mapping, or a list of mappings, of known keys.
    ``needs``: each is a choice of keys, one of which must be there.
    Which Alertmanager first knows a key is in `rulegen.promql.expressions.versions`.
    """

    plain: tuple[str, ...]
    secrets: Mapping[str, str | None] = field(default_factory=dict)
    nested: Mapping[str, Keys] = field(default_factory=dict)
    needs: tuple[tuple[str, ...], ...] = ()

    @property
    def allowed(self) -> tuple[str, ...]:
        files = (name for name in self.secrets.values() if name)
        return tuple(dict.fromkeys([*self.plain, *self.nested, *files]))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TLS = Keys(_words("ca_file cert_file insecure_skip_verify key_file max_version min_version server_name"))
_HTTP = Keys(
    _words("enable_http2 follow_redirects proxy_url"),
    {"bearer_token": "bearer_token_file", "proxy_connect_header": None},
    {
        "authorization": Keys(_words("type"), {"credentials": "credentials_file"}),
        "basic_auth": Keys(_words("username"), {"password": "password_file"}),
        "oauth2": Keys(
            _words("client_id endpoint_params proxy_url scopes token_url"),
            {"client_secret": "client_secret_file"},
            {"tls_config": _TLS},
            needs=(("client_id",), ("token_url",)),
        ),
        "tls_config": _TLS,
    },
)
_OVER_HTTP: Mapping[str, Keys] = {"http_config": _HTTP}
_CONFIRM = Keys(_words("dismiss_text ok_text text title"), needs=(("text",),))

# Asked of Alertmanager 0.25 itself; a test asks again. Later files for secrets come from its changelog.
INTEGRATIONS: Mapping[str, Keys] = {
    "discord_configs": Keys(
        _words("message send_resolved title"),
        {"webhook_url": "webhook_url_file"},
        _OVER_HTTP,
        needs=(("webhook_url_file",),),
    ),
    "email_configs": Keys(
        _words(
            "auth_identity auth_username from headers hello html require_tls send_resolved smarthost text to"
        ),
        {"auth_password": "auth_password_file", "auth_secret": "auth_secret_file"},
        {"tls_config": _TLS},
        needs=(("to",), ("from",), ("smarthost",)),
    ),
    "opsgenie_configs": Keys(
        _words("actions api_url description details entity message note priority send_resolved")
        + _words("source tags update_alerts"),
        {"api_key": "api_key_file"},
        {
            **_OVER_HTTP,
            "responders": Keys(
                _words("id name type username"), needs=(("id", "name", "username"), ("type",))
            ),
        },
        needs=(("api_key_file",),),
    ),
    "pagerduty_configs": Keys(
        _words(
            "class client client_url component description details group send_resolved severity source url"
        ),
        {"routing_key": "routing_key_file", "service_key": "service_key_file"},
        {**_OVER_HTTP, "images": Keys(_words("alt href src")), "links": Keys(_words("href text"))},
        needs=(("routing_key_file", "service_key_file"),),
    ),
    "pushover_configs": Keys(
        _words("expire html message priority retry send_resolved sound title url url_title"),
        {"token": "token_file", "user_key": "user_key_file"},
        _OVER_HTTP,
        needs=(("token_file",), ("user_key_file",)),
    ),
    "slack_configs": Keys(
        _words("callback_id channel color fallback footer icon_emoji icon_url image_url link_names mrkdwn_in")
        + _words("pretext send_resolved short_fields text thumb_url title title_link username"),
        {"api_url": "api_url_file"},
        {
            **_OVER_HTTP,
            "actions": Keys(
                _words("name style text type url value"),
                nested={"confirm": _CONFIRM},
                needs=(("type",), ("text",), ("name", "url")),
            ),
            "fields": Keys(_words("short title value"), needs=(("title",), ("value",))),
        },
        needs=(("api_url_file",),),
    ),
    "sns_configs": Keys(
        _words("api_url attributes message phone_number send_resolved subject target_arn topic_arn"),
        nested={
            **_OVER_HTTP,
            "sigv4": Keys(_words("profile region role_arn"), {"access_key": None, "secret_key": None}),
        },
        needs=(("topic_arn", "phone_number", "target_arn"),),
    ),
    "telegram_configs": Keys(
        _words("api_url chat_id disable_notifications message parse_mode send_resolved"),
        {"bot_token": "bot_token_file"},
        _OVER_HTTP,
        needs=(("bot_token_file",), ("chat_id",)),
    ),
    "victorops_configs": Keys(
        _words("api_url custom_fields entity_display_name message_type monitoring_tool routing_key")
        + _words("send_resolved state_message"),
        {"api_key": "api_key_file"},
        _OVER_HTTP,
        needs=(("api_key_file",), ("routing_key",)),
    ),
    "webex_configs": Keys(
        _words("api_url message room_id send_resolved"),
        nested=_OVER_HTTP,
        needs=(("room_id",), ("http_config",)),
    ),
    "webhook_configs": Keys(
        _words("max_alerts send_resolved url url_file"),
        nested=_OVER_HTTP,
        needs=(("url", "url_file"),),
    ),
    "wechat_configs": Keys(
        _words("agent_id api_url corp_id message message_type send_resolved to_party to_tag to_user"),
        {"api_secret": None},
        _OVER_HTTP,
    ),
}


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
        one = {"$ref": f"#/$defs/{inside}"}
        found[inside] = _schema(inside, inner, found)
        properties[inside] = {"anyOf": [one, {"type": "array", "items": one}]}
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    if keys.needs:
        schema["allOf"] = [{"anyOf": [_given(key) for key in choice]} for choice in keys.needs]
    return schema


def _given(key: str) -> dict[str, Any]:
    return {"required": [key], "properties": {key: {"not": {"const": ""}}}}


def problems(
    document: Document, at: Location, receiver: Mapping[str, Any], version: str
) -> Iterator[Problem]:
    """What is wrong with the receiver at ``at`` of ``document``, for Alertmanager ``version``.

    Unknown integrations and keys, missing keys, and any secret that is written out instead of being
    kept in a file, and values that Alertmanager does not read.
    """
    if not receiver:
        expected = f"expected at least one of {quoted_list(INTEGRATIONS, 20)}"
        message = f"{expected}; without one the receiver tells nobody"
        yield document.problem(at, named(message, "receiver-without-integration"), key=True)
    for name, configs in receiver.items():
        place = (*at, name)
        keys = INTEGRATIONS.get(name)
        if keys is None:
            expected = quoted_list(INTEGRATIONS, 20)
            message = (
                f"unknown integration '{name}', expected one of {expected}{did_you_mean(name, INTEGRATIONS)}"
            )
            yield document.problem(place, message, key=True)
            continue
        if refusal := integration(name).refusal(version):
            yield document.problem(place, refusal, key=True)
        if not isinstance(configs, list) or not configs:
            yield document.problem(place, f"expected a list of mappings under {name}")
            continue
        yield from _nested(document, place, name, configs, keys, version)


def _nested(
    document: Document, at: Location, name: str, value: Any, keys: Keys, version: str
) -> Iterator[Problem]:
    entries = [(at, value)]
    if isinstance(value, list):
        entries = [((*at, index), entry) for index, entry in enumerate(value)]
    for place, entry in entries:
        if isinstance(entry, dict):
            yield from _mapping(document, place, name, entry, keys, version)
        else:
            yield document.problem(
                place, f"expected a mapping in {name}, with {quoted_list(keys.allowed, 30)}"
            )


def _mapping(
    document: Document, at: Location, name: str, mapping: Mapping[str, Any], keys: Keys, version: str
) -> Iterator[Problem]:
    for key, value in mapping.items():
        place = (*at, key)
        if key in keys.secrets:
            message = _secret(name, key, keys, version)
            yield document.problem(place, named(message, "literal-secret"), key=True)
        elif key not in keys.allowed:
            expected = f"expected one of {quoted_list(keys.allowed, 30)}{did_you_mean(key, keys.allowed)}"
            yield document.problem(place, f"unknown key '{key}' in {name}, {expected}", key=True)
        elif value is None:
            hint = '; text that begins with # needs quotes: "#channel"' if key == "channel" else ""
            yield document.problem(place, f"expected a value for '{key}', got nothing{hint}")
        elif refusal := integration(name, key).refusal(version):
            yield document.problem(place, refusal, key=True)
        elif key in keys.nested:
            yield from _nested(document, place, key, value, keys.nested[key], version)
        elif wrong := mistake(name, key, value):
            yield document.problem(place, wrong)
        elif isinstance(value, str) and _carries_password(value):
            instead = "use http_config.basic_auth with 'password_file'"
            message = f"a literal secret: the URL in '{key}' holds a password; {instead}"
            yield document.problem(place, named(message, "literal-secret"))
    for choice in keys.needs:
        # A secret that is written out is reported as such, not as a missing file.
        written = [key for key, file in keys.secrets.items() if file in choice]
        if all(mapping.get(key, "") == "" for key in (*choice, *written)):
            message = f"missing key {_either(choice)} in {name}"
            yield document.problem(at, message)


def _secret(name: str, key: str, keys: Keys, version: str) -> str:
    refused = f"a literal secret: '{key}' in {name} would be readable by all who read this file"
    file = keys.secrets[key]
    if file is not None:
        gate = integration(name, file)
        late = (
            ""
            if gate.open(version)
            else f" (needs Alertmanager {gate.since}, target.alertmanager is {version})"
        )
        return f"{refused}; use '{file}', the path of a file that holds it{late}"
    if name == "sigv4":
        return f"{refused}; use 'profile' or 'role_arn'"
    return f"{refused}, and Alertmanager has no key that names a file instead"


def _carries_password(url: str) -> bool:
    try:
        return url.startswith(("http://", "https://")) and urlsplit(url).password is not None
    except ValueError:
        return False


def _either(choice: Sequence[str]) -> str:
    return " or ".join(f"'{key}'" for key in choice)
