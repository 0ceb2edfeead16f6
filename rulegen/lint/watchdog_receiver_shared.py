"""A dead man's switch that is told of other alerts too."""

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run


def find(run: Run) -> Iterator[Finding]:
    spec = run.routing.spec
    watching = spec.watchdog.receivers if spec.watchdog else []
    others = {name: f"tier {tier}" for tier in spec.tier_names for name in spec.tiers[tier].receivers}
    others |= {
        name: f"team {team}" for team, tiers in spec.teams.items() for told in tiers.values() for name in told
    }
    for index, name in enumerate(watching):
        if name in others:
            message = f"'{name}' is told of {others[name]} too: any alert looks like a sign of life"
            yield Finding(run.routing.document, ("spec", "watchdog", "receivers", index), message)
