"""A change in MLflow's model registry: https://mlflow.org/docs/latest/api_reference/rest-api.html."""

from __future__ import annotations

from exporter.act.calls.call import Call
from exporter.act.calls.placeholders import Filler
from mlslo.actions import MlflowCall


def call(settings: MlflowCall, filler: Filler) -> Call:
    """Return the request that points an alias to a version, or moves a version to a stage."""
    target = filler.data({"name": settings.model, "version": settings.version})
    if settings.alias is not None:
        path, body = "registered-models/alias", {**target, "alias": filler.data(settings.alias)}
    else:
        path = "model-versions/transition-stage"
        body = {**target, "stage": settings.stage, "archive_existing_versions": True}
    return Call("POST", f"{settings.url.rstrip('/')}/api/2.0/mlflow/{path}", settings, body)
