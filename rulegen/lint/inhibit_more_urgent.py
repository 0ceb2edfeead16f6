"""An alert that silences a more urgent one."""

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run
from rulegen.lint.inhibitions import inhibitions
from rulegen.promql.conventions import TIER


def find(run: Run) -> Iterator[Finding]:
    for sides in inhibitions(run):
        for index, tier in enumerate(sides.inhibit.target.tiers):
            lower = {source.labels[TIER] for source in sides.sources if source.labels[TIER] > tier}
            if lower and any(target.labels[TIER] == tier for target in sides.targets):
                message = (
                    f"{min(lower)} silences the more urgent {tier}: nobody is paged, and no page is resolved"
                )
                yield Finding(run.routing.document, (*sides.location, "target", "tiers", index), message)
