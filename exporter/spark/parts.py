"""Parts of batches: plain records, with what was counted on the way; split by id where labels or copies may come."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from exporter.fold.grouping import CycleTime
from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import Buffer, Parser, filled
from exporter.parse.typed_rows import TypedRows
from exporter.records.reshaping import Reshaping, plain, reshapings
from exporter.sinks.content import Block
from exporter.sinks.positions import Position
from exporter.sinks.records import JsonLines, batch_of
from exporter.sinks.sink import Batch
from exporter.spark.pieces import Piece, read
from exporter.state import Store
from mlslo.monitor import Monitor

if TYPE_CHECKING:
    import pyarrow

SCHEMA = "target int, seq string, sink string, lines binary, account binary"
"""Columns of rows that carry parts from task to task."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NEWLINE = ord("\n")
# Of lines that Spark has read, at once.
_MOST = 16 << 20


class Account(msgspec.Struct):
    """Counts of a batch from before its records became plain. ``positions``: after the batch."""

    records: int = 0
    rejected: dict[str, int] = {}
    passed_over: dict[str, int] = {}
    positions: dict[str, str] = {}


@dataclass(frozen=True)
class Part:
    """Plain records of a batch. ``seq``: texts in the order in which the sink would have read.

    ``lines``: valid until the next part is read; of ``part_of`` for good.
    """

    sink: str
    seq: str
    lines: Buffer
    account: Account = field(default_factory=Account)


def of_pieces(pieces: Iterable[tuple[int, Piece]]) -> Iterator[tuple[str, str, Batch]]:
    """Yield the batches of pieces, which the driver numbered, with their sinks and their places."""
    for number, piece in pieces:
        for block, batch in enumerate(read(piece)):
            yield piece.sink, f"{number:09d}.{block:09d}", batch


def of_lines(sink: str, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[tuple[str, str, Batch]]:
    """Yield batches of lines that Spark has read: ``value``, and of which stretch of which file."""
    waiting: list[bytes] = []
    size, number, place = 0, 0, ("", 0)

    def batch() -> tuple[str, str, Batch]:
        content = bytearray(b"\n".join([*waiting, b""]))
        waiting.clear()
        block = Block(content, 0, len(content))
        cut = JsonLines().cut(block, full=False, final=True, quiet=True)
        return sink, f"{place[0]}\0{place[1]:020d}.{number:09d}", batch_of(cut, {})

    for rows in batches:
        values, paths, starts = (rows.column(name).to_pylist() for name in ("value", "path", "start"))
        for line, path, start in zip(values, paths, starts, strict=True):
            if waiting and (size >= _MOST or (path, start) != place):
                yield batch()
                size, number = 0, number + 1
            place = path, start
            waiting.append(line)
            size += len(line) + 1
    if waiting:
        yield batch()


def of_files(
    sink: str, format_: str | None, batches: Iterable[pyarrow.RecordBatch]
) -> Iterator[tuple[str, str, Batch]]:
    """Yield the batches of whole files that Spark has read: ``path`` and ``content``."""
    for rows in batches:
        for path, content in zip(rows.column("path"), rows.column("content"), strict=True):
            name = str(path)
            with tempfile.TemporaryDirectory(prefix="mlslo-") as folder:
                file = Path(folder) / PurePosixPath(name).name
                file.write_bytes(content.as_buffer())
                piece = Piece(sink, str(file), format_, Position("", 0, 0, 0, 0), None, 0)
                try:
                    for number, batch in enumerate(read(piece)):
                        yield sink, f"{name}\0{number:09d}", replace(batch, positions={})
                except OSError as error:
                    raise OSError(str(error).replace(str(file), name)) from None


class Shaper:
    """Makes plain records of batches of both logs of ``monitor``, which is as the user wrote it."""

    def __init__(self, monitor: Monitor, cycle: CycleTime) -> None:
        self._store = Store()
        self._reshapings: Mapping[str, Reshaping] = reshapings(monitor, self._store)
        self._cycle = cycle

    def close(self) -> None:
        """Release the store."""
        self._store.close()

    def parts(self, batches: Iterable[tuple[str, str, Batch]]) -> Iterator[Part]:
        """Yield the plain records of ``batches``."""
        for sink, seq, batch in batches:
            passed_over, positions = dict(batch.passed_over), batch.positions
            portions = self._reshapings[sink].portions(
                batch.lines, self._cycle.now, arrived=self._cycle.arrived
            )
            for number, found in enumerate(portions):
                account = Account(found.records, dict(found.rejected), passed_over, positions)
                assert not isinstance(found.lines, TypedRows)
                yield Part(sink, f"{seq}.{number:06d}", found.lines, account)
                passed_over, positions = {}, {}


class Splitter:
    """Splits parts so that all records of one id have one target, of ``targets``."""

    def __init__(self, monitor: Monitor, targets: int) -> None:
        monitor = plain(monitor)
        self._targets = targets
        fields = {"predictions": monitor.spec.predictions.fields.id}
        if monitor.spec.labels is not None:
            fields["labels"] = monitor.spec.labels.fields.id
        self._parsers = {sink: Parser(_request(path)) for sink, path in fields.items()}

    def close(self) -> None:
        """Release the parsers."""
        for parser in self._parsers.values():
            parser.close()

    def rows(self, parts: Iterable[Part]) -> Iterator[pyarrow.RecordBatch]:
        """Yield rows of SCHEMA. What was counted of a part goes with the first of what it is split into."""
        import pyarrow as pa

        for part in parts:
            content = _whole(part.lines)
            starts, ends = _lines(content)
            keys = self._keys(part.sink, content, starts, ends) % np.uint64(self._targets)
            order = np.argsort(keys, kind="stable")
            lines = _array(content, starts, ends).take(pa.array(order))
            edges = np.searchsorted(keys[order], np.arange(self._targets + 1)).tolist()
            accounts = [part.account]
            found = []
            for place, (first, last) in enumerate(pairwise(edges)):
                if first == last and not (accounts and place + 1 == self._targets):
                    continue
                account = msgspec.json.encode(accounts.pop() if accounts else Account())
                blob = _joined(lines.slice(first, last - first))
                found.append((place, part.seq, part.sink, blob, account))
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(column, type=type_)
                    for column, type_ in zip(
                        zip(*found, strict=True),
                        (pa.int32(), pa.string(), pa.string(), pa.binary(), pa.binary()),
                        strict=True,
                    )
                ],
                names=["target", "seq", "sink", "lines", "account"],
            )

    def _keys(
        self,
        sink: str,
        content: bytes,
        starts: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.uint64]:
        """Return a number for each line, equal where ids are; without an id any will do."""
        if not len(starts):
            return np.empty(0, dtype=np.uint64)
        columns, _ = self._parsers[sink].select(memoryview(content)[int(starts[0]) : int(ends[-1])])
        found = filled(columns["key"], 0).astype(np.uint64)
        if len(found) == len(starts):
            anonymous = found == 0
            return np.where(anonymous, np.arange(len(found), dtype=np.uint64), found)
        if len(starts) == 1:
            return np.zeros(1, dtype=np.uint64)
        # A line that the parser passes over: which one it is, halves tell.
        half = len(starts) // 2
        return np.concatenate(
            [
                self._keys(sink, content, starts[:half], ends[:half]),
                self._keys(sink, content, starts[half:], ends[half:]),
            ]
        )


