"""An SLO without an alert for when nothing is measured."""

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run
from rulegen.slo.companions.dependencies import no_data


def find(run: Run) -> Iterator[Finding]:
    for file in run.specs.models:
        missing = [(at, slo) for at, slo in file.slos if no_data(file, slo) is None]
        off = [at for at, slo in missing if slo.noData is not None]
        for at in off:
            message = "noData is off: when what this SLO measures is gone, nobody is told"
            yield Finding(file.document, (*at, "noData"), message)
        if len(off) < len(missing):
            message = "no noData: when a gauge is gone, or its writer has stopped, nobody is told"
            yield Finding(file.document, ("spec",), message)
