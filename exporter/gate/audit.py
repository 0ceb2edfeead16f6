"""Results file: one row for each batch that was judged, for audit."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from exporter.gate.verdict import Verdict

COLUMNS = ("time", "model", "data", "hash", "verdict", "failed")


def digest_of(files: Iterable[Path]) -> str:
    """Return the SHA-256 over the digests of all files, in their order. Raises OSError."""
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def append(path: Path, verdict: Verdict) -> None:
    """Append a row, below a header where the file is new, under a lock. Raises OSError.

    What is there is never written over; gates of many pipelines share one file.
    """
    # A spreadsheet evaluates what begins like a formula; a file's name may come from outside.
    data, failed = re.sub(r"^(?=[=+@\s-])", "./", " ".join(verdict.data)), len(verdict.failed)
    row = (verdict.time, verdict.model, data, verdict.hash, verdict.verdict, failed)
    with path.open("a", newline="", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # What is written is flushed before the lock goes with the file.
        rows = [row] if path.stat().st_size else [COLUMNS, row]
        csv.writer(file, lineterminator="\n").writerows(rows)
