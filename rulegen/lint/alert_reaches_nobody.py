"""An alert that is never sent."""

from collections.abc import Iterator, Sequence

from rulegen.lint.finding import Finding, Run
from rulegen.lint.week import WEEK, always, ever
from rulegen.promql.conventions import LAYER, TIER
from rulegen.spec.routing import Spec


def find(run: Run) -> Iterator[Finding]:
    spec, document = run.routing.spec, run.routing.document
    for name in spec.tier_names:
        active = spec.tiers[name].activeDuring
        if active and not any(ever(spec.timeIntervals[during]) for during in active):
            message = f"alerts of {name} are never sent: {', '.join(active)} never comes"
            yield Finding(document, ("spec", "tiers", name, "activeDuring"), message)
            continue
        layers = {alert.labels[LAYER] for alert in run.alerts if alert.labels.get(TIER) == name}
        for layer in sorted(layers):
            muted = [mute.during for mute in spec.mute if layer in mute.layers]
            if muted and not _sent(spec, active, muted):
                within = f" within {', '.join(active)}" if active else ""
                why = f"{', '.join(muted)} holds them back{within}"
                message = f"alerts of {name} in layer {layer} are never sent: {why}"
                first = next(index for index, mute in enumerate(spec.mute) if layer in mute.layers)
                yield Finding(document, ("spec", "mute", first, "layers"), message)


def _sent(spec: Spec, active: Sequence[str], muted: Sequence[str]) -> bool:
    """Return whether there may be a minute at which ``active`` is on and ``muted`` is not."""
    intervals = [spec.timeIntervals[name] for name in (*active, *muted)]
    allowed = frozenset(WEEK)
    if active:
        allowed = frozenset[int]().union(*(ever(spec.timeIntervals[name]) for name in active))
    stopped = frozenset[int]().union(*(always(spec.timeIntervals[name]) for name in muted))
    if stopped >= frozenset(WEEK):
        return False
    # Minutes of the week in different places cannot be compared: their clocks change on different days.
    return len({interval.location for interval in intervals}) > 1 or bool(allowed - stopped)
