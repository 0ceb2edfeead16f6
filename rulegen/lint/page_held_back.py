"""A time at which the most urgent alerts are not sent."""

from collections.abc import Iterator

from mlslo.yamlfile import quoted_list
from rulegen.lint.finding import Finding, Run
from rulegen.lint.week import never_comes
from rulegen.promql.conventions import LAYER, TIER


def find(run: Run) -> Iterator[Finding]:
    spec, document = run.routing.spec, run.routing.document
    first = spec.tier_names[0]
    for index, mute in enumerate(spec.mute):
        if never_comes(spec.timeIntervals[mute.during]):
            continue
        for position, layer in enumerate(mute.layers):
            hidden = [
                alert.rule.name
                for alert in run.alerts
                if (alert.labels.get(LAYER), alert.labels.get(TIER)) == (layer, first)
            ]
            if hidden:
                message = (
                    f"{first} is held back during '{mute.during}': {quoted_list(dict.fromkeys(hidden), 4)}"
                )
                yield Finding(document, ("spec", "mute", index, "layers", position), message)
    if spec.tiers[first].activeDuring:
        during = quoted_list(spec.tiers[first].activeDuring)
        message = f"{first} is the most urgent tier, and held back outside of {during}"
        yield Finding(document, ("spec", "tiers", first, "activeDuring"), message)
