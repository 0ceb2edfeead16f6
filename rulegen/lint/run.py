"""Run every lint, and leave out what was accepted."""

from __future__ import annotations

from collections.abc import Sequence

from mlslo.yamlfile import InputError, Problem
from rulegen.alertmanager.merge import Base
from rulegen.lint.accept import Acceptance, acceptances, unused
from rulegen.lint.finding import Finding, Lint, Run
from rulegen.lint.registry import LINTS
from rulegen.slo.plan import Plan
from rulegen.spec.notes import Note
from rulegen.validation.specs import Specs

Found = list[tuple[Lint, Finding]]


class Linting:
    """The lints of one run: ``errors`` first, before files are made, then ``warnings`` with what that noted."""

    def __init__(self, specs: Specs, models: Sequence[Plan], base: Base | None = None) -> None:
        run = Run(specs, models, base)
        self._specs = specs
        self._based = base is not None
        self._entries = acceptances(specs)
        self._used: set[Acceptance] = set()
        found = [
            (lint, finding) for lint in LINTS.values() if lint.find is not None for finding in lint.find(run)
        ]
        self._kept = self._not_accepted(found)

    def errors(self) -> None:
        """Raise InputError where a lint finds what must not be written."""
        problems = [lint.problem(finding) for lint, finding in self._kept if lint.severity == "error"]
        if problems:
            raise InputError(problems)

    def warnings(self, notes: Sequence[Note]) -> list[Problem]:
        """What is said and written nevertheless, in the order of the files."""
        noted = [(LINTS[note.lint], Finding(note.document, note.location, note.message)) for note in notes]
        kept = [*self._kept, *self._not_accepted(noted)]
        left = unused(self._entries, self._used, self._blind())
        kept += [(LINTS["accept-unused"], finding) for finding in left]
        return sorted({lint.problem(finding) for lint, finding in kept if lint.severity == "warning"})

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
        return {
            lint.name
            for lint in LINTS.values()
            if (lint.needs_monitor and unwatched) or (lint.needs_base and not self._based)
        }
