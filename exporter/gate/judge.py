"""Judge one batch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from exporter.gate.audit import digest_of
from exporter.gate.batch import Batch, open_batch
from exporter.gate.downloads import downloaded
from exporter.gate.expectations import expectations
from exporter.gate.limits import of_slos
from exporter.gate.reference import of_reference
from exporter.gate.verdict import Check, NotJudged, Verdict
from exporter.pages import Choice, Frame, page
from mlslo.limits import Limit
from mlslo.monitor import Monitor
from mlslo.version import VERSION

_failed = partial(Check, where="batch", passed=False, source="gate")


def judge(
    monitor: Monitor, data: Sequence[str], reference: str | None, limits: list[Limit] | None
) -> tuple[Verdict, str]:
    """Return the verdict on the files and URLs of ``data``, and the page of the batch in HTML.

    By expectations, and by ``limits`` or, without, by static references; by one only, where ``reference`` is given.
    Raises InputError, CycleError, StoreError.
    """
    with tempfile.TemporaryDirectory(prefix="mlslo-gate-") as folder:
        files = downloaded(monitor, data, Path(folder))
        with open_batch(monitor, files, reference) as batch:
            judged = of_reference(batch) if limits is None else of_slos(batch, limits)
            found = [*expectations(batch), *judged]
            checks = [item for item in found if isinstance(item, Check)]
            if not checks:
                nothing = "no expectations, no reference, no limits that apply"
                checks = [_failed(what="gate", expected="something to judge", found=nothing)]
            checks += _unreadable(batch)
            verdict = Verdict(
                mlslo=VERSION,
                model=batch.snapshot.model,
                time=datetime.now(UTC).isoformat(timespec="seconds"),
                data=[*data],
                hash=digest_of(files),
                rows=batch.source.rows,
                verdict="passed" if all(check.passed for check in checks) else "failed",
                checks=sorted(checks, key=lambda check: check.passed),
                notJudged=[item for item in found if isinstance(item, NotJudged)],
            )
            rows = (check.row for check in verdict.failed)
            failed = [
                f"{what} of {where}: {found}; expected {expected}" for what, where, expected, found in rows
            ]
            title = verdict.title
            frame = Frame(str(monitor.document.path), standalone=True, trouble=failed, verdict=title)
            return verdict, page(batch.snapshot, frame, Choice(None, None, reference))


def _unreadable(batch: Batch) -> Iterator[Check]:
    rejected = batch.snapshot.having("ml_sink_rejected_records_total", sink="predictions")
    reasons = {labels["reason"]: int(value) for labels, value in rejected}
    reasons["malformed"] = reasons.get("malformed", 0) + batch.source.malformed
    for reason, number in reasons.items():
        if number:
            yield _failed(what=reason, expected="readable", found=f"{number} records are not")
