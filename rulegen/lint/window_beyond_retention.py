"""A history that is deleted before it is looked at."""

from collections.abc import Iterator

from mlslo.yamlfile import Duration, Location
from rulegen.lint.finding import Finding, Run
from rulegen.slo.plan import pairs_of
from rulegen.spec.model_slo import Slo
from rulegen.spec.time_windows import longest

Reach = tuple[Location, Duration, str]


def find(run: Run) -> Iterator[Finding]:
    kept = run.routing.spec.target.retention
    if kept is None:
        return
    for file, at, slo in run.slos:
        for location, reach, effect in _reaches(slo, at):
            if reach.seconds > kept.seconds:
                message = f"it looks back {reach}, Prometheus keeps {kept} (target.retention): {effect}"
                yield Finding(file.document, location, message)


def _reaches(slo: Slo, at: Location) -> Iterator[Reach]:
    """Yield how far back the rules of an SLO look, the place that asks for it, and what comes of less."""
    if slo.objective is not None and slo.timeWindow is not None:
        reach, effect = longest(slo.timeWindow), "the budget that is left is that of a shorter time"
        yield (*at, "timeWindow"), reach, effect
        own = slo.alerting is not None and slo.alerting.windows is not None
        for position, pair in enumerate(pairs_of(slo) if own else ()):
            where: Location = (*at, "alerting", "windows", position, "long")
            yield where, pair.long, "the burn rate is that of a shorter time"
    for place, alert in slo.placed_alerts(at):
        for at_leaf, leaf in alert.when.leaves((*place, "when")):
            for key, length, effect in leaf.comparison.look_back() if leaf.comparison else ():
                yield (*at_leaf, leaf.key, key), length, effect
