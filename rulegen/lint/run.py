"""Run every lint, and leave out what was accepted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module

from mlslo.yamlfile import Document, InputError, Location, Problem
from rulegen.alertmanager.merge import Base
from rulegen.lint.finding import Finding, Run
from rulegen.slo.plan import Plan
from rulegen.spec.lint_names import LINTS, Accept, Note
from rulegen.validation.specs import Specs

_FILE: Location = ("spec",)
# The name of a lint, and what it has found.
Found = list[tuple[str, Finding]]


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


def _checks() -> Iterator[tuple[str, Callable[[Run], Iterator[Finding]]]]:
    for lint in LINTS.values():
        if lint.found == "checking":
            yield lint.name, import_module(f"rulegen.lint.{lint.name.replace('-', '_')}").find


class Linting:
    """The lints of one run: ``errors`` first, before files are made, then ``warnings`` with what that noted."""

    def __init__(self, specs: Specs, models: Sequence[Plan], base: Base | None = None) -> None:
        run = Run(specs, models, base)
        self._specs = specs
        self._based = base is not None
        self._entries = acceptances(specs)
        self._used: set[Acceptance] = set()
        self._kept = self._not_accepted([(lint, one) for lint, find in _checks() for one in find(run)])

    def errors(self) -> None:
        """Raise InputError where a lint finds what must not be written."""
        problems = [one.problem(lint) for lint, one in self._kept if LINTS[lint].severity == "error"]
        if problems:
            raise InputError(problems)

    def warnings(self, notes: Sequence[Note]) -> list[Problem]:
        """Return the findings that keep nothing from being written, in the order of the files."""
        noted = [(note.lint, Finding(note.document, note.location, note.message)) for note in notes]
        kept = [*self._kept, *self._not_accepted(noted)]
        kept += [("accept-unused", finding) for finding in self._unused()]
        return sorted({one.problem(lint) for lint, one in kept if LINTS[lint].severity == "warning"})

    def _not_accepted(self, found: Found) -> Found:
        kept: Found = []
        for lint, finding in found:
            by = [entry for entry in self._entries if entry.covers(lint, finding)]
            self._used.update(by)
            if not by:
                kept.append((lint, finding))
        return kept

    def _unused(self) -> Iterator[Finding]:
        """Yield entries that accepted nothing, though their lint saw all: each ModelMonitor file, and a base."""
        watched = {monitor.model for monitor in self._specs.monitors}
        unwatched = any(model.model not in watched for model in self._specs.models)
        missing = {"monitor": unwatched, "base": not self._based}
        for one in self._entries:
            lint = LINTS[one.entry.lint]
            if one not in self._used and not (lint.needs and missing[lint.needs]):
                message = f"nothing here is found by '{lint.name}', this acceptance can go"
                yield Finding(one.document, (*one.scope, "accept", one.index, "lint"), message)
