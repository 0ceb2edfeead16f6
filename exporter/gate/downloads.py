"""Files of a batch: those of this machine as they are, objects of a bucket copied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath

from exporter.sinks import SinkError
from exporter.sinks.objects.keys import ObjectKeys
from exporter.sinks.objects.store import Bucket, Found, ObjectGoneError, RefusedError
from mlslo.monitor import Monitor, ObjectsSink
from mlslo.yamlfile import InputError, Problem

_URL = re.compile(r"(s3|gs|az)://[^/*?%]+/[^%]+")
_EXPECTED = "s3://bucket/key, gs://bucket/key or az://container/key"


def downloaded(monitor: Monitor, data: Sequence[str], folder: Path) -> list[Path]:
    """Return the files of ``data``; objects that a URL matches are copied below ``folder``, in the order of their keys.

    A URL is ``s3://bucket/key``, with globs; credentials are those of the monitor file's own ``objects`` sink where it
    is of the same kind of store, else those of the environment. Raises InputError.
    """
    files: list[Path] = []
    for name in data:
        try:
            files += _copies(monitor, name, folder, len(files)) if "://" in name else [Path(name)]
        except (SinkError, RefusedError, ObjectGoneError) as error:
            changed = f"{name}: an object changed while it was read"
            message = changed if isinstance(error, ObjectGoneError) else str(error)
            raise InputError([Problem("--data", 0, 0, message)]) from None
    return files


def _copies(monitor: Monitor, url: str, folder: Path, first: int) -> Iterator[Path]:
    if not _URL.fullmatch(url):
        raise SinkError(f"expected a file, or {_EXPECTED}, got '{url}'")
    sink = monitor.spec.predictions.sink.objects
    if sink is None or sink.url.partition("://")[0] != url.partition("://")[0]:
        sink = ObjectsSink.model_validate({"url": url})
    with closing(Bucket(monitor, sink.model_copy(update={"url": url}))) as bucket:
        # A store lists what is below a folder: that of an object, or of the first glob.
        path, *globs = re.split(r"[*?]", bucket.path.strip("/"), maxsplit=1)
        above = path.rpartition("/")[0]
        keys = ObjectKeys(bucket.path)
        found: list[Found] = []
        for below in [above] if globs else [path, above]:
            found = found or sorted(item for item in bucket.list(below, None) if keys.partition(item.key))
        if not found:
            raise SinkError(f"{url}: no such object")
        for number, item in enumerate(found, first):
            # Only the ending of a key is used: it says the format.
            endings = [one for one in PurePosixPath(item.key).suffixes[-2:] if one[1:].isalnum()]
            copy = folder / f"{number:06}{''.join(endings)}"
            with copy.open("wb") as file:
                bucket.copy(item, file)
            yield copy
