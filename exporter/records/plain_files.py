"""Files of a log, written anew as plain records."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from exporter.records.opening import opened_object
from exporter.records.reshaping import plain, reshapings
from exporter.sinks import SinkError
from exporter.sinks.files import FileSink
from exporter.state import Store
from mlslo.monitor import Monitor
from mlslo.yamlfile import InputError

_JSON_LINES = (".jsonl", ".ndjson", ".json")
_LOOKED_AT = 1 << 20


def plain_files(monitor: Monitor, files: Sequence[Path], folder: Path) -> tuple[Monitor, list[Path]]:
    """Return files below ``folder`` with the plain records of a log, and the monitor file as it is for those.

    ``files`` and ``monitor`` themselves, where the log's records are plain already, or the files hold something else:
    training data is a table more often than a log. Raises InputError where one cannot be read.
    """
    if not monitor.spec.reshapes_predictions or not all(
        file.is_file() and any(suffix in _JSON_LINES for suffix in file.suffixes) for file in files
    ):
        return monitor, list(files)
    written = []
    with closing(Store()) as store:
        reshaping = reshapings(monitor, store)["predictions"]
        for number, file in enumerate(files):
            path = folder / f"{number}.jsonl"
            try:
                with path.open("wb") as out, closing(FileSink(Path(glob.escape(str(file))), {})) as sink:
                    for batch in sink.batches(final=True):
                        out.writelines(bytes(portion.lines) for portion in reshaping.portions(batch.lines, 0))
                status = file.stat()
            except SinkError as error:
                raise InputError.of_file(file, str(error)) from None
            except OSError as error:
                raise InputError.of_file(file, f"cannot be read: {error.strerror}") from None
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            written.append(path)
    return (plain(monitor), written) if any(map(_holds_values, written)) else (monitor, list(files))


def _holds_values(file: Path) -> bool:
    """Return whether some of the first records has more than its time."""
    with file.open("rb") as lines:
        return any(
            sum(bytes(value) != b"null" for value in (opened_object(line) or {}).values()) > 1
            for line in lines.readlines(_LOOKED_AT)
        )
