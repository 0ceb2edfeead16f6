"""A time interval that never comes."""

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run
from rulegen.lint.week import never_comes


def find(run: Run) -> Iterator[Finding]:
    for name, interval in run.routing.spec.timeIntervals.items():
        if why := never_comes(interval):
            message = f"the time interval '{name}' never comes: {why}"
            yield Finding(run.routing.document, ("spec", "timeIntervals", name), message, key=True)
