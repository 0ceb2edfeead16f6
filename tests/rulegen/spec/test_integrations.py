"""The table of integrations, held against what Alertmanager itself knows."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rulegen.output import block_yaml
from rulegen.promql.versions import integration as gate
from rulegen.spec.integration_values import mistake
from rulegen.spec.integrations import INTEGRATIONS, Keys
from tests.support.tools import tool


@cache
def version() -> str:
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


def known_by(name: str, keys: Keys, first: str) -> set[str]:
    """What the table says that Alertmanager `first` knows."""
    return {key for key in {*keys.allowed, *keys.secrets} if gate(name, key).open(first)}


@pytest.mark.parametrize("integration", INTEGRATIONS)
def test_alertmanager_knows_each_key_and_no_other_integrations(integration: str, tmp_path: Path) -> None:
    everything = {key for keys in INTEGRATIONS.values() for key in (*keys.allowed, *keys.secrets)}
    refused = unknown({integration: [dict.fromkeys(everything)]}, tmp_path)
    assert everything - refused == known_by(integration, INTEGRATIONS[integration], version())


NESTED = [
    (integration, (key,), keys)
    for integration, outer in INTEGRATIONS.items()
    for key, keys in outer.nested.items()
    if key != "http_config"
] + [
    ("webhook_configs", ("http_config", *path), keys)
    for http in [INTEGRATIONS["webhook_configs"].nested["http_config"]]
    for path, keys in [((), http), *(((key,), keys) for key, keys in http.nested.items())]
]


@pytest.mark.parametrize(("integration", "path", "keys"), NESTED, ids=lambda value: str(value)[:40])
def test_alertmanager_knows_each_nested_key_and_no_other(
    integration: str, path: tuple[str, ...], keys: Keys, tmp_path: Path
) -> None:
    candidates = {key for _, _, other in NESTED for key in (*other.allowed, *other.secrets)}
    value: Any = dict.fromkeys(candidates)
    if path[-1] in ("actions", "fields", "images", "links", "responders"):
        value = [value]
    for key in reversed(path):
        value = {key: value}
    assert candidates - unknown({integration: [value]}, tmp_path) == known_by(path[-1], keys, version())


# What each integration needs beside the key that is tried, so that nothing but its value is judged.
ENOUGH: dict[str, Any] = {
    "discord_configs": {"webhook_url": "http://h/"},
    "email_configs": {"to": "a", "from": "b", "smarthost": "m:25"},
    "opsgenie_configs": {"api_key_file": "/f"},
    "pagerduty_configs": {"routing_key": "x"},
    "pushover_configs": {"token": "a", "user_key": "b"},
    "slack_configs": {"api_url_file": "/f"},
    "sns_configs": {"topic_arn": "a", "sigv4": {}},
    "telegram_configs": {"bot_token": "x", "chat_id": 1, "api_url": "http://h/"},
    "victorops_configs": {"api_key_file": "/f", "routing_key": "r"},
    "webex_configs": {"room_id": "r", "http_config": {"authorization": {"credentials": "x"}}},
    "webhook_configs": {"url": "http://h/"},
    "wechat_configs": {"api_secret": "s", "corp_id": "c"},
    "actions": {"type": "button", "text": "t", "url": "u"},
    "fields": {"title": "t", "value": "v"},
    "responders": {"type": "team", "name": "n"},
    "confirm": {"text": "t"},
    "authorization": {"credentials": "x"},
    "basic_auth": {"username": "u"},
    "oauth2": {"client_id": "c", "client_secret": "s", "token_url": "t"},
}
VALUES: list[Any] = [
    True, -1, 1.5, 10**30, "", "x", "yes", "5", "5m", "1d", "TLS12", "HTML", "teams", "markdown", "mail:25", "a:b:c",
    "http://h:80/p q?{{ .x }}#f", "http://[", "http://[::1]:80/", "http://h/%zz", "http://a b/", "ftp://h/",
    [], ["a", 1], [["a"]], {}, {"a": 1}, {"a": ["b"]},
]  # fmt: skip
# Alertmanager starts with these, and then they do nothing, or nothing that is meant.
STRICTER = ("proxy_url", "smarthost", "chat_id", "max_alerts", "message_type")
# One of three, and only one.
CHOICE = ("phone_number", "target_arn")


def with_value(name: str, path: tuple[str, ...], key: str, value: Any) -> dict[str, Any]:
    config = json.loads(json.dumps(ENOUGH[name]))
    at = config
    for step in path:
        inner = dict(ENOUGH.get(step, {}))
        at[step] = [inner] if step in ("actions", "fields", "images", "links", "responders") else inner
        at = inner
    at[key] = value
    return {name: [config]}


def checked(receivers: list[list[dict[str, Any]]], folder: Path) -> list[str]:
    """What amtool says of each of several files."""
    files = []
    for number, several in enumerate(receivers):
        named = [{"name": f"r{index}", **one} for index, one in enumerate(several)]
        files.append(folder / f"{number}.yaml")
        given = {"wechat_api_corp_id": "c"}
        files[-1].write_text(
            block_yaml.dump({"global": given, "route": {"receiver": "r0"}, "receivers": named})
        )
    command = [str(tool("amtool")), "check-config", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).split("Checking '")[1:]


def test_values_are_refused_where_alertmanager_refuses_them(tmp_path: Path) -> None:
    places = [(name, (), keys) for name, keys in INTEGRATIONS.items()] + NESTED
    taken, refused = [], []
    chance = Random(5)
    for name, path, keys in places:
        for key in keys.plain:
            inside = path[-1] if path else name
            if key in CHOICE or not gate(inside, key).open(version()):
                continue
            # Of what must be there, no text is as good as none: it is tried with the other keys.
            needed = any(key in choice for choice in keys.needs)
            values = [value for value in VALUES if value != "" or not needed]
            wrong = [value for value in values if mistake(inside, key, value)]
            taken += [with_value(name, path, key, value) for value in values if value not in wrong]
            if key not in STRICTER:
                refused += [with_value(name, path, key, value) for value in chance.sample(wrong, 4)]
    assert len(taken) > 1500
    (said,) = checked([taken], tmp_path)
    assert "FAILED" not in said, said
    assert len(refused) > 400
    answers = checked([[one] for one in refused], tmp_path)
    assert [one for one, said in zip(refused, answers, strict=True) if "FAILED" not in said] == []


def test_every_secret_has_a_file_or_is_known_to_have_none() -> None:
    without = {
        (name, key)
        for name, keys in INTEGRATIONS.items()
        for key, file in keys.secrets.items()
        if file is None
    }
    assert without == {("wechat_configs", "api_secret")}
