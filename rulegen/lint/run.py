"""Run every lint, and leave out what was accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module

from mlslo.yamlfile import InputError, Problem
from rulegen.alertmanager.merge import Base
from rulegen.lint.accept import Acceptance, acceptances, unused
from rulegen.lint.finding import Finding, Run
from rulegen.slo.plan import Plan
from rulegen.spec.lint_names import LINTS, Note
from rulegen.validation.specs import Specs

# The name of a lint, and what it has found.
Found = list[tuple[str, Finding]]


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
        left = unused(self._entries, self._used, self._blind())
        kept += [("accept-unused", finding) for finding in left]
        return sorted({one.problem(lint) for lint, one in kept if LINTS[lint].severity == "warning"})

    def _not_accepted(self, found: Found) -> Found:
        kept: Found = []
        for lint, finding in found:
            by = [entry for entry in self._entries if entry.covers(lint, finding)]
            self._used.update(by)
            if not by:
                kept.append((lint, finding))
        return kept

    def _blind(self) -> set[str]:
        """Lints that would see more, were every ModelMonitor file among the specs, or a base given."""
        watched = {monitor.model for monitor in self._specs.monitors}
        unwatched = any(model.model not in watched for model in self._specs.models)
        missing = {"monitor": unwatched, "base": not self._based}
        return {lint.name for lint in LINTS.values() if lint.needs and missing[lint.needs]}
