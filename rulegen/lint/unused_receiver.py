"""A receiver that nothing is sent to."""

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run


def find(run: Run) -> Iterator[Finding]:
    spec = run.routing.spec
    told = spec.notified.union(spec.watchdog.receivers if spec.watchdog else ())
    for name in spec.receivers:
        if name not in told:
            message = f"no tier, no team and no watchdog names the receiver '{name}'"
            yield Finding(run.routing.document, ("spec", "receivers", name), message, key=True)
