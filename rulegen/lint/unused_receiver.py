"""A receiver that nothing is sent to."""

from __future__ import annotations

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run


def find(run: Run) -> Iterator[Finding]:
    spec = run.routing.spec
    told = {spec.fallback_receiver}
    told.update(spec.watchdog.receivers if spec.watchdog else ())
    for tier in spec.tiers.values():
        told.update(tier.receivers)
    for tiers in spec.teams.values():
        for receivers in tiers.values():
            told.update(receivers)
    for name in spec.receivers:
        if name not in told:
            message = f"no tier, no team and no watchdog names the receiver '{name}'"
            yield Finding(run.routing.document, ("spec", "receivers", name), message, key=True)
