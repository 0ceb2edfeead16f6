"""Checks of a ModelSLO file's companions, against its routing and its monitor."""

from collections.abc import Iterator

from mlslo.monitor import Monitor
from mlslo.yamlfile import Document, Duration, Location, Problem, did_you_mean, quoted_list
from rulegen.slo.companions.dependencies import labels_stale, no_data, rests_on_labels
from rulegen.spec.lint_names import named
from rulegen.spec.model_slo import ModelSlo, Slo
from rulegen.spec.routing import Routing

# Beyond this the proof of an alert would take promtool longer than anybody waits: about two weeks of
# evaluations each minute.
MOST_EVALUATIONS = 20_000


def of_model(file: ModelSlo, routing: Routing) -> Iterator[Problem]:
    """Problems of one file."""
    for at, tier, after in _given(file):
        if tier is not None:
            yield from unknown_tier(file.document, routing, (*at, "tier"), tier)
        # Ages are looked at once; what must last is looked at all along.
        if after is not None and at[-1] not in ("labelsStale", "referenceOld"):
            yield from too_long(file.document, routing.spec.evaluationInterval, (*at, "after"), after)
    interval = routing.spec.evaluationInterval
    companions = file.spec.companions
    behind = companions.sinkBehind if companions else None
    if behind is not None and behind.after.seconds < 2 * interval.seconds:
        message = f"expected two evaluations or more, one is every {interval}"
        yield file.document.problem(("spec", "companions", "sinkBehind", "after"), message)
    for index, slo in enumerate(file.spec.slos):
        yield from _own(file, slo, ("spec", "slos", index))


def _given(file: ModelSlo) -> Iterator[tuple[Location, str | None, Duration | None]]:
    """Every tier and duration, with the place of its mapping."""
    spec = file.spec
    if spec.noData is not None:
        yield ("spec", "noData"), spec.noData.tier, spec.noData.after
    for key in type(spec.companions).model_fields if spec.companions else ():
        if (given := getattr(spec.companions, key)) is not None:
            yield ("spec", "companions", key), given.tier, given.after
    for index, slo in enumerate(spec.slos):
        for key, own in (("noData", slo.noData), ("labelsStale", slo.labelsStale)):
            if own is not None and not own.is_off:
                yield ("spec", "slos", index, key), own.tier, own.after


def _own(file: ModelSlo, slo: Slo, at: Location) -> Iterator[Problem]:
    """An SLO's own may leave out what its file says; what needs no labels has none that could be stale."""
    labels = slo.labelsStale
    if labels is not None and not rests_on_labels(slo):
        message = f"labelsStale is for what needs labels, '{slo.name}' measures nothing that does"
        yield file.document.problem((*at, "labelsStale"), message, key=True)
        return
    for key, own, whole, common in (
        ("noData", slo.noData, no_data(file, slo), "spec.noData"),
        ("labelsStale", labels, labels_stale(file, slo), "spec.companions.labelsStale"),
    ):
        if own is not None and not own.is_off and whole is None:
            missing = "tier" if own.tier is None else "after"
            message = f"missing key '{missing}': the file has no {common} to take it from"
            yield file.document.problem((*at, key), message)


def against_monitor(file: ModelSlo, monitor: Monitor) -> Iterator[Problem]:
    """Problems of one file, given its monitor."""
    spec, name = monitor.spec, monitor.path.name
    for at, _, after in _given(file):
        if at[-1] == "noData" and after is not None and after.seconds <= spec.schedule.seconds:
            message = (
                f"expected longer than the monitor's schedule of {spec.schedule}, or it is late all the time"
            )
            yield file.document.problem((*at, "after"), named(message, "always-fires"))
        if at[-1] == "labelsStale" and (spec.labels is None or spec.labels.fields.timestamp is None):
            message = f"{name} has no labels"
            if spec.labels is not None:
                message = f"{name} reads no timestamp of labels: nobody knows how old they are"
            yield file.document.problem(at, message, key=True)
    companions = file.spec.companions
    if companions is None:
        return
    at = ("spec", "companions")
    if companions.referenceOld is not None and not spec.references:
        yield file.document.problem((*at, "referenceOld"), f"{name} has no references", key=True)
    if companions.unmonitored is not None and spec.predictions.fields.features is None:
        yield file.document.problem((*at, "unmonitored"), f"{name} reads no features", key=True)


def unknown_tier(document: Document, routing: Routing, at: Location, tier: str) -> Iterator[Problem]:
    """A tier that the AlertRouting file does not have."""
    tiers = routing.spec.tier_names
    if tier not in tiers:
        message = f"unknown tier '{tier}', {routing.path.name} has {quoted_list(tiers)}"
        yield document.problem(at, message + did_you_mean(tier, tiers))


def too_long(
    document: Document, interval: Duration, at: Location, duration: Duration | None
) -> Iterator[Problem]:
    """A duration of too many evaluations."""
    if duration is not None and duration.seconds > MOST_EVALUATIONS * interval.seconds:
        most = Duration.of_seconds(MOST_EVALUATIONS * interval.seconds)
        yield document.problem(at, f"expected at most {most}, {MOST_EVALUATIONS} evaluations, got {duration}")
