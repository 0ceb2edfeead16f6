"""Calls: what an action asks of a server, built of the alert, and sent once.

``build`` makes the call of an action; a file a kind says method, URL and body. ``send`` sends it.
"""

from __future__ import annotations

from pathlib import Path

from exporter.act.alerts import Alert
from exporter.act.calls import airflow, kubernetes, mlflow, plain
from exporter.act.calls.call import Call, CallError, send
from exporter.act.calls.placeholders import Filler
from mlslo.actions import Action, KubernetesCall

__all__ = ["Call", "CallError", "build", "is_repeatable", "manifest", "send"]


def build(action: Action, alert: Alert, manifest: object) -> Call:
    """Return the call of an action. ``manifest``: what its file holds. Raises CallError where it cannot be filled."""
    filler = Filler(alert)
    if action.http is not None:
        return plain.call(action.http, filler)
    if action.airflow is not None:
        return airflow.call(action.airflow, filler, action.name)
    if action.mlflow is not None:
        return mlflow.call(action.mlflow, filler)
    settings, kind = _created(action)
    return kubernetes.call(settings, kind, manifest, filler, action.name)


def manifest(action: Action, folder: Path) -> object:
    """Return the manifest that an action names in a file of ``folder``; None where it has none. Raises InputError."""
    if action.kubernetesJob is None and action.argoWorkflow is None:
        return None
    settings, kind = _created(action)
    return kubernetes.manifest(folder / settings.manifest, kind)


def _created(action: Action) -> tuple[KubernetesCall, kubernetes.Kind]:
    if action.kubernetesJob is not None:
        return action.kubernetesJob, kubernetes.JOB
    assert action.argoWorkflow is not None
    return action.argoWorkflow, kubernetes.WORKFLOW


def is_repeatable(action: Action) -> bool:
    """Return whether the call may be sent again where its outcome is unknown."""
    return action.http is None or action.idempotent
