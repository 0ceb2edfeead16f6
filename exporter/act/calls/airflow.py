"""A run of an Airflow DAG: https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html."""

from __future__ import annotations

from typing import Any

from exporter.act.calls.call import Call
from exporter.act.calls.placeholders import Filler
from mlslo.actions import AirflowCall


def call(settings: AirflowCall, filler: Filler, action: str) -> Call:
    """Return the request for a run, whose id is the same for each attempt."""
    body: dict[str, Any] = {"dag_run_id": f"{action}-{filler.suffix}", "conf": filler.data(settings.conf)}
    if settings.api == "v2":
        # Required there; null is a run of no interval of data.
        body["logical_date"] = None
    url = f"{settings.url.rstrip('/')}/api/{settings.api}/dags/{settings.dag}/dagRuns"
    return Call("POST", url, settings, body, created_once=True)
