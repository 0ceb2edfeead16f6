"""A promise of which nobody hears that it is not measured any more."""

from __future__ import annotations

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Lint, Run
from rulegen.slo.companions.causes import no_data


def _find(run: Run) -> Iterator[Finding]:
    for file in run.specs.models:
        if any(no_data(file, slo) is None for slo in file.spec.slos):
            message = "no noData: when a gauge is gone, or its writer has stopped, nobody is told"
            yield Finding(file.document, ("spec",), message)


LINT = Lint(
    "no-data-companion", "warning", "A promise of which nobody hears that it is not measured any more.", _find
)
