"""Objects of a bucket: each once, from where the last cycle ended, late ones too."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import IO

from exporter.parse.typed_rows import TypedRows
from exporter.sinks.descriptors import UnreadableError, listed
from exporter.sinks.files import NOT_WHOLE, TrackedFile
from exporter.sinks.files.first_records import first_records
from exporter.sinks.objects.keys import ObjectKeys
from exporter.sinks.objects.place import Pack, Place
from exporter.sinks.objects.store import (
    AHEAD,
    Bucket,
    CompressedObject,
    Found,
    ObjectGoneError,
    PlainObject,
    RefusedError,
    Remote,
)
from exporter.sinks.parquet import ParquetFile
from exporter.sinks.records import NOTHING, Cut
from exporter.sinks.sink import Batch, LogSink, Sample, SinkError
from mlslo.monitor import Monitor
from mlslo.monitor import ObjectsSink as Settings

FLOOR = "/floor"
"""The key of the hour before which nothing is listed any more. No object has such a key."""
_HOUR = timedelta(hours=1)
# Partitions may be in the time of a place that is ahead of UTC.
_AHEAD_OF_UTC = timedelta(days=1)
# A listing that takes so long is whole again after so many times as long; meanwhile only what is recent is listed.
_SLOW, _APART = 2.0, 10.0
_PATIENCE = 20.0
_SAMPLED = 4 << 20
# Of a few objects' rows one batch of lines costs less than a batch each.
_FEW_ROWS = 5_000
_MOST_SAMPLED = 20
# Asked for the lag, a listing that is so old is made again.
_OLD = 1.0


class ObjectsSink(LogSink):
    """Reads whole records from every object below a url, in the order of their keys.

    Remembered is a place in each object of partitions that are at most ``lookback`` behind the newest one. What is
    before that, the floor, is neither listed nor remembered. The floor only rises, with the partitions that were seen
    and never by the clock alone: one that is wrong loses and doubles nothing.
    """

    REASONS = ("overwritten",)
    LONGEST_PAUSE = 60.0

    def __init__(self, monitor: Monitor, settings: Settings, positions: Mapping[str, str]) -> None:
        """Raises ValueError where ``positions`` are none of this sink's."""
        self._settings = settings
        self._bucket = Bucket(monitor, settings)
        self._keys = ObjectKeys(self._bucket.path)
        self._known = dict(positions)
        floor = self._known.pop(FLOOR, None)
        self._floor = None if floor is None else int(floor)
        for text in self._known.values():
            Place.restored(text)
        self._uncommitted = self._floor is None
        # Key -> size of objects that were listed and are not read.
        self._unread: dict[str, int] = {}
        # Key -> version, and why it cannot be read.
        self._damaged: dict[str, tuple[str, str]] = {}
        self._reachable = True
        self._newest: datetime | None = None
        # By the monotonic clock: the end of the last listing, how long that took, and when the next is whole.
        self._listed_at = self._spent = self._next_whole = 0.0

    @classmethod
    def open(cls, monitor: Monitor, settings: Settings, positions: Mapping[str, str]) -> ObjectsSink:
        return cls(monitor, settings, positions)

    def close(self) -> None:
        self._bucket.close()

    def lag(self) -> int | None:
        if not self._reachable:
            return None
        if time.monotonic() - self._listed_at > _OLD and self._spent < _SLOW:
            try:
                for _ in self._new(datetime.now(UTC), [], whole=not self._listed_at):
                    pass
                self._listed_at = time.monotonic()
            except SinkError:
                return None
        return sum(self._unread.values())

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        """Raises SinkError where the bucket cannot be listed or, after all the others were read, an object cannot."""
        now = datetime.now(UTC)
        whole = final or self._keys.unit is None or time.monotonic() >= self._next_whole
        self._reachable, spent = True, self._bucket.spent
        # Meanwhile the lag is of what was listed so far.
        self._listed_at = math.inf
        failures: list[str] = []
        pack = Pack()
        read = time.monotonic()
        try:
            for found, hour in self._new(now, failures, whole=whole):
                try:
                    for content, place in self._read(found, hour):
                        for batch in pack.add(content, found.key, place.text):
                            yield self._handed_over(batch)
                    read = time.monotonic()
                except ObjectGoneError:
                    self._unread.pop(found.key, None)
                except RefusedError as error:
                    failures.append(str(error))
                    if time.monotonic() - read > _PATIENCE:
                        raise SinkError(listed(failures)) from None
                except UnreadableError as error:
                    self._damaged[found.key] = found.version, str(error.strerror)
                    failures.append(self._said(found.key))
        except SinkError as error:
            failures.append(str(error))
            whole = self._reachable = False
        for batch in pack.rest():
            yield self._handed_over(batch)
        self._spent = self._bucket.spent - spent
        if whole:
            self._next_whole = time.monotonic() + (self._spent * _APART if self._spent > _SLOW else 0.0)
            if self._newest is not None:
                yield from self._raised_floor(min(now, self._newest))
            elif not any(map(self._keys.partition, self._known)):
                failures.append(self._nothing(now))
        self._listed_at = time.monotonic()
        if failures:
            raise SinkError(listed(failures))

    def sample(self, number: int) -> Sample:
        """Return lines of the first object that has any.

        Raises SinkError where there are none, and one cannot be read.
        """
        now = datetime.now(UTC)
        failures: list[str] = []
        looked_at = 0
        for found, _ in self._listed(now, self._start(now), {}):
            looked_at += 1
            url = f"{self._bucket.url}/{found.key}"
            try:
                lines, remark = self._first(found, number)
                if lines:
                    return Sample(lines, url, listed([remark, *failures] if remark else failures))
            except (RefusedError, SinkError) as error:
                failures.append(str(error))
            except OSError as error:
                failures.append(f"{url}: {error.strerror}")
            except ObjectGoneError:
                continue
            if looked_at >= _MOST_SAMPLED:
                break
        if failures:
            raise SinkError(listed(failures))
        return Sample(b"", self._settings.url, "no records yet" if looked_at else self._nothing(now))

    def _first(self, found: Found, number: int) -> tuple[bytes, str]:
        """Return the first lines of an object, and what is to be said of others."""
        file = TrackedFile(found.key, self._settings.format)
        with tempfile.TemporaryFile(prefix="mlslo-") as copy:
            remote = Remote(self._bucket, found, _SAMPLED)
            if file.is_parquet:
                self._copy(remote, copy)
            else:
                copy.write(remote.at(0, _SAMPLED))
                copy.seek(0)
            return first_records(file, copy.fileno(), number)

    def _new(self, now: datetime, failures: list[str], *, whole: bool) -> Iterator[tuple[Found, int]]:
        """Yield the objects of which something is to be read, and the hours by which they are forgotten.

        ``whole``: not the recent ones only. Raises SinkError.
        """
        self._newest = None
        start = self._start(now)
        unit = self._keys.unit or timedelta()
        for found, seen in self._listed(now, start if whole else max(start, now - _HOUR), self._known):
            if self._newest is None or seen > self._newest:
                self._newest = seen
            key, version = found.key, found.version
            self._unread[key] = found.size
            if key in self._damaged and self._damaged[key][0] == version:
                failures.append(self._said(key))
            else:
                yield found, math.ceil((seen + unit).timestamp() / 3600)

    def _listed(
        self, now: datetime, start: datetime, known: Mapping[str, str]
    ) -> Iterator[tuple[Found, datetime]]:
        """Yield the objects from ``start`` on, and when they are of; those that are done in ``known`` are passed over.

        Raises SinkError.
        """
        if now < start:
            raise SinkError(
                f"{self._settings.url}: the clock of this machine says {now:%Y-%m-%d %H:%M}, and what is before "
                f"{start:%Y-%m-%d %H:%M} was read already (UTC): is it right?"
            )
        after = start - (self._keys.unit or timedelta())
        folders, behind = self._keys.folders(start, now + _AHEAD_OF_UTC)
        for folder in folders:
            for found in self._bucket.list(folder, behind):
                if found.key in known and Place.is_done(known[found.key], found.version):
                    continue
                seen = self._keys.partition(found.key)
                if seen is not None and self._keys.unit is None:
                    seen = found.modified
                if seen is not None and seen > after:
                    yield found, seen

    def _start(self, now: datetime) -> datetime:
        """Return the floor as a time; at first, when what is to be read begins."""
        if self._floor is None:
            if self._keys.unit is None:
                self._floor = 0
            else:
                since = self._settings.since
                begin = datetime.fromisoformat(since).replace(tzinfo=UTC) if since else now - self._lookback
                self._floor = int(begin.timestamp() // 3600)
        return datetime.fromtimestamp(self._floor * 3600, UTC)

    @property
    def _lookback(self) -> timedelta:
        return timedelta(seconds=self._settings.lookback.seconds)

    def _said(self, key: str) -> str:
        return f"{self._bucket.url}/{key}: {self._damaged[key][1]}"

    def _read(self, found: Found, hour: int) -> Iterator[tuple[Cut | TypedRows, Place]]:
        """Yield what is left of an object, with the place after it.

        Raises what ``Bucket.range`` raises, and UnreadableError after all that can be read of it.
        """
        file = TrackedFile(found.key, self._settings.format)
        remote = Remote(self._bucket, found, 0 if file.is_parquet and found.size > AHEAD else AHEAD)
        known = self._known.get(found.key)
        place = None if known is None else Place.restored(known)
        if place is None or place.version != found.version:
            new = Place(found.version, hour, found.size, remote.checksum(found.size) or 0)
            if place is None:
                place = new
            elif remote.checksum(place.stored) == place.content:
                # It has grown, or was stored again as it was.
                done = place.done and place.stored == found.size
                place = replace(new, offset=place.offset, rest=place.rest, done=done)
            else:
                yield Cut(NOTHING, 0, rejected={"overwritten": 1}), replace(new, done=True)
                raise UnreadableError("was written over after it was read; what it holds now is not counted")
        told = False
        if not place.done:
            read = self._read_rows if file.is_parquet else self._read_content
            for content, further in read(file, remote, place):
                place = further
                yield content, place
                told = place.done
        if not told:
            yield Cut(NOTHING, 0), replace(place, done=True)

    def _read_content(self, file: TrackedFile, remote: Remote, place: Place) -> Iterator[tuple[Cut, Place]]:
        content = CompressedObject(file.compression, remote) if file.compression else PlainObject(remote)
        cutter = file.cutter(place.rest.removeprefix("!"), skipping=place.rest.startswith("!"))
        size = min(cutter.most, content.most)
        while (block := content.at(place.offset, size)).length:
            full = block.length == size
            cut = cutter.cut(block, full=full, final=not full, quiet=not full)
            if not cut.length:
                break
            rest = ("!" if cutter.skipping else "") + cutter.header
            offset = place.offset + cut.length
            # An empty batch for that alone would cost as much as a thousand records.
            done = not file.compression and offset == remote.found.size
            place = replace(place, offset=offset, rest=rest, done=done)
            yield cut, place
        if isinstance(content, CompressedObject):
            content.raise_damage()

    def _read_rows(
        self, _: TrackedFile, remote: Remote, place: Place
    ) -> Iterator[tuple[Cut | TypedRows, Place]]:
        try:
            with tempfile.TemporaryFile(prefix="mlslo-") as copy:
                self._copy(remote, copy)
                parquet = ParquetFile(copy.fileno())
                _require_footer(parquet)
                typed = parquet.typed(place.offset)
                if sum(map(len, typed)) > _FEW_ROWS:
                    for rows in typed:
                        place = replace(place, offset=place.offset + len(rows), done=rows is typed[-1])
                        yield rows, place
                    return
                for lines, number in parquet.lines(place.offset):
                    place = replace(place, offset=place.offset + number)
                    yield Cut(memoryview(lines), number), place
        except UnreadableError:
            raise
        except OSError as error:
            raise SinkError(f"the temporary folder {tempfile.gettempdir()}: {error.strerror}") from None

    def _copy(self, remote: Remote, copy: IO[bytes]) -> None:
        if remote.found.size > self._settings.maxBytes:
            raise UnreadableError(
                f"has {remote.found.size:,} bytes; maxBytes allows {self._settings.maxBytes:,}"
            )
        remote.copy(copy)

    def _handed_over(self, batch: Batch) -> Batch:
        """Remember what a batch commits, and the floor with the first one."""
        for key, text in batch.positions.items():
            self._known[key] = text
            if text.startswith("="):
                self._unread.pop(key, None)
                self._damaged.pop(key, None)
        if self._uncommitted:
            self._uncommitted = False
            return replace(batch, positions=batch.positions | {FLOOR: str(self._floor)})
        return batch

    def _raised_floor(self, newest: datetime) -> Iterator[Batch]:
        """Raise the floor to ``lookback`` before ``newest``, and forget what is below it."""
        floor = int((newest - self._lookback).timestamp() // 3600)
        if self._floor is None or floor <= self._floor:
            return
        self._floor = floor
        below = [key for key, text in self._known.items() if Place.hour_of(text) <= floor]
        for key in below:
            del self._known[key]
        for key in self._unread.keys() & set(below):
            del self._unread[key]
        yield Batch(NOTHING, 0, dict.fromkeys(below, "") | {FLOOR: str(floor)})

    def _nothing(self, now: datetime) -> str:
        url = self._settings.url
        if self._keys.unit is None:
            return f"no object below {url}; is the url right?"
        return (
            f"no object of {self._start(now):%Y-%m-%d %H:%M} or later (UTC) matches {url}; is the url right?"
        )


def _require_footer(file: ParquetFile) -> None:
    if file.footer() is None:
        raise UnreadableError(NOT_WHOLE)
