"""Where records come from: one file per kind of sink."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Batch:
    """Whole lines, each ending in a newline, and the positions to commit with what becomes of them.

    ``lines`` are valid until the next batch is asked for. ``too_long``: lines passed over because they exceed a
    batch. ``positions``: opaque to everybody else. ``file``: descriptor of a file that holds just ``lines``, where
    there is one; as long valid as they are.
    """

    lines: memoryview
    too_long: int
    positions: dict[str, str]
    file: int | None = None


class SinkError(Exception):
    """A sink that cannot be read now; its text says why."""
