"""The table of integrations, held against what Alertmanager itself knows."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rulegen.integrations import INTEGRATIONS, Keys
from rulegen.versions import integration as gate
from tests.tools import tool


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


def test_every_secret_has_a_file_or_is_known_to_have_none() -> None:
    without = {
        (name, key)
        for name, keys in INTEGRATIONS.items()
        for key, file in keys.secrets.items()
        if file is None
    }
    assert without == {("wechat_configs", "api_secret")}
