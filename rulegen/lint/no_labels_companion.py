"""An SLO on labels without an alert for when labels stop."""

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run
from rulegen.slo.companions.dependencies import labels_stale, rests_on_labels


def find(run: Run) -> Iterator[Finding]:
    for file in run.specs.models:
        monitor = run.monitor(file.model)
        if monitor is None or monitor.spec.labels is None or monitor.spec.labels.fields.timestamp is None:
            continue
        if file.spec.companions is None:
            # SLONoData says so, later: once the window has run out of labels; and a lint where it is not there.
            continue
        for at, slo in file.slos:
            if rests_on_labels(slo) and labels_stale(file, slo) is None:
                message = "no labelsStale: when labels stop, its alerts end, and nobody is told why"
                yield Finding(file.document, at, message)
