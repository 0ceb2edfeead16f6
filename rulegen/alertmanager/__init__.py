"""The Alertmanager configuration that an AlertRouting file asks for."""

from collections.abc import Sequence
from importlib import resources
from typing import Any

from mlslo.yamlfile import InputError, Location, Problem, did_you_mean, quoted_list
from rulegen.alertmanager.inhibition import inhibit_rules
from rulegen.alertmanager.receivers import receivers
from rulegen.alertmanager.routes import guarded_route, root_route
from rulegen.output.generated_files import MARK
from rulegen.promql.conventions import ALERT_LABELS, AlertIdentity
from rulegen.promql.versions import TIME_INTERVALS
from rulegen.spec.routing import Routing
from rulegen.spec.routing_names import ALL_LABELS
from rulegen.spec.time_intervals import lower

__all__ = ["build", "guarded_route", "inhibit_rules", "receivers", "templates"]


def build(routing: Routing, alerts: Sequence[AlertIdentity]) -> dict[str, Any]:
    """``alertmanager.yaml`` as data: plain mappings, lists, text, numbers and booleans.

    ``alerts`` are the alerts of every model that this Alertmanager serves; routes depend on them for the
    labels of groups only, inhibition does. ``templates()`` belongs beside the file.

    Raises InputError where the file groups or compares by a label that none of the alerts carries.
    """
    if problems := _unknown_labels(routing, alerts):
        raise InputError(problems)
    spec = routing.spec
    intervals = (
        "time_intervals" if TIME_INTERVALS.open(spec.target.alertmanager.from_) else "mute_time_intervals"
    )
    configuration: dict[str, Any] = {
        "templates": sorted(templates()),
        "route": root_route(spec, alerts),
        "inhibit_rules": inhibit_rules(spec, alerts),
        "receivers": receivers(spec),
        intervals: [
            {"name": name, "time_intervals": lower(interval)} for name, interval in spec.timeIntervals.items()
        ],
    }
    return {key: value for key, value in configuration.items() if value}


def templates() -> dict[str, str]:
    """Return the notification templates: file name -> text. They stand in the folder of ``alertmanager.yaml``."""
    folder = resources.files("rulegen.alertmanager") / "templates"
    return {
        file.name: f"{{{{/* {MARK}; do not edit. */}}}}\n{file.read_text(encoding='utf-8')}"
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".tmpl")
    }


def _unknown_labels(routing: Routing, alerts: Sequence[AlertIdentity]) -> list[Problem]:
    if not alerts:
        return []
    known = dict.fromkeys(["alertname", *ALERT_LABELS])
    for labels in dict.fromkeys((*alert.labels, *alert.series_labels) for alert in alerts):
        known.update(dict.fromkeys(labels))
    used: list[tuple[Location, str]] = [
        (("spec", "groupBy", index), label)
        for index, label in enumerate(routing.spec.groupBy)
        if label != ALL_LABELS
    ]
    for number, inhibit in enumerate(routing.spec.inhibit):
        used += [(("spec", "inhibit", number, "equal", at), label) for at, label in enumerate(inhibit.equal)]
    return [
        routing.document.problem(
            location,
            f"no alert carries the label '{label}', expected one of {quoted_list(known, 30)}"
            f"{did_you_mean(label, known)}",
        )
        for location, label in used
        if label not in known
    ]
