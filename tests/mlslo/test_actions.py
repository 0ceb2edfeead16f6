"""The AlertActions file: what is accepted, and what is said against everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlslo.actions import load
from mlslo.yamlfile import InputError

HEAD = "apiVersion: mlslo/v1\nkind: AlertActions\nmetadata: {name: n}\nspec:\n  actions:\n"
ACTION = "  - {name: a, alert: {alertname: A}, http: {url: 'https://deploy.internal/x'}}\n"


def refusal(folder: Path, text: str) -> str:
    """Return what is said against a file, without its path."""
    path = folder / "actions.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        load(path)
    return str(refused.value).replace(f"{path}:", "")


def with_http(**http: Any) -> str:
    call = {"url": "https://deploy.internal/x", **http}
    action = {"name": "a", "alert": {"alertname": "A"}, "http": call}
    return HEAD + "  " + yaml.safe_dump([action], sort_keys=False, width=500).replace("\n", "\n  ")


def test_defaults(tmp_path: Path) -> None:
    path = tmp_path / "actions.yaml"
    path.write_text(HEAD + ACTION)
    (action,) = load(path).spec.actions
    found = action.attempts, action.dryRun, action.alert.state, action.idempotent
    assert found == (3, False, "firing", False)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "{{ label.model }}",
            "expected labels.NAME, annotations.NAME, startsAt or fingerprint; did you mean 'labels.model'?",
        ),
        ("{{ startAt }}", "did you mean 'startsAt'?"),
        ("{{ labels }}", "unknown placeholder 'labels'"),
        ("{{ labels.model | upper }}", "unknown placeholder"),
        ("{{ labels.__class__.__mro__ }}", "unknown placeholder"),
        ("{{ labels['model'] }}", "unknown placeholder"),
        ("{{ 7*7 }}", "unknown placeholder"),
        ("{% include '/etc/passwd' %}{{", "a placeholder without its end"),
        ("{{ labels.a }", "a placeholder without its end"),
    ],
    ids=["root", "near", "bare", "filter", "attribute", "index", "expression", "unclosed", "brace"],
)
def test_template_that_reaches_out_is_refused(tmp_path: Path, name: str, said: str) -> None:
    assert said in refusal(tmp_path, with_http(body={"to": ["x", f"y {name}"]}))


@pytest.mark.parametrize(
    "url",
    [
        "https://{{ labels.host }}/x",
        "https://deploy.internal:{{ labels.port }}/x",
        "{{ labels.scheme }}://deploy.internal/x",
        "https://deploy.internal/x?to={{ labels.model }}",
        "https://deploy.internal{{ labels.model }}",
        "https://user:password@deploy.internal/",
        "https://deploy.internal/#x",
        "https://deploy.internal\\@evil.example/",
        "ftp://deploy.internal/x",
        "file:///etc/passwd",
        "https:///x",
    ],
    ids=[
        *("host", "port", "scheme", "query", "suffix"),
        *("user", "fragment", "backslash", "ftp", "file", "empty"),
    ],
)
def test_url_that_an_alert_could_choose_is_refused(tmp_path: Path, url: str) -> None:
    said = refusal(tmp_path, with_http(url=url))
    assert "expected a URL such as https://deploy.internal/rollback" in said
    assert "password" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (with_http(headers={"Authorization": "Bearer x"}), "header 'Authorization' holds a secret"),
        (with_http(headers={"X-Api-Key": "x"}), "header 'X-Api-Key' holds a secret"),
        (with_http(headers={"X": "a\nHost: b"}), "expected one line of ASCII text"),
        (with_http(headers={"Host": "b"}), "header 'Host' is set by the program itself"),
        (with_http(token="x"), "unknown key 'token'"),
        (with_http(username="u"), "username and passwordFile come together"),
        (with_http(body={"{{ labels.a }}": 1}), "a placeholder in a key; expected only in values"),
        (HEAD + ACTION + ACTION, "7:12: a second action 'a'"),
        (HEAD + "  - {name: a, alert: {alertname: A}}\n", "expected exactly one of http, kubernetesJob"),
        (HEAD + ACTION.replace("alertname: A", "alertnam: A"), "did you mean 'alertname'?"),
        (HEAD + ACTION.replace("name: a,", "name: a b,"), "string should match pattern"),
        (
            HEAD + ACTION.replace("}}\n", "}, approval: {by: [x], people: 2}}\n"),
            "2 people must approve, by names 1",
        ),
        (HEAD + ACTION.replace("}}\n", "}, approval: {by: [x, x]}}\n"), "a person is named twice under by"),
        (
            HEAD
            + "  - {name: a, alert: {alertname: A}, idempotent: true, airflow: {url: 'http://a', dag: d}}\n",
            "only of http",
        ),
        (
            HEAD
            + "  - {name: a, alert: {alertname: A}, mlflow: {url: 'http://a', model: m, version: '1'}}\n",
            "expected exactly one of alias, stage, got none",
        ),
    ],
    ids=[
        *("authorization", "key", "lines", "host", "token", "user", "placeholder"),
        *("twice", "none", "near", "name", "people", "person", "idempotent", "mlflow"),
    ],
)
def test_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)
