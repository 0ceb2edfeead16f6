"""Places in objects, and the batches that commit them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.parse.typed_rows import TypedRows
from exporter.sinks.records import Cut, batch_of
from exporter.sinks.sink import Batch

_MOST = 8 << 20
_MOST_OBJECTS = 1000


@dataclass(frozen=True)
class Place:
    """Position in one version of an object.

    ``hour``: since 1970, after which it may be forgotten once the floor is there. ``stored`` and ``content``: its
    length, and the checksum of both its ends; by them one that has grown is told from one that was written over.
    ``offset``: in its content, decompressed; in rows of Parquet. ``rest``: what a cutter must know to go on.
    """

    version: str
    hour: int
    stored: int
    content: int
    offset: int = 0
    done: bool = False
    rest: str = ""

    @property
    def text(self) -> str:
        """The place as it is committed. There may be a million."""
        fields = (self.version, self.hour, self.stored, self.content, self.offset, self.rest)
        return ("=" if self.done else ">") + " ".join(map(str, fields)).rstrip()

    @classmethod
    def restored(cls, text: str) -> Place:
        """Raises ValueError where ``text`` is no place."""
        try:
            version, hour, stored, content, offset, *rest = text[1:].split(" ", 5)
            if text[0] in "=>" and version:
                numbers = (int(hour), int(stored), int(content), int(offset))
                return cls(version, *numbers, text[0] == "=", "".join(rest))
        except (IndexError, ValueError):
            pass
        raise ValueError(f"a position of another shape: {text}")

    @staticmethod
    def is_done(text: str, version: str) -> bool:
        """Return True where ``text`` says that nothing of ``version`` is left: without taking it apart."""
        return text.startswith(version, 1) and text[0] == "=" and text[len(version) + 1] == " "

    @staticmethod
    def hour_of(text: str) -> int:
        """Return the hour in ``text``."""
        return int(text.split(" ", 2)[1])


class Pack:
    """Records of small objects that become one batch, with their places."""

    def __init__(self) -> None:
        self._lines = bytearray()
        self._places: dict[str, str] = {}
        self._rejected: Counter[str] = Counter()
        self._too_long = 0

    def add(self, cut: Cut | TypedRows, key: str, place: str) -> Iterator[Batch]:
        """Take the records, and yield what fills a batch."""
        if isinstance(cut, TypedRows):
            yield from self.rest()
            yield Batch(cut, 0, {key: place})
            return
        if len(self._lines) + len(cut.lines) > _MOST or len(self._places) >= _MOST_OBJECTS:
            yield from self.rest()
        if len(cut.lines) > _MOST:
            yield batch_of(cut, {key: place})
            return
        self._lines += cut.lines
        self._places[key] = place
        self._rejected.update(cut.rejected)
        self._too_long += cut.too_long

    def rest(self) -> Iterator[Batch]:
        """Yield what was taken so far, and begin anew."""
        lines, places, rejected, too_long = self._lines, self._places, self._rejected, self._too_long
        if places:
            self.__init__()  # type: ignore[misc]
            yield Batch(memoryview(lines), too_long, places, rejected)
