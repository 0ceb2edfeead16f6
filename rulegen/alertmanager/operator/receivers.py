"""Receivers in the words of AlertmanagerConfig; a secret's file becomes a reference to a key of a Secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlslo.yamlfile import Problem
from rulegen.alertmanager import receivers as filled_receivers
from rulegen.alertmanager.operator.files import SECRETS, Reference, reference
from rulegen.alertmanager.operator.texts import uses_added_functions, with_templates
from rulegen.spec.operator import Operator
from rulegen.spec.routing import Location, Routing


class _NoCounterpartError(ValueError):
    """Something that an AlertmanagerConfig cannot say."""


@dataclass
class _Converter:
    """Converts one file's receivers, and collects what cannot be."""

    routing: Routing
    operator: Operator
    problems: list[Problem]

    def mapping(self, given: Mapping[str, Any], words: Words, at: Location) -> dict[str, Any]:
        converted: dict[str, Any] = {}
        for key, value in given.items():
            place = (*at, key)
            if key not in words.keys:
                self._refuse(place, f"an AlertmanagerConfig has no '{key}' here", key=True)
                continue
            name, convert = words.keys[key]
            try:
                made = convert(self, value, place)
            except _NoCounterpartError as error:
                self._refuse(place, str(error))
            else:
                if made is not None:
                    converted[name] = made
        return converted

    def reference(self, path: str) -> Reference:
        """The key that stands for the file at ``path``."""
        found = reference(path, self.operator)
        if found is None:
            key = path.rpartition("/")[2]
            raise _NoCounterpartError(
                f"expected {SECRETS}/<Secret>/<key>, or spec.operator.secret to name the Secret that has the "
                f"key '{key}'"
            )
        return found

    def _refuse(self, place: Location, message: str, *, key: bool = False) -> None:
        self.problems.append(self.routing.document.problem(place, message, key=key))


Convert = Callable[[_Converter, Any, Location], Any]


@dataclass(frozen=True)
class Words:
    """Alertmanager's key -> the operator's key, and how its value is converted."""

    keys: Mapping[str, tuple[str, Convert]] = field(default_factory=dict)


def _as_it_is(converter: _Converter, value: Any, at: Location) -> Any:  # noqa: ARG001
    return value


def _text(converter: _Converter, value: Any, at: Location) -> str:  # noqa: ARG001
    text = str(value)
    if not text:
        raise _NoCounterpartError("an AlertmanagerConfig takes no empty text; leave the key out")
    return with_templates(text)


def _url(converter: _Converter, value: Any, at: Location) -> str:
    text = str(value)
    if "{{" in text and uses_added_functions(text):
        raise _NoCounterpartError(
            "prometheus-operator refuses a URL that uses Alertmanager's template functions"
        )
    return _text(converter, text, at)


def _secret(converter: _Converter, value: Any, at: Location) -> dict[str, Any]:  # noqa: ARG001
    found = converter.reference(str(value))
    if found.kind != "secret":
        raise _NoCounterpartError("an AlertmanagerConfig takes this from a Secret, not from a ConfigMap")
    return {"name": found.name, "key": found.key}


def _pairs(converter: _Converter, value: Any, at: Location) -> list[dict[str, str]]:  # noqa: ARG001
    return [{"key": key, "value": with_templates(str(text))} for key, text in value.items()]


def _certificate(converter: _Converter, value: Any, at: Location) -> dict[str, Any]:  # noqa: ARG001
    found = converter.reference(str(value))
    return {found.kind: {"name": found.name, "key": found.key}}


def _one(words: Words) -> Convert:
    return lambda converter, value, at: converter.mapping(value, words, at)


def _each(words: Words) -> Convert:
    return lambda converter, value, at: [
        converter.mapping(entry, words, (*at, index)) for index, entry in enumerate(value)
    ]


def _links(converter: _Converter, value: Any, at: Location) -> list[dict[str, Any]]:
    """Links of ours that the operator would refuse are left out: the same address is among the details."""
    ours = converter.routing.document.has(at)
    kept = [entry for entry in value if ours or not uses_added_functions(str(entry.get("href", "")))]
    converted = _each(_LINK)(converter, kept, at)
    assert isinstance(converted, list)
    return converted


def _camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(word.upper() if word in ("url", "arn", "id") else word.title() for word in others)


def _words(convert: Convert, text: str, **renamed: str) -> dict[str, tuple[str, Convert]]:
    """Keys that are converted alike; ``renamed`` are those whose name is not the same in camel case."""
    return {key: (renamed.get(key, _camel(key)), convert) for key in text.split()}


_TLS = Words(
    {
        **_words(_as_it_is, "insecure_skip_verify max_version min_version server_name"),
        "ca_file": ("ca", _certificate),
        "cert_file": ("cert", _certificate),
        "key_file": ("keySecret", _secret),
    }
)
_AUTHORIZATION = Words({"type": ("type", _as_it_is), "credentials_file": ("credentials", _secret)})
# The operator takes the user's name and the client's id from a Secret, Alertmanager from its file: no counterpart.
_HTTP = Words(
    {
        **_words(_as_it_is, "enable_http2 follow_redirects proxy_url"),
        "authorization": ("authorization", _one(_AUTHORIZATION)),
        "bearer_token_file": ("bearerTokenSecret", _secret),
        "tls_config": ("tlsConfig", _one(_TLS)),
    }
)
_COMMON = {
    "send_resolved": ("sendResolved", _as_it_is),
    "http_config": ("httpConfig", _one(_HTTP)),
}
_LINK = Words({"href": ("href", _url), "text": ("alt", _text)})
_IMAGE = Words({"href": ("href", _url), "alt": ("alt", _text), "src": ("src", _text)})
_CONFIRM = Words(_words(_text, "dismiss_text ok_text text title"))
_ACTION = Words(
    {
        **_words(_text, "name style text type value"),
        "url": ("url", _url),
        "confirm": ("confirm", _one(_CONFIRM)),
    }
)
_FIELD = Words({**_words(_text, "title value"), "short": ("short", _as_it_is)})
_RESPONDER = Words(_words(_text, "id name type username"))
_SIGV4 = Words(_words(_as_it_is, "profile region role_arn", role_arn="roleArn"))

