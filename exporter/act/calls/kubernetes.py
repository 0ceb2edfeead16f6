"""Objects that are created by the Kubernetes API: a Job, a workflow of Argo.

Their name ends in a hash of the alert's episode, so that a second attempt creates nothing:
https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from exporter.act.calls.call import Call
from exporter.act.calls.placeholders import Filler
from mlslo.actions import KubernetesCall, placeholder_problems
from mlslo.yamlfile import InputError, read


class Kind(NamedTuple):
    """A kind of object. ``plural``: of the API's path."""

    api: str
    kind: str
    plural: str


JOB = Kind("batch/v1", "Job", "jobs")
WORKFLOW = Kind("argoproj.io/v1alpha1", "Workflow", "workflows")


def manifest(path: Path, kind: Kind) -> Any:
    """Return what a manifest's file holds. Raises InputError."""
    document = read(path)
    data = document.data
    if not isinstance(data, dict) or (data.get("apiVersion"), data.get("kind")) != (kind.api, kind.kind):
        raise document.error((), f"expected an object of apiVersion {kind.api} and kind {kind.kind}")
    if not isinstance(data.get("metadata", {}), dict):
        raise document.error(("metadata",), "expected a mapping")
    if problems := list(placeholder_problems(document, (), data)):
        raise InputError(problems)
    return data


def call(settings: KubernetesCall, kind: Kind, manifest: object, filler: Filler, action: str) -> Call:
    """Return the creation of the manifest's object."""
    filled: Any = filler.data(manifest)
    metadata = dict(filled.get("metadata") or {})
    prefix = str(metadata.pop("generateName", None) or metadata.get("name") or action).rstrip("-")
    metadata |= {"name": f"{prefix[:50]}-{filler.suffix}", "namespace": settings.namespace}
    body = {**filled, "metadata": metadata}
    url = f"{settings.server.rstrip('/')}/apis/{kind.api}/namespaces/{settings.namespace}/{kind.plural}"
    return Call("POST", url, settings, body, created_once=True)
