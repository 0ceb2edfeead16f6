"""Files of a batch: those of this machine as they are, objects of a bucket copied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from exporter.sinks import SinkError
from exporter.sinks.objects.keys import ObjectKeys
from exporter.sinks.objects.store import Bucket, ObjectGoneError, RefusedError
from mlslo.monitor import Monitor, ObjectsSink
from mlslo.yamlfile import InputError, Problem

_URL = re.compile(r"(s3|gs|az)://[^/*?%]+/[^%]+")


def downloaded(monitor: Monitor, data: Sequence[str], folder: Path) -> list[Path]:
    """Return the files of ``data``; objects that a URL matches are copied below ``folder``, in the order of their keys.

    A URL is ``s3://bucket/key``, with globs; credentials are those of the monitor file's own ``objects`` sink where it
    is of the same kind of store, else those of the environment. Raises InputError.
    """
    files: list[Path] = []
    for name in data:
        if "://" not in name:
            files.append(Path(name))
            continue
        if not _URL.fullmatch(name):
            message = (
                f"expected a file, or s3://bucket/key, gs://bucket/key or az://container/key, got '{name}'"
            )
            raise InputError([Problem("--data", 0, 0, message)])
        try:
            files += _objects(monitor, name, folder / str(len(files)))
        except (SinkError, RefusedError) as error:
            raise InputError([Problem("--data", 0, 0, str(error))]) from None
        except ObjectGoneError:
            raise InputError(
                [Problem("--data", 0, 0, f"{name}: an object changed while it was read")]
            ) from None
    return files


def _objects(monitor: Monitor, url: str, folder: Path) -> list[Path]:
    sink = monitor.spec.predictions.sink.objects
    same = sink is not None and sink.url.partition("://")[0] == url.partition("://")[0]
    settings = (
        sink.model_copy(update={"url": url}) if sink and same else ObjectsSink.model_validate({"url": url})
    )
    bucket = Bucket(monitor, settings)
    try:
        keys = ObjectKeys(bucket.path)
        (listed, *_), _ = keys.folders(datetime.now(UTC), datetime.now(UTC))
        # The listing of a folder has nothing of an object of that very name.
        below = str(PurePosixPath(listed).parent) if "." in PurePosixPath(listed).name else listed
        found = sorted(
            item for item in bucket.list("" if below == "." else below, None) if keys.partition(item.key)
        )
        if not found:
            raise SinkError(f"{url}: no such object")
        folder.mkdir()
        files = []
        for number, item in enumerate(found):
            # Only the ending of a key is used: it says the format.
            endings = "".join(
                suffix for suffix in PurePosixPath(item.key).suffixes[-2:] if suffix[1:].isalnum()
            )
            files.append(folder / f"{number:06}{endings}")
            with files[-1].open("wb") as copy:
                bucket.copy(item, copy)
        return files
    finally:
        bucket.close()
