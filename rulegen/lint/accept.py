"""`accept:` in a spec: findings that somebody has looked at and wants as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mlslo.yamlfile import Document
from rulegen.lint.finding import Finding, Location
from rulegen.spec.lint_names import Accept
from rulegen.validation.specs import Specs

_FILE: Location = ("spec",)


@dataclass(frozen=True)
class Acceptance:
    """One entry: it accepts what one lint finds at ``scope`` of its file or below; that of `spec` in all of it."""

    document: Document
    scope: Location
    index: int
    entry: Accept

    def covers(self, lint: str, finding: Finding) -> bool:
        """Return whether ``finding`` is accepted by it."""
        return (
            lint == self.entry.lint
            and (finding.accepted_in or finding.document) is self.document
            and (self.scope == _FILE or finding.location[: len(self.scope)] == self.scope)
        )


def acceptances(specs: Specs) -> list[Acceptance]:
    """Every entry of every file."""
    found: list[Acceptance] = []

    def add(document: Document, scope: Location, entries: Iterable[Accept]) -> None:
        found.extend(Acceptance(document, scope, index, entry) for index, entry in enumerate(entries))

    add(specs.routing.document, _FILE, specs.routing.spec.accept)
    for model in specs.models:
        add(model.document, _FILE, model.spec.accept)
        for at, slo in model.slos:
            add(model.document, at, slo.accept)
            for place, alert in slo.placed_alerts(at):
                add(model.document, place, alert.accept)
    return found


def unused(entries: Sequence[Acceptance], used: set[Acceptance], quiet: set[str]) -> Iterator[Finding]:
    """Entries that accepted nothing; ``quiet``: lints that could not see all this time."""
    for entry in entries:
        if entry not in used and entry.entry.lint not in quiet:
            message = f"nothing here is found by '{entry.entry.lint}', this acceptance can go"
            yield Finding(entry.document, (*entry.scope, "accept", entry.index, "lint"), message)
