"""The table of integrations, held against what Alertmanager itself knows."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mlslo.yamlfile import parse
from rulegen.output import block_yaml
from rulegen.promql.versions import OLDEST
from rulegen.spec.integrations import INTEGRATIONS, Key, Keys
from rulegen.spec.receivers import problems
from tests.support import tools
from tests.support.tools import tool


@cache
def version() -> str:
    # Asked for while tests are collected, also where none that needs it is run.
    if not tools.available:
        return OLDEST["Alertmanager"]
    answer = subprocess.run([tool("amtool"), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version ([0-9.]+)", answer.stdout + answer.stderr)
    assert found
    return found[1]


def unknown(receiver: dict[str, Any], folder: Path) -> set[str]:
    """The keys of `receiver` that Alertmanager does not know, at whatever depth."""
    path = folder / "alertmanager.json"
    path.write_text(json.dumps({"route": {"receiver": "a"}, "receivers": [{"name": "a", **receiver}]}))
    answer = subprocess.run(
        [tool("amtool"), "check-config", path], capture_output=True, text=True, timeout=30, check=False
    )
    return set(re.findall(r"field (\S+) not found in type", answer.stdout + answer.stderr))


def known_by(keys: Keys, first: str) -> set[str]:
    """What the table says that Alertmanager `first` knows."""
    return {key for key in keys.keys if keys.gate(key).open(first)}


def nested(keys: Keys) -> dict[str, Keys]:
    """The mappings inside, by their keys."""
    return {key: one.inner for key, one in keys.keys.items() if one.inner is not None}


# Debian builds its 0.28 without Jira, and with a library for sigv4 that has newer keys.
DEBIANS = version().startswith("0.28.")


def has(name: str) -> bool:
    """Return whether the Alertmanager at hand has the integration."""
    return INTEGRATIONS[name].gate().open(version()) and not (DEBIANS and name == "jira_configs")


def usable(name: str) -> bool:
    """Whether the Alertmanager at hand has the integration, with a file for its secret."""
    keys = INTEGRATIONS[name]
    needs = (choice for choice in keys.needs)
    possible = all(any("." in key or keys.gate(key).open(version()) for key in choice) for choice in needs)
    return has(name) and possible


KNOWN = [name for name in INTEGRATIONS if has(name)]


def test_an_integration_is_known_from_its_gate_on(tmp_path: Path) -> None:
    assert set(INTEGRATIONS) - unknown({name: [] for name in INTEGRATIONS}, tmp_path) == set(KNOWN)


@pytest.mark.parametrize("integration", KNOWN)
def test_alertmanager_knows_each_key_and_no_other_integrations(integration: str, tmp_path: Path) -> None:
    everything = {key for keys in INTEGRATIONS.values() for key in keys.keys}
    everything -= set(INTEGRATIONS[integration].secrets)
    refused = unknown({integration: [dict.fromkeys(everything)]}, tmp_path)
    assert everything - refused == known_by(INTEGRATIONS[integration], version())


NESTED = [
    (integration, (key,), keys)
    for integration in KNOWN
    for key, keys in nested(INTEGRATIONS[integration]).items()
    if key != "http_config"
    and not (DEBIANS and key == "sigv4")
    and INTEGRATIONS[integration].gate(key).open(version())
] + [
    ("webhook_configs", ("http_config", *path), keys)
    for http in [nested(INTEGRATIONS["webhook_configs"])["http_config"]]
    for path, keys in [((), http), *(((key,), keys) for key, keys in nested(http).items())]
    if not path or http.gate(path[0]).open(version())
]


def form_of(integration: str, path: tuple[str, ...]) -> str:
    keys = INTEGRATIONS[integration]
    for step in path[:-1]:
        keys = nested(keys)[step]
    return keys.keys[path[-1]].form


def formed(form: str, value: Any) -> Any:
    """`value` in the form that a key of mappings has."""
    return {"list of": [value], "by name": {"X-Any": value}}.get(form, value)


def inside(integration: str, path: tuple[str, ...], value: Any) -> Any:
    """`value` at a path below an integration, in the form that belongs there."""
    for length in range(len(path), 0, -1):
        value = {path[length - 1]: formed(form_of(integration, path[:length]), value)}
    return value


@pytest.mark.parametrize(("integration", "path", "keys"), NESTED, ids=lambda value: str(value)[:40])
def test_alertmanager_knows_each_nested_key_and_no_other(
    integration: str, path: tuple[str, ...], keys: Keys, tmp_path: Path
) -> None:
    candidates = {key for _, _, other in NESTED for key in other.keys} - set(keys.secrets)
    if (integration, path) == ("rocketchat_configs", ("actions",)):
        # Read, and not used: it is always a button.
        candidates.remove("type")
    refused = unknown({integration: [inside(integration, path, dict.fromkeys(candidates))]}, tmp_path)
    assert candidates - refused == known_by(keys, version())


# What each integration needs beside the key that is tried, so that nothing but its value is judged.
ENOUGH: dict[str, Any] = {
    "discord_configs": {"webhook_url": "http://h/"},
    "email_configs": {"to": "a", "from": "b", "smarthost": "m:25"},
    "incidentio_configs": {"url": "http://h/", "alert_source_token_file": "/f"},
    "jira_configs": {"api_url": "http://h/", "project": "p", "issue_type": "t"},
    "mattermost_configs": {"webhook_url_file": "/f"},
    "msteams_configs": {"webhook_url": "http://h/"},
    "msteamsv2_configs": {"webhook_url_file": "/f"},
    "opsgenie_configs": {"api_key_file": "/f"},
    "pagerduty_configs": {"routing_key_file": "/f"},
    "pushover_configs": {"token": "a", "user_key": "b"},
    "rocketchat_configs": {"token_file": "/f", "token_id_file": "/f"},
    "slack_configs": {"api_url_file": "/f"},
    "sns_configs": {"topic_arn": "a", "sigv4": {}},
    "telegram_configs": {"bot_token": "x", "chat_id": 1, "api_url": "http://h/"},
    "victorops_configs": {"api_key_file": "/f", "routing_key": "r"},
    "webex_configs": {"room_id": "r", "http_config": {"authorization": {"credentials_file": "/f"}}},
    "webhook_configs": {"url": "http://h/"},
    "wechat_configs": {"api_secret": "s", "corp_id": "c"},
    "actions": {"type": "button", "text": "t", "url": "u"},
    "fields": {"title": "t", "value": "v"},
    "responders": {"type": "team", "name": "n"},
    "confirm": {"text": "t"},
    "authorization": {"credentials_file": "/f"},
    "basic_auth": {"password_file": "/f"},
    "oauth2": {"client_id": "c", "client_secret_file": "/f", "token_url": "t"},
    "threading": {"thread_by_date": "none"},
}
# What may not stand beside the key that is tried, or must.
WITHOUT = {
    "url_file": ("url",), "chat_id_file": ("chat_id",), "service_key_file": (), "app_token_file": ("api_url_file",),
}  # fmt: skip
BESIDE = {
    "cert": {"key_file": "/f"}, "cert_file": {"key_file": "/f"}, "key_file": {"cert_file": "/f"},
    "external_id": {"role_arn": "r"}, "no_proxy": {"proxy_url": "http://h/"},
}  # fmt: skip
VALUES: list[Any] = [
    True, -1, 1.5, 10**30, "", "x", "yes", "5", "5m", "1d", "TLS12", "HTML", "teams", "markdown", "mail:25", "a:b:c",
    "http://h:80/p q?{{ .x }}#f", "http://[", "http://[::1]:80/", "http://h/%zz", "http://a b/", "ftp://h/",
    [], ["a", 1], [["a"]], {}, {"a": 1}, {"a": ["b"]},
]  # fmt: skip
# Alertmanager starts with these, and then they do nothing, or nothing that is meant.
STRICTER = (
    "proxy_url", "smarthost", "chat_id", "max_alerts", "message_type", "timeout", "message_thread_id", "payload",
    "signature_algorithm", "claims", "thread_by_date",
)  # fmt: skip
# One of three, and only one.
CHOICE = ("phone_number", "target_arn")


def with_value(name: str, path: tuple[str, ...], key: str, value: Any) -> dict[str, Any]:
    config = json.loads(json.dumps(ENOUGH[name]))
    beside = {**ENOUGH.get(path[-1], {}), **BESIDE.get(key, {}), key: value} if path else {}
    for found, given in (
        inside(name, path, beside).items() if path else {**BESIDE.get(key, {}), key: value}.items()
    ):
        config[found] = given
    for other in WITHOUT.get(key, ()):
        config.pop(other, None)
    return {name: [config]}


def checked(receivers: list[list[dict[str, Any]]], folder: Path) -> list[str]:
    """What amtool says of each of several files."""
    files = []
    for number, several in enumerate(receivers):
        named = [{"name": f"r{index}", **one} for index, one in enumerate(several)]
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(block_yaml.dump({"route": {"receiver": "r0"}, "receivers": named}))
    command = [str(tool("amtool")), "check-config", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).split("Checking '")[1:]


def test_values_are_refused_where_alertmanager_refuses_them(tmp_path: Path) -> None:
    places = [(name, (), INTEGRATIONS[name]) for name in KNOWN] + NESTED
    taken, refused = [], []
    chance = Random(5)
    for name, path, keys in places:
        for key, one in keys.keys.items():
            nested_or_secret = one.inner is not None or key in keys.secrets.values()
            if (
                (nested_or_secret and key != "key_file")
                or key in CHOICE
                or not keys.gate(key).open(version())
            ):
                continue
            # Of what must be there, no text is as good as none: it is tried with the other keys.
            needed = key in BESIDE or any(key in choice for choice in keys.needs)
            values = [value for value in VALUES if value != "" or not needed]
            wrong = [value for value in values if not one.kind.fits(value)]
            taken += [with_value(name, path, key, value) for value in values if value not in wrong]
            if key not in STRICTER:
                refused += [with_value(name, path, key, value) for value in chance.sample(wrong, 4)]
    assert len(taken) > 1500
    (said,) = checked([taken], tmp_path)
    assert "FAILED" not in said, said
    assert len(refused) > 400
    answers = checked([[one] for one in refused], tmp_path)
    assert [one for one, said in zip(refused, answers, strict=True) if "FAILED" not in said] == []


def test_every_secret_has_a_file() -> None:
    without = [
        (name, key)
        for name, keys in INTEGRATIONS.items()
        for key, file in keys.secrets.items()
        if file is None
    ]
    assert without == []


# Alertmanager starts with these, and fails when it sends.
REFUSED_EARLIER = (
    "missing key 'thread_by_date'", "'cert_file' in tls_config needs", "'key_file' in tls_config needs",
    "'client_secret_file' or", "'alert_source_token_file' or",
    "client_certificate_key_file", "got topic_arn and phone_number and target_arn",
)  # fmt: skip


def some_value(one: Key, chance: Random) -> Any:
    usual = [value for value in VALUES if value not in ("", [], {}) and "{{" not in str(value)]
    fitting = [value for value in usual if one.kind.fits(value)]
    return chance.choice(one.kind.schema.get("enum") or fitting or ["x"])


def some_config(keys: Keys, chance: Random) -> dict[str, Any]:
    """Keys that the Alertmanager at hand knows, some of them, each with a value that it takes."""
    config: dict[str, Any] = {}
    for key, known in keys.keys.items():
        needed = any(key in choice for choice in keys.needs)
        if not keys.gate(key).open(version()) or chance.random() > (0.8 if needed else 0.15):
            continue
        if known.inner is not None:
            config[key] = formed(known.form, some_config(known.inner, chance))
        else:
            config[key] = some_value(known, chance)
    return config


def test_keys_are_refused_together_where_alertmanager_refuses_them(tmp_path: Path) -> None:
    chance = Random(8)
    names = [name for name in KNOWN if usable(name)]
    receivers = [{name: [some_config(INTEGRATIONS[name], chance)]} for name in names * 60]
    document = parse(Path("r.yaml"), "{}")
    said = [[one.message for one in problems(document, (), receiver, version())] for receiver in receivers]
    answers = checked([[one] for one in receivers], tmp_path)
    assert len(answers) == len(receivers)
    differing = [
        (receiver, messages, answer)
        for receiver, messages, answer in zip(receivers, said, answers, strict=True)
        if bool(messages) != ("FAILED" in answer)
        and not (messages and all(any(part in one for part in REFUSED_EARLIER) for one in messages))
    ]
    assert differing == [], "\n".join(map(str, differing[:20]))
    assert sum(map(bool, said)) > 100
    assert sum(not one for one in said) > 100