INTEGRATIONS: Mapping[str, tuple[str, Words]] = {
    "discord_configs": (
        "discordConfigs",
        Words({**_COMMON, **_words(_text, "message title"), "webhook_url_file": ("apiURL", _secret)}),
    ),
    "email_configs": (
        "emailConfigs",
        Words(
            {
                "send_resolved": ("sendResolved", _as_it_is),
                **_words(_text, "auth_identity auth_username from hello html smarthost text to"),
                "require_tls": ("requireTLS", _as_it_is),
                "headers": ("headers", _pairs),
                "auth_password_file": ("authPassword", _secret),
                "auth_secret_file": ("authSecret", _secret),
                "tls_config": ("tlsConfig", _one(_TLS)),
            }
        ),
    ),
    "opsgenie_configs": (
        "opsgenieConfigs",
        Words(
            {
                **_COMMON,
                **_words(_text, "actions api_url description entity message note priority source tags"),
                "update_alerts": ("updateAlerts", _as_it_is),
                "details": ("details", _pairs),
                "responders": ("responders", _each(_RESPONDER)),
                "api_key_file": ("apiKey", _secret),
            }
        ),
    ),
    "pagerduty_configs": (
        "pagerdutyConfigs",
        Words(
            {
                **_COMMON,
                **_words(_text, "class client component description group severity source url"),
                "client_url": ("clientURL", _url),
                "details": ("details", _pairs),
                "images": ("pagerDutyImageConfigs", _each(_IMAGE)),
                "links": ("pagerDutyLinkConfigs", _links),
                "routing_key_file": ("routingKey", _secret),
                "service_key_file": ("serviceKey", _secret),
            }
        ),
    ),
    "pushover_configs": (
        "pushoverConfigs",
        Words(
            {
                **_COMMON,
                **_words(_text, "expire message priority retry sound title url_title"),
                "html": ("html", _as_it_is),
                "url": ("url", _url),
                "token_file": ("token", _secret),
                "user_key_file": ("userKey", _secret),
            }
        ),
    ),
    "slack_configs": (
        "slackConfigs",
        Words(
            {
                **_COMMON,
                **_words(
                    _text,
                    "callback_id channel color fallback footer icon_emoji pretext text title username",
                    callback_id="callbackId",
                ),
                **_words(_as_it_is, "link_names mrkdwn_in short_fields"),
                **_words(_url, "icon_url image_url thumb_url title_link"),
                "actions": ("actions", _each(_ACTION)),
                "fields": ("fields", _each(_FIELD)),
                "api_url_file": ("apiURL", _secret),
            }
        ),
    ),
    "sns_configs": (
        "snsConfigs",
        Words(
            {
                **_COMMON,
                **_words(_text, "api_url message phone_number subject target_arn topic_arn"),
                "attributes": ("attributes", _as_it_is),
                "sigv4": ("sigv4", _one(_SIGV4)),
            }
        ),
    ),
    "telegram_configs": (
        "telegramConfigs",
        Words(
            {
                **_COMMON,
                **_words(_text, "api_url message parse_mode"),
                **_words(_as_it_is, "chat_id disable_notifications"),
                "bot_token_file": ("botToken", _secret),
            }
        ),
    ),
    "victorops_configs": (
        "victoropsConfigs",
        Words(
            {
                **_COMMON,
                **_words(_text, "entity_display_name message_type monitoring_tool routing_key state_message"),
                "api_url": ("apiUrl", _text),
                "custom_fields": ("customFields", _pairs),
                "api_key_file": ("apiKey", _secret),
            }
        ),
    ),
    "webex_configs": ("webexConfigs", Words({**_COMMON, **_words(_text, "api_url message room_id")})),
    "webhook_configs": (
        "webhookConfigs",
        Words(
            {
                **_COMMON,
                "max_alerts": ("maxAlerts", _as_it_is),
                "url": ("url", _url),
                "url_file": ("urlSecret", _secret),
            }
        ),
    ),
    "wechat_configs": (
        "wechatConfigs",
        Words(
            {
                **_COMMON,
                **_words(_text, "agent_id api_url corp_id message message_type to_party to_tag to_user"),
            }
        ),
    ),
}  # fmt: skip


def receivers(routing: Routing, operator: Operator, problems: list[Problem]) -> list[dict[str, Any]]:
    """Every receiver of the file; ``problems`` gets what has no counterpart."""
    converter = _Converter(routing, operator, problems)
    converted = []
    for receiver in filled_receivers(routing.spec):
        name = receiver["name"]
        made: dict[str, Any] = {"name": name}
        for integration, configs in receiver.items():
            if integration != "name":
                theirs, words = INTEGRATIONS[integration]
                at = ("spec", "receivers", name, integration)
                made[theirs] = _each(words)(converter, configs, at)
        converted.append(made)
    return converted
