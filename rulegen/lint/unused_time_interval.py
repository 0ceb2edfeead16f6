"""A time interval that nothing refers to."""

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run


def find(run: Run) -> Iterator[Finding]:
    spec = run.routing.spec
    used = {mute.during for mute in spec.mute}
    used.update(name for tier in spec.tiers.values() for name in tier.activeDuring)
    for name in spec.timeIntervals:
        if name not in used:
            message = f"no mute and no tier's activeDuring names the time interval '{name}'"
            yield Finding(run.routing.document, ("spec", "timeIntervals", name), message, key=True)
