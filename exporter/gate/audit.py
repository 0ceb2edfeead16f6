"""Results file: one row for each batch that was judged, for audit."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import os
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
    """Append a row, below a header where the file is new: in one write, under a lock. Raises OSError.

    What is there is never written over; gates of many pipelines share one file.
    """
    row = (
        verdict.time,
        verdict.model,
        # A spreadsheet evaluates what begins like a formula; a file's name may come from outside.
        re.sub(r"^(?=[=+@\s-])", "./", " ".join(verdict.data)),
        verdict.hash,
        verdict.verdict,
        len(verdict.failed),
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            [row] if os.fstat(descriptor).st_size else [COLUMNS, row]
        )
        content = text.getvalue().encode()
        written = os.write(descriptor, content)
        if written != len(content):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            raise OSError(28, "no space left", str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
