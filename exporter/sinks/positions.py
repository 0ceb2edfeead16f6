"""Positions in files, and files recognised by what they hold."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

SAMPLE = 256
"""Bytes of which the checksums of a position are, at both ends."""
HEAD = 4096
"""Bytes at the beginning by which files are told apart, before more of them is looked at."""
OF_ROWS = -2
"""The ``head`` of a position in rows of a Parquet file, whose ``content`` is the checksum of the footer."""


@dataclass(frozen=True)
class Position:
    """Position in a file. ``offset``: in its content, decompressed; in rows of Parquet.

    ``content``: checksum of its first bytes and of those before ``offset``. By it a file that was replaced under its
    name is told from one that has grown, and a copy, compressed or not, is known. ``head``: checksum of its first
    ``HEAD`` bytes, or of those before ``offset``; -1 where an earlier version wrote the position. ``stored`` and
    ``stored_content``: length and checksum of a compressed file of which nothing is left to be read. ``header``: the
    header of a CSV file in force. ``skipping``: whether ``offset`` is within a line that was counted as too long.
    ``marks``: earlier offsets with their checksums, each at least twice the one before. By them a copy is known that
    was made before all of this was read.
    """

    path: str
    device: int
    inode: int
    offset: int
    content: int
    head: int = -1
    stored: int = 0
    stored_content: int = 0
    header: str = ""
    skipping: bool = False
    marks: tuple[tuple[int, int], ...] = ()

    @property
    def key(self) -> str:
        return f"{self.device}:{self.inode}"

    @property
    def text(self) -> str:
        """The position as it is committed."""
        return json.dumps(asdict(self))

    @classmethod
    def restored(cls, text: str) -> Position:
        """Raises ValueError where ``text`` is no position."""
        try:
            position = cls(**json.loads(text))
            position = replace(position, marks=tuple((int(at), int(of)) for at, of in position.marks))
        except (TypeError, ValueError) as error:
            raise ValueError(f"a position of another shape: {error}") from None
        numbers = (position.device, position.inode, position.offset, position.content, position.stored)
        texts = (position.path, position.header)
        if not all(type(item) is int and item >= 0 for item in numbers) or type(position.head) is not int:
            raise ValueError(f"a position with other values: {text}")
        if type(position.stored_content) is not int or type(position.skipping) is not bool:
            raise ValueError(f"a position with other values: {text}")
        if not all(isinstance(item, str) for item in texts):
            raise ValueError(f"a position with other values: {text}")
        return position

    def marked(self) -> tuple[tuple[int, int], ...]:
        """Return the marks of a position further on."""
        apart = self.offset >= max(HEAD, 2 * self.marks[-1][0] if self.marks else 0)
        return (*self.marks, (self.offset, self.content)) if apart else self.marks

    def emptied(self) -> Position:
        """Return the position of a file of which nothing is known any more."""
        return Position(self.path, self.device, self.inode, 0, 0)

    def of_file(self, path: str, key: str) -> Position:
        """Return the position under another path, or the same one in a copy."""
        device, inode = map(int, key.split(":"))
        if key == self.key:
            return replace(self, path=path)
        stored = self.stored if self.head == OF_ROWS else 0
        return replace(self, path=path, device=device, inode=inode, stored=stored, stored_content=0)


def checksum(head: bytes, tail: bytes) -> int:
    """Return the checksum of the content before an offset: at most ``SAMPLE`` bytes of both its ends."""
    return zlib.crc32(tail, zlib.crc32(head))


class Positions:
    """Every known position by the key of its file, also found by how the file begins."""

    def __init__(self, positions: Iterable[Position]) -> None:
        self._by_key: dict[str, Position] = {}
        # Length of the beginning -> its checksum -> keys.
        self._by_head: dict[int, dict[int, dict[str, None]]] = {}
        self._by_footer: dict[int, dict[str, None]] = {}
        self._former: list[Position] = []
        for position in positions:
            self.put(position)

    def __getitem__(self, key: str) -> Position:
        return self._by_key[key]

    def get(self, key: str) -> Position | None:
        """Return the position in a file, or None where it was never read."""
        return self._by_key.get(key)

    def put(self, position: Position) -> None:
        """Add or replace the position in a file."""
        old = self._by_key.get(position.key)
        self._by_key[position.key] = position
        if position.head == OF_ROWS:
            self._by_footer.setdefault(position.content, {})[position.key] = None
        if old is not None and old.offset and old.head != OF_ROWS:
            if _beginning(old) == _beginning(position):
                return
            self._by_head[min(HEAD, old.offset)][old.head].pop(old.key, None)
        if position.offset and position.head != OF_ROWS:
            self._by_head.setdefault(min(HEAD, position.offset), {}).setdefault(position.head, {})[
                position.key
            ] = None

    def displace(self, position: Position) -> None:
        """Put the position in a file that has the place of another one, of which a copy may be found yet."""
        old = self._by_key.get(position.key)
        if old is not None and old.offset:
            self._former.append(old)
        self.put(position)

    @property
    def have_displaced(self) -> bool:
        """True where a file was seen to have the place of another one, since ``forget_former``."""
        return bool(self._former)

    def forget_former(self) -> None:
        """Forget the positions in files that others have the place of: copies of them have positions by now."""
        self._former.clear()

    def paths(self) -> set[str]:
        """Return the paths under which the files were last seen."""
        return {position.path for position in self._by_key.values()}

    def beginning_with(self, head: bytes) -> list[Position]:
        """Return the positions of files that begin as ``head`` does, the furthest first."""
        keys: list[str] = []
        for length, by_checksum in self._by_head.items():
            keys += by_checksum.get(-1, ())
            if length <= len(head):
                keys += by_checksum.get(zlib.crc32(head[:length]), ())
        found = [self._by_key[key] for key in keys] + [
            position
            for position in self._former
            if position.head == -1 or zlib.crc32(head[: min(HEAD, position.offset)]) == position.head
        ]
        return sorted(found, key=lambda position: position.offset, reverse=True)

    def with_footer(self, checksum: int) -> list[Position]:
        """Return the positions of Parquet files with the same footer, the furthest first."""
        found = map(self._by_key.__getitem__, self._by_footer.get(checksum, ()))
        same = [position for position in found if position.content == checksum]
        return sorted(same, key=lambda position: position.offset, reverse=True)


def _beginning(position: Position) -> tuple[int, int]:
    return min(HEAD, position.offset), position.head
