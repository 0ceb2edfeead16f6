"""mlslo-exporter state."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import click

from mlslo.command_line import PATH, WRONG, input_errors, refuse

_ENDING = ".sqlite"
STATES = click.argument("states", metavar="STATE...", nargs=-1, required=True, type=PATH)


@click.group()
def state() -> None:
    """Show, verify and export state files; an exporter may hold them meanwhile.

    STATE is a state file, or a folder with some. Each is copied into the folder for temporary files (TMPDIR), and never
    written to.
    """


@state.command()
@STATES
@input_errors()
def show(states: tuple[Path, ...]) -> None:
    """What is in state files: positions, versions, time buckets, what waits, counters, size by part."""
    for path in _files(states):
        with _opened(path) as (connection, schema):
            for line in _shown(path, connection, schema):
                click.echo(line)


@state.command()
@STATES
@input_errors()
def verify(states: tuple[Path, ...]) -> None:
    """Check state files: SQLite's own checks, then that everything in them can be read.

    Exit code 1 where something is wrong, a line each.
    """
    from exporter.state import StoreError
    from exporter.state.inspection import copied
    from exporter.state.verification import problems

    parsers = {"position": _parse_position, "reference": _parse_reference}
    wrong = False
    for path in _files(states):
        try:
            with copied(path) as copy:
                found = list(problems(copy, path, parsers))
        except StoreError as error:
            refuse(str(error))
        click.echo("\n".join(f"{path}: {line}" for line in found) if found else f"{path}: fine")
        wrong |= bool(found)
    if wrong:
        sys.exit(WRONG)


@state.command()
@STATES
@click.option("--ids", is_flag=True, help="Also each prediction and label that waits, by the hash of its id.")
@input_errors()
def export(states: tuple[Path, ...], *, ids: bool) -> None:
    """State files as JSON lines, an object each, whose `type` says what it is.

    Records that the state holds as they were logged are left out: only their number is told.
    """
    from exporter.state.inspection import exported, sizes

    for path in _files(states):
        with _opened(path) as (connection, schema):
            head = {
                "file": str(path),
                "model": _model(path),
                "schema": schema,
                "bytes": path.stat().st_size,
                "bytes_by_table": sizes(connection),
            }
            click.echo(json.dumps({"type": "state", **head}))
            for kind, content in exported(connection, ids=ids):
                click.echo(json.dumps({"type": kind, **content}))


def _files(states: tuple[Path, ...]) -> list[Path]:
    from exporter.inbox import INBOXES

    found: list[Path] = []
    for path in states:
        inside = sorted(path.glob(f"*{_ENDING}")) if path.is_dir() else [path]
        if not inside:
            refuse(f"{path}: no state file, expected NAME{_ENDING}")
        for file in inside:
            if file.exists() and not file.is_file():
                refuse(f"{file}: expected a file, or a folder of state files")
            if file.absolute().parent.parent.name == INBOXES:
                refuse(
                    f"{file}: an inbox of pushed events; expected a state file, mostly two folders above it"
                )
        found += inside
    return found


@contextmanager
def _opened(path: Path) -> Iterator[tuple[sqlite3.Connection, int]]:
    """Open a copy, upgraded, with the schema that it had. Ends the command where it cannot be read."""
    from exporter.state import StoreError
    from exporter.state.inspection import copied, schema_of, upgraded

    try:
        with copied(path) as copy:
            schema = schema_of(copy, path)
            with upgraded(copy, path) as connection:
                yield connection, schema
    except StoreError as error:
        refuse(str(error))
    except sqlite3.Error as error:
        refuse(f"{path}: cannot be read: {error}")


def _model(path: Path) -> str:
    """Return the model's name, or what its file's name has of it."""
    return unquote(path.name.split(_ENDING)[0])


def _shown(path: Path, connection: sqlite3.Connection, schema: int) -> Iterator[str]:
    from exporter.state.inspection import sizes, time_of, waiting
    from exporter.state.set_aside import found_aside

    log = Path(f"{path}-wal")
    beside = f" and {_bytes(log.stat().st_size)} of write-ahead log" if log.exists() else ""
    yield f"{path}: model '{_model(path)}', schema {schema}, {_bytes(path.stat().st_size)}{beside}"
    yield from _section(
        "read up to",
        (f"{sink}: {_position(text)}" for sink, text in connection.execute(_POSITIONS)),
    )
    yield from _section(
        "versions",
        (
            f"'{name}': predictions from {time_of(began)} to {time_of(seen)}"
            for name, began, seen in connection.execute(
                "SELECT name, began, seen FROM versions ORDER BY seen"
            )
        ),
    )
    yield from _section(
        "time buckets",
        (
            f"{kind}: {number}, which begin from {time_of(first)} to {time_of(last)}"
            for kind, number, first, last in connection.execute(
                "SELECT kind, count(*), min(start), max(start) FROM summaries GROUP BY kind ORDER BY kind"
            )
        ),
    )
    yield from _section("waiting", (f"{name}: {number}" for name, number in waiting(connection).items()))
    yield from _section(
        "references of first times",
        (
            f"'{reference}' of version '{version}'"
            for version, reference in connection.execute(
                "SELECT version, reference FROM made_references ORDER BY id"
            )
        ),
    )
    yield from _section(
        "counters that are not 0",
        (
            f"{name}{{{', '.join(json.loads(labels))}}} {total:.0f}"
            for name, labels, total in connection.execute(
                "SELECT name, labels, total FROM counters WHERE total != 0 AND name NOT LIKE '%_bucket' "
                "ORDER BY name, labels"
            )
        ),
    )
    yield from _section(
        "bytes by table", (f"{name}: {_bytes(size)}" for name, size in sizes(connection).items())
    )
    yield from _section("set aside", (item.path.name for item in found_aside(path)))


_POSITIONS = "SELECT sink, position FROM positions ORDER BY sink, key"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a title and its lines, or nothing where there are none."""
    for number, line in enumerate(lines):
        if not number:
            yield f"  {title}:"
        yield f"    {line}"


def _position(text: str) -> str:
    """Return a position as a person reads it: of a file its path and offset, of anything else its text."""
    try:
        content = json.loads(text)
        return f"{content['path']} at {content['offset']}"
    except (ValueError, TypeError, KeyError):
        return text


def _parse_position(text: str) -> None:
    """Raises ValueError. What is no JSON object is a position of another kind of sink, whose own affair it is."""
    from exporter.sinks.positions import Position

    if text.startswith("{") and "inode" in text:
        Position.restored(text)


def _parse_reference(text: str) -> None:
    from exporter.references.reference_file import parse
    from mlslo.yamlfile import InputError

    try:
        parse(text, Path("reference"))
    except InputError as error:
        raise ValueError(str(error)) from None


def _bytes(number: int) -> str:
    return f"{number:,} bytes" if number < 10_000 else f"{number / 1024:,.0f} KiB"
