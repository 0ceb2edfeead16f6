"""Requests of each kind of action; no placeholder reaches out of its place."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.act import calls
from exporter.act.alerts import Alert
from exporter.act.calls import fill, fill_url
from exporter.act.sending import Call, CallError, send
from mlslo.actions import load
from mlslo.yamlfile import InputError
from tests.support.acting import Receiver, actions_file


def of(labels: dict[str, str] | None = None, started: str = "2026-11-30T20:00:00Z") -> Alert:
    return Alert("firing", "00ff", started, labels or {"model": "fraud", "baseline": "3"})


def built(folder: Path, alert: Alert, **action: Any) -> Call:
    file = load(actions_file(folder, {"name": "act", "alert": {"alertname": "A"}, **action}))
    (found,) = file.spec.actions
    return calls.build(found, alert, calls.manifest(found, folder))


def test_kubernetes_job(tmp_path: Path) -> None:
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "retrain-", "labels": {"model": "{{ labels.model }}"}},
        "spec": {"template": {"spec": {"containers": [{"args": ["--since", "{{ startsAt }}"]}]}}},
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(manifest))
    job = {"namespace": "models", "manifest": "job.yaml", "server": "https://10.0.0.1:6443"}
    call = built(tmp_path, of(), kubernetesJob=job)
    assert (call.method, call.url) == ("POST", "https://10.0.0.1:6443/apis/batch/v1/namespaces/models/jobs")
    name = call.body["metadata"]["name"]
    assert name.startswith("retrain-")
    assert call.body["metadata"] == {"name": name, "namespace": "models", "labels": {"model": "fraud"}}
    assert call.body["spec"]["template"]["spec"]["containers"][0]["args"] == [
        "--since",
        "2026-11-30T20:00:00Z",
    ]
    assert built(tmp_path, of(), kubernetesJob=job).body == call.body
    other = built(tmp_path, of(started="2026-11-30T20:00:01Z"), kubernetesJob=job)
    assert other.body["metadata"]["name"] != name


def test_argo_workflow(tmp_path: Path) -> None:
    manifest = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {"entrypoint": "train"}}
    (tmp_path / "flow.yaml").write_text(yaml.safe_dump(manifest))
    call = built(tmp_path, of(), argoWorkflow={"namespace": "argo", "manifest": "flow.yaml"})
    assert call.url == "https://kubernetes.default.svc/apis/argoproj.io/v1alpha1/namespaces/argo/workflows"
    assert call.body["metadata"]["name"].startswith("act-")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (
            "apiVersion: v1\nkind: Pod\n",
            "job.yaml:1:1: expected an object of apiVersion batch/v1 and kind Job",
        ),
        (
            "apiVersion: batch/v1\nkind: Job\nspec: {a: 'x {{ label.model }}'}\n",
            "job.yaml:3:14: unknown placeholder 'label.model', expected labels.NAME, annotations.NAME, startsAt or "
            "fingerprint; did you mean 'labels.model'?",
        ),
    ],
    ids=["kind", "placeholder"],
)
def test_wrong_manifest_is_refused(tmp_path: Path, manifest: str, message: str) -> None:
    (tmp_path / "job.yaml").write_text(manifest)
    with pytest.raises(InputError) as refused:
        built(tmp_path, of(), kubernetesJob={"namespace": "models", "manifest": "job.yaml"})
    assert str(refused.value) == f"{tmp_path}/{message}"


def test_airflow(tmp_path: Path) -> None:
    airflow = {"url": "https://airflow:8080/", "dag": "retrain", "conf": {"model": "{{ labels.model }}"}}
    call = built(tmp_path, of(), airflow=airflow)
    assert call.url == "https://airflow:8080/api/v2/dags/retrain/dagRuns"
    run = call.body["dag_run_id"]
    assert call.body == {"dag_run_id": run, "conf": {"model": "fraud"}, "logical_date": None}


def test_mlflow(tmp_path: Path) -> None:
    target = {"url": "https://mlflow", "model": "{{ labels.model }}", "version": "{{ labels.baseline }}"}
    call = built(tmp_path, of(), mlflow={**target, "alias": "champion"})
    assert call.url == "https://mlflow/api/2.0/mlflow/registered-models/alias"
    assert call.body == {"name": "fraud", "version": "3", "alias": "champion"}
    call = built(tmp_path, of(), mlflow={**target, "stage": "Production"})
    assert call.url == "https://mlflow/api/2.0/mlflow/model-versions/transition-stage"
    stage = {"stage": "Production", "archive_existing_versions": True}
    assert call.body == {"name": "fraud", "version": "3", **stage}


def test_what_is_created_already_is_done(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    with Receiver() as receiver:
        airflow = {"url": receiver.url, "dag": "d", "username": "u", "passwordFile": "password"}
        receiver.status = {"/api/v2/dags/d/dagRuns": HTTPStatus.CONFLICT, "/x": HTTPStatus.CONFLICT}
        assert send(built(tmp_path, of(), airflow=airflow), tmp_path, "k") == (
            "answered 409: an earlier attempt has created it"
        )
        assert receiver.calls[0].headers["Authorization"] == "Basic dTpzZWNyZXQ="
        with pytest.raises(CallError, match="answered 409: Conflict"):
            send(built(tmp_path, of(), http={"url": f"{receiver.url}/x"}), tmp_path, "k")


def test_secret_that_is_no_text_calls_nothing(tmp_path: Path) -> None:
    with Receiver() as receiver:
        call = built(tmp_path, of(), http={"url": receiver.url, "tokenFile": "token"})
        with pytest.raises(CallError, match="token: cannot be read: No such file or directory"):
            send(call, tmp_path, "k")
        (tmp_path / "token").write_text("a\nHost: elsewhere\n")
        with pytest.raises(CallError, match="expected one line of ASCII text"):
            send(call, tmp_path, "k")
        assert not receiver.calls


@given(st.text(max_size=30))
@example("..")
@example(".")
@example("../x?y#z@host")
def test_value_stays_in_its_segment_of_a_path(value: str) -> None:
    url = "https://deploy.internal:8443/b-{{labels.model}}/a/{{ labels.model }}?q=/{x}"
    try:
        filled = fill_url(url, of({"model": value}))
    except CallError:
        assert value in ("", ".", "..")
        return
    assert value not in ("", ".", "..")
    parts = urlsplit(filled)
    assert (parts.scheme, parts.netloc, parts.query) == ("https", "deploy.internal:8443", "q=/{x}")
    assert [unquote(part) for part in parts.path.split("/")] == ["", f"b-{value}", "a", value]


@given(st.text(max_size=30), st.text(max_size=10))
def test_value_stays_in_its_text(value: str, other: str) -> None:
    data = {
        "a": ["{{ labels.model }}!", 1, None, True],
        "{b}": {"c": "x{{labels.other}}"},
        "d": "{ labels.model }",
    }
    filled = fill(data, of({"model": value, "other": other}))
    assert filled == {"a": [f"{value}!", 1, None, True], "{b}": {"c": f"x{other}"}, "d": "{ labels.model }"}


def test_value_is_not_looked_at_again() -> None:
    labels = {"model": "{{ labels.secret }}", "secret": "s"}
    assert fill("{{ labels.model }}", of(labels)) == "{{ labels.secret }}"
