"""An SLO without an alert for when nothing is measured."""

from __future__ import annotations

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run
from rulegen.slo.companions.dependencies import no_data


def find(run: Run) -> Iterator[Finding]:
    for file in run.specs.models:
        off = [slo.noData is not None and slo.noData.is_off for slo in file.spec.slos]
        for index in (index for index, is_off in enumerate(off) if is_off):
            message = "noData is off: when what this SLO measures is gone, nobody is told"
            yield Finding(file.document, ("spec", "slos", index, "noData"), message)
        if any(
            no_data(file, slo) is None and not is_off for slo, is_off in zip(file.spec.slos, off, strict=True)
        ):
            message = "no noData: when a gauge is gone, or its writer has stopped, nobody is told"
            yield Finding(file.document, ("spec",), message)