def part_of(row: Mapping[str, Any]) -> Part:
    """Return the part that a row of SCHEMA carries."""
    account = msgspec.json.decode(row["account"], type=Account)
    return Part(row["sink"], row["seq"], row["lines"], account)


def combined(parts: Iterable[Part], most: int = 32 << 20) -> Iterator[Part]:
    """Join parts of ``part_of``: predictions that come one after another; of labels the earliest comes first."""
    waiting: list[Part] = []
    size = 0
    for part in parts:
        if waiting and (part.sink != "predictions" or size + len(part.lines) > most):
            yield _one(waiting)
            waiting, size = [], 0
        if part.sink == "predictions":
            waiting.append(part)
            size += len(part.lines)
        else:
            yield part
    if waiting:
        yield _one(waiting)


def _one(parts: list[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    counted = [
        sum((Counter(getattr(part.account, name)) for part in parts), Counter[str]())
        for name in ("rejected", "passed_over")
    ]
    positions = {key: text for part in parts for key, text in part.account.positions.items()}
    account = Account(
        sum(part.account.records for part in parts), dict(counted[0]), dict(counted[1]), positions
    )
    return replace(parts[0], lines=b"".join(_whole(part.lines) for part in parts), account=account)


def _request(path: str | None) -> Any:
    def request(paths: FieldPaths) -> dict[str, str]:
        text = paths.text(path)
        # Coarser than what makes ids equal, and cheaper: 5.0 is 5.
        bare = f"CASE WHEN suffix({text}, '.0') THEN ({text})[:-3] ELSE {text} END"
        return {"key": f"CASE WHEN {text} IS NOT NULL THEN hash({bare}) END"}

    return request


def _whole(lines: Buffer) -> bytes:
    """Return ``lines`` as they stand beside others: with a newline at the end, without a mark at the beginning."""
    content = bytes(lines).removeprefix(_BYTE_ORDER_MARK)
    return content if content.endswith(b"\n") or not content else content + b"\n"


def _lines(content: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where each line that is not blank begins, and where it ends, behind its newline."""
    array = np.frombuffer(content, dtype=np.uint8)
    ends = np.flatnonzero(array == _NEWLINE).astype(np.int64) + 1
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends])[: len(ends)]
    # A record begins with a brace; what begins otherwise is looked at.
    odd = np.flatnonzero(array[starts] != ord("{"))
    blank = [row for row in odd.tolist() if not content[starts[row] : ends[row]].strip()]
    return np.delete(starts, blank), np.delete(ends, blank)


def _array(content: bytes, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> pyarrow.Array[Any]:
    """Return the lines as an array of Arrow over ``content``; of blank ones between them nothing is kept."""
    import pyarrow as pa

    if len(starts) and not np.array_equal(starts[1:], ends[:-1]):
        content = b"".join(
            content[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        )
        ends = np.cumsum(ends - starts)
        starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])
    offsets = np.concatenate([starts, ends[-1:]]) if len(starts) else np.zeros(1, dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.large_binary(), len(starts), buffers)


def _joined(lines: Any) -> bytes:
    """Return an array of lines as one buffer."""
    if not len(lines):
        return b""
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int64)
    first, last = offsets[lines.offset], offsets[lines.offset + len(lines)]
    return bytes(memoryview(lines.buffers()[2])[first:last])
