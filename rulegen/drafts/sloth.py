"""Sloth's SLOs: its own files (prometheus/v1) and its Kubernetes objects (PrometheusServiceLevel).

Source: https://sloth.dev/specs/default/, https://sloth.dev/specs/kubernetes/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from mlslo.yamlfile import Location
from mlslo.yamlfile.commented import Block
from rulegen.drafts.carried_over import CarriedOver, Source, name_of, percent, windowed
from rulegen.slo.burn_rate import THIRTY_DAYS
from rulegen.spec.model_slo import Metadata

_FILE = {
    "errors": "error_query", "total": "total_query", "page": "page_alert", "ticket": "ticket_alert",
}  # fmt: skip
_OBJECT = {
    "errors": "errorQuery", "total": "totalQuery", "page": "pageAlert", "ticket": "ticketAlert",
}  # fmt: skip


def carry_over(found: Sequence[Source]) -> CarriedOver:
    """Carry over all documents. Raises InputError where one is none of Sloth's."""
    result = CarriedOver()
    for source in found:
        if source.take(("version",)) == "prometheus/v1":
            _service(source, (), _FILE, result)
        elif source.take(("kind",)) == "PrometheusServiceLevel":
            source.mark(("apiVersion",))
            for key in source.peek(("metadata",)) or {}:
                result.tell(source, ("metadata", key), "it is of a Kubernetes object; our files are none")
            _service(source, ("spec",), _OBJECT, result)
        else:
            expected = "expected 'version: prometheus/v1' or 'kind: PrometheusServiceLevel'"
            raise source.document.error((), expected)
        for at in source.rest():
            result.tell(source, at, "there is nothing like it here")
    return result


def _service(source: Source, at: Location, keys: Mapping[str, str], result: CarriedOver) -> None:
    service = source.needed((*at, "service"))
    for name in source.take((*at, "labels"), dict) or {}:
        value = source.peek((*at, "labels", name))
        value = (
            str(value).lower()
            if isinstance(value, bool)
            else str(value)
            if isinstance(value, int | float)
            else value
        )
        try:
            labels = Metadata.model_validate({"name": "draft", "labels": {name: value}}).labels
        except ValueError as error:
            result.tell(
                source,
                (*at, "labels", name),
                str(error).splitlines()[2].strip().partition(" [")[0].removeprefix("Value error, "),
            )
            continue
        source.mark((*at, "labels", name))
        result.labels.setdefault(service, {}).update(labels)
    for index in range(len(source.needed((*at, "slos"), list))):
        place = (*at, "slos", index)
        result.try_slo(source, place, service, partial(_slo, source, place, keys, result))


def _slo(source: Source, at: Location, keys: Mapping[str, str], result: CarriedOver) -> Block:
    for kind in ("raw", "plugin"):
        if source.peek((*at, "sli", kind)) is not None:
            why = "a ratio that is computed already" if kind == "raw" else "a plugin of Sloth's"
            message = f"{why}; expected 'events', with a query of errors and one of all, so that budgets can be counted"
            raise source.document.error((*at, "sli", kind), message, key=True)
    slo = Block({"name": name_of(source.needed((*at, "name"))), "layer": "service"})
    if description := source.take((*at, "description")):
        slo.comment(description)
    slo["objective"] = percent(source, (*at, "objective"), ratio=False)
    slo["timeWindow"] = "30d"
    ratio = {}
    for key in ("errors", "total"):
        place = (*at, "sli", "events", keys[key])
        ratio[key] = windowed(source, place, source.needed(place))
    slo["sli"] = Block({"ratio": Block(ratio)})
    alerting = (*at, "alerting")
    for key, why in (("labels", "alerts have the labels of the file"), ("plugins", "a plugin of Sloth's")):
        if source.peek((*at, key)) is not None:
            result.tell(source, (*at, key), why)
    for key, why in (
        (
            "name",
            "alerts of a budget are ErrorBudgetFastBurn and ErrorBudgetSlowBurn, told apart by the label slo",
        ),
        ("labels", "labels of alerts are those of the file; who is told follows from the tier"),
        (
            "annotations",
            "write texts of your own as `summary` and `description`; other annotations are those of the file",
        ),
    ):
        if source.peek((*alerting, key)) is not None:
            result.tell(source, (*alerting, key), why)
    kept = [
        pair
        for pair in THIRTY_DAYS
        if not _disabled(source, (*alerting, keys["page" if pair.speed == "fast" else "ticket"]), result)
    ]
    if not kept:
        message = "an error budget without alerts: these are generated"
        result.told.append(source.document.problem(alerting, f"not carried over: 'disable': {message}"))
    elif len(kept) < len(THIRTY_DAYS):
        windows = [
            {
                "factor": float(pair.factor),
                "short": str(pair.short),
                "long": str(pair.long),
                "burn": pair.speed,
            }
            for pair in kept
        ]
        slo["alerting"] = Block({"windows": windows})
    return slo


def _disabled(source: Source, at: Location, result: CarriedOver) -> bool:
    for key in source.peek(at) or {} if isinstance(source.peek(at), dict) else ():
        if key != "disable" and not source.is_read((*at, key)):
            result.tell(source, (*at, key), "who is told follows from the tier, in the AlertRouting file")
    return bool(source.take((*at, "disable"), bool))
