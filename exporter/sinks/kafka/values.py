"""Values of messages as lines of JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from exporter.parse.json_lines import LONGEST_RECORD
from exporter.sinks.wrappings import unwrap

Decode = Callable[[bytes], bytes]
"""Return the JSON of a value in another format, without newlines; raises RejectedError."""


_document = msgspec.json.Decoder(msgspec.Raw)


class RejectedError(Exception):
    """A value that is no record. ``reason``: as it is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def lines_of(values: Sequence[bytes | None], decode: Decode | None) -> tuple[bytes, Counter[str]]:
    """Return a line for each value, and reason -> values that gave none.

    ``decode``: of values that are no JSON; None of those that are.
    """
    rejected: Counter[str] = Counter()
    if decode is None and _are_lines(values):
        return _unwrapped(b"\n".join([*values, b""]), rejected), rejected  # type: ignore[list-item]
    kept: list[bytes] = []
    for value in values:
        if value is None or not value.strip():
            rejected["no_value"] += 1
            continue
        try:
            line = _one_line(value) if decode is None else decode(value)
        except RejectedError as error:
            rejected[error.reason] += 1
            continue
        if len(line) < LONGEST_RECORD:
            kept.append(line)
        else:
            rejected["too_long"] += 1
    lines = b"\n".join([*kept, b""]) if kept else b""
    return (_unwrapped(lines, rejected) if decode is None else lines), rejected


def _are_lines(values: Sequence[bytes | None]) -> bool:
    """Return True where each value can be a line as it is."""
    if None in values or b"" in values or not values:
        return False
    return not any(b"\n" in value or len(value) >= LONGEST_RECORD for value in values)  # type: ignore[arg-type, operator]


def _one_line(value: bytes) -> bytes:
    """Return a value of several lines as one; each stays where each is an object."""
    value = value.strip()
    if b"\n" not in value:
        return value
    try:
        _document.decode(value)
    except (ValueError, RecursionError):
        if all(line.startswith(b"{") for line in value.splitlines()):
            return value
        raise RejectedError("not_a_record") from None
    return value.replace(b"\r", b" ").replace(b"\n", b" ")


def _unwrapped(lines: bytes, rejected: Counter[str]) -> bytes:
    """Take records out of what loggers write around them, as of a file."""
    found = unwrap(memoryview(lines), final=True, full=True)
    # Pieces of a line whose last one is in another message.
    left = lines.count(b"\n", found.consumed)
    rejected.update({"not_a_record": found.not_a_record + left, "too_long": found.too_long})
    return lines if len(lines) == len(found.lines) else bytes(found.lines)
