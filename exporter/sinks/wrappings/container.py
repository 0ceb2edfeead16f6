"""Lines of container runtimes: Docker's json-file driver, and CRI (containerd, CRI-O, Podman)."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

import msgspec

from exporter.sinks.wrappings.text import record_in

_TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.]\d++)?(?:Z|[+-]\d\d:\d\d)"
_CRI = re.compile(_TIME + rb" (stdout|stderr) ([FP])(?::\S*)?(?: |$)")
_DOCKER_KEYS = (b'{"log":', b'{"stream":', b'{"time":', b'{"attrs":')

# What precedes records in whole lines, most often: to remove it from many lines at once takes a third of the time.
_BEFORE_OBJECT = re.compile(
    rb"\n(?:" + _TIME + rb" (?:stdout|stderr) F (?=\{)"
    rb"|(?![{ \t]|" + _TIME + rb" (?:stdout|stderr) P)"
    rb'[^{\n]++(?<!=)(?=\{[ \t]*"[^"\\\n]*+"[ \t]*:[^\n]*\}[ \t\r]*\n))'
)
_DOCKER = re.compile(rb"\n(?:" + b"|".join(map(re.escape, _DOCKER_KEYS)) + rb")")
_PART = re.compile(rb"\n" + _TIME + rb" (?:stdout|stderr) P")
_NO_OBJECT = re.compile(rb'\n(?!\{[ \t\r]*+["}\n]|\n|\Z)')


class Piece(NamedTuple):
    """Text that a process wrote at once. ``whole``: whether the line ends with it; else the next piece continues it."""

    stream: str
    text: bytes
    whole: bool


class _DockerLine(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line of the json-file driver: these keys and no others, so that a record with a key ``log`` is none."""

    log: str
    time: str
    stream: Literal["stdout", "stderr", ""] = ""
    attrs: dict[str, Any] | None = None


_docker_line = msgspec.json.Decoder(_DockerLine)


def docker(line: bytes) -> Piece | None:
    """Return what a line of Docker's wraps; None where it is another object."""
    if not line.startswith(_DOCKER_KEYS):
        return None
    try:
        found = _docker_line.decode(line)
        text = found.log.encode()
    except (ValueError, RecursionError):
        return None
    whole = text.endswith(b"\n")
    if text.find(b"\n", 0, len(text) - whole) >= 0:
        # In JSON a newline is a space.
        text = text.replace(b"\n", b" ")
    return Piece(found.stream, text[:-1] if whole else text, whole)


def cri(line: bytes) -> Piece | None:
    """Return what a line of a CRI runtime wraps; None where it is another line."""
    found = _CRI.match(line)
    if found is None:
        return None
    stream, tag = found.groups()
    return Piece(stream.decode(), line[found.end() :], tag == b"F")


class Bare(NamedTuple):
    """A block of lines without what precedes their records. ``removed``: from how many.

    ``rest``: whether there are lines that need a closer look.
    """

    text: bytes
    removed: int
    rest: bool


def without_prefixes(block: bytes) -> Bare | None:
    """Remove what precedes records in a block of whole lines; None where pieces of lines are among them."""
    lines = b"\n" + block
    if _DOCKER.search(lines) is not None:
        return None
    text, removed = _BEFORE_OBJECT.subn(b"\n", lines)
    rest = _NO_OBJECT.search(text) is not None
    if rest and _PART.search(lines) is not None:
        return None
    return Bare(text[1:], removed, rest)


def record_of(line: bytes) -> bytes | None:
    """Return the record of a last line without its newline; None where there is none, or its end may be missing."""
    if (piece := docker(line)) is not None:
        return record_in(piece.text) if piece.whole else None
    piece = cri(line) or Piece("", line, True)
    # The end of logfmt cannot be told.
    return record_in(piece.text) if piece.whole and piece.text.rstrip().endswith(b"}") else None
