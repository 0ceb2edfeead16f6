"""The first records of a file, for a person."""

from __future__ import annotations

import codecs
import io
import os
from itertools import islice
from typing import BinaryIO, cast

from exporter.sinks.content import Content
from exporter.sinks.descriptors import UnreadableError
from exporter.sinks.files.tracked import NOT_WHOLE, TrackedFile
from exporter.sinks.parquet import ParquetFile
from exporter.sinks.records import Cutter, is_object
from exporter.sinks.wrappings import unwrapped_sample

_MOST = 32 << 20


def first_records(file: TrackedFile, descriptor: int, number: int) -> tuple[bytes, str]:
    """Return up to ``number`` lines, and what is to be said of others. Raises OSError where none can be read."""
    if file.is_parquet:
        parquet = ParquetFile(descriptor)
        if parquet.footer() is None:
            raise UnreadableError(NOT_WHOLE)
        return next((lines for lines, _ in parquet.lines(0, number)), b""), ""
    if file.is_plain and file.format == "jsonl":
        # Whatever its size is said to be.
        with os.fdopen(os.dup(descriptor), "rb") as lines:
            return first_lines(lines, number)
    content = file.content(descriptor)
    if file.format == "csv":
        return first_rows(content, file.cutter(), number)
    return first_lines(cast(BinaryIO, io.BufferedReader(_Stream(content))), number)


def first_lines(file: BinaryIO, number: int) -> tuple[bytes, str]:
    """Return whole lines from the beginning, up to the size of a batch beside those that are longer.

    Also why there are no more, where that is an error. Raises OSError where there are none: UnreadableError where all
    that there is is the beginning of one, and no text.
    """
    lines: list[bytes] = []
    failure = ""
    try:
        _add_lines(file, number, lines)
    except OSError as error:
        if not lines:
            raise
        failure = str(error.strerror)
    records, remark = unwrapped_sample(b"".join(lines))
    return records, "; ".join(filter(None, (failure, remark)))


def _add_lines(file: BinaryIO, number: int, lines: list[bytes]) -> None:
    size = 0
    for line in islice(file, number):
        if not (line.endswith(b"\n") or is_object(line)):
            if not lines:
                try:
                    codecs.getincrementaldecoder("utf-8")().decode(line)
                except UnicodeDecodeError:
                    message = f"no whole line, and no UTF-8 text: it begins with {line[:16]!r}"
                    raise UnreadableError(message) from None
            break
        lines.append(line if line.endswith(b"\n") else line + b"\n")
        size += len(line) if len(line) < _MOST else 0
        if size > _MOST:
            break


def first_rows(content: Content, cutter: Cutter, number: int) -> tuple[bytes, str]:
    """Return rows as lines, and how many of the first could not be read."""
    lines: list[bytes] = []
    offset = malformed = 0
    while len(lines) < number and (block := content.at(offset, cutter.most)).length:
        cut = cutter.cut(block, full=block.length == cutter.most, final=True, quiet=True)
        if not cut.length:
            break
        offset += cut.length
        malformed += cut.rejected.get("malformed", 0)
        lines += cut.lines.tobytes().splitlines(keepends=True)
    return b"".join(lines[:number]), not_rows(malformed)


def not_rows(number: int) -> str:
    """Say how many rows could not be read; nothing where all could."""
    if not number:
        return ""
    return f"rows with another number of fields than the header, or with a quote in the wrong place: {number}"


class _Stream(io.RawIOBase):
    """Content as a file that is read forwards."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content = content
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._content.at(self._offset, len(buffer))
        memoryview(buffer)[: block.length] = block.bytes()
        self._offset += block.length
        return block.length
