"""Rows of CSV as lines of JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from json.encoder import encode_basestring

import msgspec

from exporter.sinks.content import Block
from exporter.sinks.records import NOTHING, Cut, Cutter

MISSING = frozenset({"", "NA", "N/A", "<NA>", "NULL", "null", "None", "NaN", "nan", "NaT"})
"""Texts that stand for a missing value."""
_SEPARATORS = ",;\t"
_BYTE_ORDER_MARK = "\ufeff"
# As JSON has them. An exponent without a sign needs a point: 12e5 may be an id.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-][0-9]+)?")
_DECIMAL_COMMA = re.compile(r"-?(?:0|[1-9][0-9]*),[0-9]+(?:[eE][+-]?[0-9]+)?")
_BOOLEANS = {
    written: word.lower() for word in ("True", "False") for written in (word, word.lower(), word.upper())
}
# Whole numbers of more digits are ids, which are not to be rounded.
_MOST_DIGITS = 18
_END = "unexpected end of data"


class CsvRows(Cutter):
    """Rows below a header, each an object of the columns that have a name.

    The first row is the header. A later row of which at least half of the fields are names of columns is one, too: of
    the rows after it.
    """

    # Rows as Python's objects take many times their bytes.
    most = 4 << 20

    def __init__(self, header: str = "", *, skipping: bool = False) -> None:
        """``header``, ``skipping``: as an earlier one of these had them."""
        super().__init__(skipping=skipping)
        self._separator = ","
        self._names: list[str] = []
        if header:
            self._separator, *self._names = json.loads(header)

    @property
    def header(self) -> str:
        """The separator and the names of the columns, to go on elsewhere; nothing before the first row."""
        return json.dumps([self._separator, *self._names], ensure_ascii=False) if self._names else ""

    def cut(self, block: Block, *, full: bool, final: bool, quiet: bool) -> Cut:
        stop = block.end if final else block.buffer.rfind(b"\n", block.start, block.end) + 1
        if not stop or stop == block.start:
            return self._longer_than(block, full=full)
        # Bytes that are no UTF-8 become what no text has, and are found by it.
        text = bytes(memoryview(block.buffer)[block.start : stop]).decode("utf-8", "surrogateescape")
        lines = list(io.StringIO(text))
        first, self.skipping = int(self.skipping), False
        new = not self._names
        if new and lines:
            self._separator = separator(lines[0])
        rows, malformed, taken = self._parsed(lines, first, closed=final or quiet, full=full)
        written: list[str] = []
        for names, some in self._below_headers(rows):
            whole = [row for row in some if len(row) == len(names)]
            malformed += len(some) - len(whole)
            malformed += _write(whole, names, written, decimal_comma=self._separator == ";")
        if new and not written and not malformed:
            # A header alone is not read: other files begin with it as well.
            self._names = []
            return Cut(NOTHING, 0)
        length = stop - block.start
        if taken < len(lines):
            length = len("".join(lines[:taken]).encode("utf-8", "surrogateescape"))
        rejected = {"malformed": malformed} if malformed else {}
        return Cut(memoryview("".join(written).encode()), length, rejected=rejected)

    def _parsed(
        self, lines: list[str], first: int, *, closed: bool, full: bool
    ) -> tuple[list[list[str]], int, int]:
        """Return the rows, how many lines are none, and how many lines were taken: all but a row that goes on."""
        rows: list[list[str]] = []
        malformed, taken = 0, first
        while taken < len(lines):
            begun = taken
            reader = csv.reader(
                _from(lines, begun), delimiter=self._separator, skipinitialspace=True, strict=True
            )
            try:
                for row in reader:
                    taken = begun + reader.line_num
                    if row:
                        rows.append(row)
            except csv.Error as error:
                if str(error) == _END and not closed and not (full and not taken):
                    break
                # A quote that is closed nowhere, or in the middle of a field: the next line may be a row again.
                malformed += 1
                taken += 1
        return rows, malformed, taken

    def _below_headers(self, rows: list[list[str]]) -> Iterator[tuple[list[str], list[list[str]]]]:
        """Yield each header's names with the rows below it."""
        start = 0
        if not self._names and rows:
            self._names, start = _names(rows[0]), 1
        known = set(self._names)
        for position in range(start, len(rows)):
            row = rows[position]
            # Looking at both ends is cheap, and enough for what is no header.
            if (row[0] in known or row[-1] in known) and 2 * sum(field in known for field in row) >= len(row):
                yield self._names, rows[start:position]
                self._names, start = _names(row), position + 1
                known = set(self._names)
        yield self._names, rows[start:]


def _write(rows: list[list[str]], names: list[str], written: list[str], *, decimal_comma: bool) -> int:
    """Add each row as a line of JSON; returns how many hold bytes that are no text, and are left out."""
    if not rows:
        return 0
    kept = [position for position, name in enumerate(names) if name and names.index(name) == position]
    columns = list(zip(*rows, strict=True))
    try:
        encoded = [_column(columns[position], decimal_comma=decimal_comma) for position in kept]
        members = ", ".join(
            f"{encode_basestring(names[position])}: ".replace("%", "%%") + "%s" for position in kept
        )
        text = "".join(map(("{" + members + "}\n").__mod__, zip(*encoded, strict=True)))
        text.encode()
    except UnicodeEncodeError:
        whole = [row for row in rows if _is_text(row)]
        if not _is_text(names):
            return len(rows)
        return len(rows) - len(whole) + _write(whole, names, written, decimal_comma=decimal_comma)
    written.append(text)
    return 0


def _column(values: Sequence[str], *, decimal_comma: bool) -> Sequence[str]:
    """Return the values as JSON."""
    if _are_numbers(values):
        return values
    known: dict[str, str] = {}
    found = []
    for value in values:
        written = known.get(value)
        if written is None:
            known[value] = written = _cell(value, decimal_comma=decimal_comma)
        found.append(written)
    return found


def _are_numbers(values: Sequence[str]) -> bool:
    """Return True where all are written as in JSON, by a parser that is faster than looking at each."""
    joined = ",".join(values)
    if max(map(len, values)) > _MOST_DIGITS or not joined.isascii() or "e" in joined.lower():
        return False
    try:
        numbers = msgspec.json.decode(f"[{joined}]", type=list[float])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return len(numbers) == len(values) and not any(map(joined.__contains__, " \t\r\n"))


def _cell(value: str, *, decimal_comma: bool) -> str:
    if value in MISSING:
        return "null"
    if _NUMBER.fullmatch(value) and (len(value) <= _MOST_DIGITS or "." in value):
        return value
    if decimal_comma and _DECIMAL_COMMA.fullmatch(value):
        return value.replace(",", ".")
    return _BOOLEANS.get(value) or encode_basestring(value)


def separator(line: str) -> str:
    """Return what separates the names of a header; the comma, where nothing does."""
    outside = re.sub('"[^"]*"', "", line)
    return max(_SEPARATORS, key=outside.count)


def _names(row: list[str]) -> list[str]:
    return [name.strip() for name in (row[0].removeprefix(_BYTE_ORDER_MARK), *row[1:])]


def _from(lines: list[str], first: int) -> Iterator[str]:
    """Yield the lines from ``first`` on, but the mark that some editors begin a file with."""
    for position in range(first, len(lines)):
        line = lines[position]
        yield line if position else line.removeprefix(_BYTE_ORDER_MARK)


def _is_text(row: Iterable[str]) -> bool:
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return False
    return True
