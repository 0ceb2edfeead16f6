"""Calls of actions: method, URL and body, with placeholders filled by plain substitution; nothing is evaluated.

The name of what is created ends in a hash of the alert's episode, so that a second attempt creates nothing.
https://kubernetes.io/docs/reference/using-api/api-concepts/
https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from exporter.act.alerts import Alert
from exporter.act.sending import Call, CallError
from mlslo.actions import PLACEHOLDER, Action, placeholder_problems
from mlslo.yamlfile import InputError, read

# apiVersion, kind, and the plural in the API's path.
_JOB = ("batch/v1", "Job", "jobs")
_WORKFLOW = ("argoproj.io/v1alpha1", "Workflow", "workflows")


def build(action: Action, alert: Alert, manifest: Any) -> Call:
    """Return the call of an action. ``manifest``: what its file holds. Raises CallError where it cannot be filled."""
    episode = f"{alert.fingerprint} {alert.starts_at} {alert.state}"
    suffix = hashlib.sha256(episode.encode()).hexdigest()[:12]
    if (http := action.http) is not None:
        return Call(http.method, fill_url(http.url, alert), http, fill(http.body, alert), http.headers)
    if (airflow := action.airflow) is not None:
        # A logical date is required; null is a run of no interval of data.
        body = {
            "dag_run_id": f"{action.name}-{suffix}",
            "conf": fill(airflow.conf, alert),
            "logical_date": None,
        }
        url = f"{airflow.url.rstrip('/')}/api/v2/dags/{airflow.dag}/dagRuns"
        return Call("POST", url, airflow, body, created_once=True)
    if (mlflow := action.mlflow) is not None:
        path, body = "registered-models/alias", {"alias": mlflow.alias}
        if mlflow.stage is not None:
            path = "model-versions/transition-stage"
            body = {"stage": mlflow.stage, "archive_existing_versions": True}
        body = fill({"name": mlflow.model, "version": mlflow.version, **body}, alert)
        return Call("POST", f"{mlflow.url.rstrip('/')}/api/2.0/mlflow/{path}", mlflow, body)
    settings = action.kubernetesJob or action.argoWorkflow
    assert settings is not None
    api, _, plural = _JOB if action.kubernetesJob is not None else _WORKFLOW
    body = fill(manifest, alert)
    metadata = dict(body.get("metadata") or {})
    prefix = str(metadata.pop("generateName", None) or metadata.get("name") or action.name).rstrip("-")
    metadata |= {"name": f"{prefix[:50]}-{suffix}", "namespace": settings.namespace}
    url = f"{settings.server.rstrip('/')}/apis/{api}/namespaces/{settings.namespace}/{plural}"
    return Call("POST", url, settings, {**body, "metadata": metadata}, created_once=True)


def manifest(action: Action, folder: Path) -> Any:
    """Return the manifest that an action names in a file of ``folder``; None where it has none. Raises InputError."""
    settings = action.kubernetesJob or action.argoWorkflow
    if settings is None:
        return None
    document = read(folder / settings.manifest)
    data = document.data
    api, kind, _ = _JOB if action.kubernetesJob is not None else _WORKFLOW
    if not isinstance(data, dict) or (data.get("apiVersion"), data.get("kind")) != (api, kind):
        raise document.error((), f"expected an object of apiVersion {api} and kind {kind}")
    if not isinstance(data.get("metadata", {}), dict):
        raise document.error(("metadata",), "expected a mapping")
    if problems := list(placeholder_problems(document, (), data)):
        raise InputError(problems)
    return data


def fill(data: Any, alert: Alert) -> Any:
    """Return data with the texts in it filled; keys and what is no text stay. Raises CallError."""
    match data:
        case dict():
            return {key: fill(value, alert) for key, value in data.items()}
        case list():
            return [fill(value, alert) for value in data]
        case str():
            # A function: what is put in is not looked at again.
            return PLACEHOLDER.sub(lambda found: _value(found, alert), data)
    return data


def fill_url(url: str, alert: Alert) -> str:
    """Return a URL whose path is filled, each value within one segment of it. Raises CallError."""
    segments = url.split("/")
    for number, segment in enumerate(segments):
        # Only the path has placeholders.
        segments[number] = PLACEHOLDER.sub(lambda found: quote(_value(found, alert), safe=""), segment)
        if segment != segments[number] and segments[number].partition("?")[0] in ("", ".", ".."):
            raise CallError(f"a segment of the URL's path would be '{segments[number]}'")
    return "/".join(segments)


def _value(found: re.Match[str], alert: Alert) -> str:
    name = found[1].strip()
    root, _, key = name.partition(".")
    value = {
        "labels": alert.labels.get(key),
        "annotations": alert.annotations.get(key),
        "startsAt": alert.starts_at,
        "fingerprint": alert.fingerprint,
    }[root]
    if value is None:
        raise CallError(f"the alert has no {name}")
    return value
