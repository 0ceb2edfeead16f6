"""The keys of Alertmanager's integrations: which hold secrets, which are needed, which exclude each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Form = Literal["mapping", "list", "by name"]
Choices = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Keys:
    """The keys of one mapping.

    ``secrets``: keys that would hold a secret, each with the key that names a file instead, or None.
    ``nested``: keys whose values have known keys themselves.
    ``needs``: choices of keys, of each of which one must be there; ``at_most``: choices of which at most one may be.
    ``along``: a key, and the choice of keys of which one must stand beside it.
    ``form``: one such mapping, a list of them, or a mapping of them by names of the user's.
    ``or_text``: a text may stand instead.
    Which Alertmanager first knows a key is in `rulegen.promql.versions`.
    """

    plain: tuple[str, ...]
    secrets: Mapping[str, str | None] = field(default_factory=dict)
    nested: Mapping[str, Keys] = field(default_factory=dict)
    needs: Choices = ()
    at_most: Choices = ()
    along: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    form: Form = "mapping"
    or_text: bool = False

    @property
    def allowed(self) -> tuple[str, ...]:
        files = (name for name in self.secrets.values() if name)
        return tuple(dict.fromkeys([*self.plain, *self.nested, *files]))


def _keys(
    words: str,
    *,
    needs: str = "",
    at_most: str = "",
    secrets: str = "",
    nested: Mapping[str, Keys] | None = None,
    along: Mapping[str, str] | None = None,
    form: Form = "mapping",
    or_text: bool = False,
) -> Keys:
    """Keys in short: words between spaces, those of a choice with ``|`` between.

    Each of ``secrets`` has a key that names a file and ends in ``_file``, unless ``=`` and another follow it.
    """

    def choices(text: str) -> Choices:
        return tuple(tuple(choice.split("|")) for choice in text.split())

    files: dict[str, str | None] = {}
    for word in secrets.split():
        key, given, file = word.partition("=")
        files[key] = (file or None) if given else f"{key}_file"
    beside = {key: tuple(choice.split("|")) for key, choice in (along or {}).items()}
    plain = tuple(words.split())
    return Keys(plain, files, nested or {}, choices(needs), choices(at_most), beside, form, or_text)


_TLS = _keys(
    "ca ca_file cert cert_file insecure_skip_verify key_file max_version min_version server_name",
    secrets="key",
    at_most="ca|ca_file cert|cert_file",
    along={"cert": "key_file", "cert_file": "key_file", "key_file": "cert|cert_file"},
)
_ONE_PROXY = "proxy_url|proxy_from_environment no_proxy|proxy_from_environment"
_PROXIED = {"no_proxy": "proxy_url"}
_HTTP = _keys(
    "enable_http2 follow_redirects no_proxy proxy_from_environment proxy_url",
    secrets="bearer_token proxy_connect_header=",
    nested={
        "authorization": _keys("type", secrets="credentials"),
        "basic_auth": _keys("username username_file", secrets="password", at_most="username|username_file"),
        "http_headers": _keys("values", secrets="secrets=files", form="by name"),
        "oauth2": _keys(
            "audience claims client_certificate_key_id client_id endpoint_params grant_type iss no_proxy "
            "proxy_from_environment proxy_url scopes signature_algorithm token_url",
            secrets="client_secret client_certificate_key proxy_connect_header=",
            nested={"tls_config": _TLS},
            needs="client_id token_url client_secret_file|client_certificate_key_file",
            at_most=_ONE_PROXY,
            along=_PROXIED,
        ),
        "tls_config": _TLS,
    },
    at_most=f"authorization|basic_auth|bearer_token_file|oauth2 {_ONE_PROXY}",
    along=_PROXIED,
)


def _integration(words: str, *, nested: Mapping[str, Keys] | None = None, **others: Any) -> Keys:
    """Return the keys of an integration over HTTP."""
    return _keys(f"{words} send_resolved", nested={"http_config": _HTTP, **(nested or {})}, **others)


_AUTHORIZED = "http_config.authorization|http_config.bearer_token_file"
_SHORT_FIELDS = _keys("short title value", needs="title value", form="list")
_ATTACHMENT = (
    "author_icon author_link author_name color fallback footer footer_icon image_url pretext text thumb_url "
    "title title_link"
)
_JIRA_TEXT = _keys("enable_update template", or_text=True)

# Asked of Alertmanager 0.25, 0.28 and 0.33; a test asks again. The gates are from the sources of each release.
INTEGRATIONS: Mapping[str, Keys] = {
    "discord_configs": _integration(
        "avatar_url content message title username", secrets="webhook_url", needs="webhook_url_file"
    ),
    "email_configs": _keys(
        "auth_identity auth_username force_implicit_tls from headers hello html require_tls send_resolved "
        "smarthost text to",
        secrets="auth_password auth_secret",
        nested={"tls_config": _TLS, "threading": _keys("enabled thread_by_date", needs="thread_by_date")},
        needs="to from smarthost",
    ),
    "incidentio_configs": _integration(
        "max_alerts timeout url url_file",
        secrets="alert_source_token",
        needs=f"url|url_file alert_source_token_file|{_AUTHORIZED}",
        at_most=f"url|url_file alert_source_token_file|{_AUTHORIZED}",
    ),
    "jira_configs": _integration(
        "api_type api_url fields issue_type labels priority project reopen_duration reopen_transition "
        "resolve_transition wont_fix_resolution",
        nested={"summary": _JIRA_TEXT, "description": _JIRA_TEXT},
        needs="api_url project issue_type",
    ),
    "mattermost_configs": _integration(
        f"channel icon_emoji icon_url type username {_ATTACHMENT}",
        secrets="webhook_url",
        nested={
            "attachments": _keys(_ATTACHMENT, nested={"fields": _SHORT_FIELDS}, form="list"),
            "fields": _SHORT_FIELDS,
            "priority": _keys("persistent_notifications priority requested_ack"),
            "props": _keys("card"),
        },
        needs="webhook_url_file",
    ),
    "msteams_configs": _integration("summary text title", secrets="webhook_url", needs="webhook_url_file"),
    "msteamsv2_configs": _integration("text title", secrets="webhook_url", needs="webhook_url_file"),
    "opsgenie_configs": _integration(
        "actions api_url description details entity message note priority source tags update_alerts",
        secrets="api_key",
        nested={"responders": _keys("id name type username", needs="id|name|username type", form="list")},
        needs="api_key_file",
    ),
    "pagerduty_configs": _integration(
        "class client client_url component description details group severity source timeout url",
        secrets="routing_key service_key",
        nested={"images": _keys("alt href src", form="list"), "links": _keys("href text", form="list")},
        needs="routing_key_file|service_key_file",
    ),
    "pushover_configs": _integration(
        "device expire html message monospace priority retry sound title ttl url url_title",
        secrets="token user_key",
        needs="token_file user_key_file",
        at_most="html|monospace",
    ),
    "rocketchat_configs": _integration(
        "api_url channel color emoji icon_url image_url link_names short_fields text thumb_url title title_link",
        secrets="token token_id",
        nested={
            "actions": _keys("msg text url", form="list"),
            "fields": _keys("short title value", form="list"),
        },
        needs="token_file token_id_file",
    ),
    # `update_message` needs `api_url`, which is a secret, written out.
    "slack_configs": _integration(
        "app_url callback_id channel color fallback footer icon_emoji icon_url image_url link_names message_text "
        "mrkdwn_in pretext short_fields text thumb_url timeout title title_link username",
        secrets="api_url app_token",
        nested={
            "actions": _keys(
                "name style text type url value",
                nested={"confirm": _keys("dismiss_text ok_text text title", needs="text")},
                needs="type text name|url",
                form="list",
            ),
            "fields": _SHORT_FIELDS,
        },
        needs="api_url_file|app_token_file",
        at_most="api_url_file|app_token_file app_token_file|http_config.authorization",
    ),
    "sns_configs": _integration(
        "api_url attributes message phone_number subject target_arn topic_arn use_aws_http_client",
        nested={
            "sigv4": _keys(
                "external_id profile region role_arn service_name use_fips_sts_endpoint",
                secrets="access_key= secret_key=",
                along={"external_id": "role_arn"},
            )
        },
        needs="topic_arn|phone_number|target_arn",
        at_most="topic_arn|phone_number|target_arn",
    ),
    "telegram_configs": _integration(
        "api_url chat_id chat_id_file disable_notifications message message_thread_id parse_mode",
        secrets="bot_token",
        needs="bot_token_file chat_id|chat_id_file",
        at_most="chat_id|chat_id_file",
    ),
    "victorops_configs": _integration(
        "api_url custom_fields entity_display_name message_type monitoring_tool routing_key state_message",
        secrets="api_key",
        needs="api_key_file routing_key",
    ),
    "webex_configs": _integration("api_url message room_id", needs=f"room_id {_AUTHORIZED}"),
    "webhook_configs": _integration(
        "max_alerts payload timeout url url_file", needs="url|url_file", at_most="url|url_file"
    ),
    "wechat_configs": _integration(
        "agent_id api_url corp_id message message_type to_party to_tag to_user",
        secrets="api_secret",
        needs="api_secret_file corp_id",
    ),
}

# Those that send nothing of an alert's end unless they are asked to.
SILENT_ABOUT_ENDS = ("email_configs", "rocketchat_configs", "slack_configs", "wechat_configs")
