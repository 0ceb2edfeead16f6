"""Receivers in the words of AlertmanagerConfig; a secret's file becomes a reference to a key of a Secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlslo.yamlfile import Problem
from rulegen.alertmanager import receivers as filled_receivers
from rulegen.alertmanager.operator.files import SECRETS, Reference, reference
from rulegen.alertmanager.operator.texts import uses_added_functions, with_templates
from rulegen.spec.integrations import INTEGRATIONS as _OUR_INTEGRATIONS
from rulegen.spec.integrations import TEXT, Keys
from rulegen.spec.operator import Operator
from rulegen.spec.routing import Location, Routing


class _NoCounterpartError(ValueError):
    """A value without a counterpart in an AlertmanagerConfig."""


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
        """Return the key that stands for the file at ``path``."""
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


def _value(converter: _Converter, value: Any, at: Location) -> Any:
    return _text(converter, value, at) if isinstance(value, str) else value


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
    """Leave out links of ours that the operator would refuse: the same address is among the details."""
    ours = converter.routing.document.has(at)
    kept = [entry for entry in value if ours or not uses_added_functions(str(entry.get("href", "")))]
    keys = _OUR_INTEGRATIONS["pagerduty_configs"].keys["links"].inner
    assert keys is not None
    converted = _each(_words(keys))(converter, kept, at)
    assert isinstance(converted, list)
    return converted


# The operator's names that are not the key in camel case, by the mapping that the key stands in.
_NAMES: Mapping[tuple[str, str], str] = {
    ("discord_configs", "webhook_url_file"): "apiURL",
    ("email_configs", "threading"): "",
    # The operator takes the user's name and the client's id from a Secret, Alertmanager from its file.
    **{("http_config", key): "" for key in ("basic_auth", "oauth2", "http_headers", "no_proxy")},
    ("http_config", "bearer_token_file"): "bearerTokenSecret",
    ("http_config", "proxy_from_environment"): "",
    ("links", "text"): "alt",
    ("msteams_configs", "webhook_url_file"): "webhookUrl",
    ("pagerduty_configs", "images"): "pagerDutyImageConfigs",
    ("pagerduty_configs", "links"): "pagerDutyLinkConfigs",
    ("sigv4", "external_id"): "",
    ("sigv4", "role_arn"): "roleArn",
    ("sigv4", "service_name"): "",
    ("sigv4", "use_fips_sts_endpoint"): "useFIPSSTSEndpoint",
    ("slack_configs", "app_token_file"): "",
    ("slack_configs", "app_url"): "",
    ("slack_configs", "callback_id"): "callbackId",
    ("sns_configs", "use_aws_http_client"): "",
    ("telegram_configs", "chat_id_file"): "",
    ("tls_config", "ca"): "",
    ("tls_config", "ca_file"): "ca",
    ("tls_config", "cert"): "",
    ("tls_config", "cert_file"): "cert",
    ("tls_config", "key_file"): "keySecret",
    ("victorops_configs", "api_url"): "apiUrl",
    ("webhook_configs", "payload"): "",
    ("webhook_configs", "url_file"): "urlSecret",
}
_CONVERTED: Mapping[tuple[str, str], Convert] = {
    ("pagerduty_configs", "links"): _links,
    ("sns_configs", "attributes"): _as_it_is,
    ("tls_config", "ca_file"): _certificate,
    ("tls_config", "cert_file"): _certificate,
}
_URLS = ("client_url", "href", "icon_url", "image_url", "thumb_url", "title_link", "url")
_UPPER = ("arn", "id", "tls", "url")


def _camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(word.upper() if word in _UPPER else word.title() for word in others)


def _convert(keys: Keys, key: str) -> Convert:
    if found := _CONVERTED.get((keys.name, key)):
        return found
    known = keys.keys[key]
    if known.inner is not None:
        inner = _words(known.inner)
        return _each(inner) if known.form == "list of" else _one(inner)
    if key in keys.secrets.values() or key.endswith("_file"):
        return _secret
    if key in _URLS:
        return _url
    if known.kind.schema.get("type") == "object":
        return _pairs
    return _text if known.kind is TEXT else _value


def _words(keys: Keys) -> Words:
    """Every key that has a counterpart."""
    files = {file: key for key, file in keys.secrets.items() if file}
    named = {key: _NAMES.get((keys.name, key), _camel(files.get(key, key))) for key in keys.keys}
    return Words({key: (theirs, _convert(keys, key)) for key, theirs in named.items() if theirs})


_WITHOUT_COUNTERPART = ("incidentio_configs", "jira_configs", "mattermost_configs")
INTEGRATIONS: Mapping[str, tuple[str, Words]] = {
    name: (name.replace("_configs", "Configs"), _words(keys))
    for name, keys in _OUR_INTEGRATIONS.items()
    if name not in _WITHOUT_COUNTERPART
}


def receivers(routing: Routing, operator: Operator, problems: list[Problem]) -> list[dict[str, Any]]:
    """Convert every receiver of the file; ``problems`` gets what has no counterpart."""
    converter = _Converter(routing, operator, problems)
    converted = []
    for receiver in filled_receivers(routing.spec):
        name = receiver["name"]
        made: dict[str, Any] = {"name": name}
        for integration, configs in receiver.items():
            at = ("spec", "receivers", name, integration)
            if integration in _WITHOUT_COUNTERPART:
                message = f"an AlertmanagerConfig has no {integration}"
                problems.append(routing.document.problem(at, message, key=True))
            elif integration != "name":
                theirs, words = INTEGRATIONS[integration]
                made[theirs] = _each(words)(converter, configs, at)
        converted.append(made)
    return converted
