"""Verification of a state file: what SQLite finds, and what the exporter could not go on with."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np

from exporter.state.connection import StoreError, explained
from exporter.state.inspection import ANY_WIDTH, refuse_empty, upgraded
from exporter.state.summaries import unpacked


def problems(copy: Path, path: Path, parsers: Mapping[str, Callable[[str], object]]) -> Iterator[str]:
    """Yield what is wrong in a copy of ``path``, a line each: first as SQLite sees it, then as the exporter does.

    ``parsers``: of the text of a position and of a reference; they raise ValueError.
    """
    try:
        refuse_empty(copy, path)
        with closing(sqlite3.connect(copy)) as connection:
            found = [text for (text,) in connection.execute("PRAGMA integrity_check(20)") if text != "ok"]
        if found:
            yield from found
            return
        with upgraded(copy, path) as connection:
            yield from _summaries(connection)
            yield from _texts(connection, parsers)
            yield from _samples(connection)
            yield from _delivered(connection)
            yield from _counters(connection)
    except sqlite3.Error as error:
        yield str(explained(error, path)).removeprefix(f"{path}: ")
    except StoreError as error:
        yield str(error).removeprefix(f"{path}: ")


def _counters(connection: sqlite3.Connection) -> Iterator[str]:
    for name, labels, total in connection.execute("SELECT name, labels, total FROM counters"):
        if not isinstance(total, float) or not math.isfinite(total) or total < 0:
            yield f"counters: {name}{labels} is {total}"


def _summaries(connection: sqlite3.Connection) -> Iterator[str]:
    for *scope, vector in connection.execute(
        "SELECT kind, version, segment, segment_value, start, vector FROM summaries"
    ):
        try:
            places, _ = unpacked(vector, ANY_WIDTH)
        except (TypeError, ValueError) as error:
            yield f"summaries: {scope}: {error}"
            continue
        if (np.diff(places.astype(np.int64)) <= 0).any():
            yield f"summaries: {scope}: places that do not ascend"


def _texts(connection: sqlite3.Connection, parsers: Mapping[str, Callable[[str], object]]) -> Iterator[str]:
    queries = {
        "positions": ("SELECT sink || ' ' || key, position FROM positions", parsers["position"]),
        "made_references": (
            "SELECT version || ' ' || reference, content FROM made_references",
            parsers["reference"],
        ),
        "counters": ("SELECT name, labels FROM counters", json.loads),
        "combinations": ("SELECT code, content FROM combinations", json.loads),
    }
    for table, (query, parse) in queries.items():
        for key, text in connection.execute(query):
            try:
                parse(text)
            except (TypeError, ValueError) as error:
                yield f"{table}: {key}: {error}"


def _samples(connection: sqlite3.Connection) -> Iterator[str]:
    """Compare what is counted of the predictions and labels that wait with what is there."""
    rows = {
        "waiting": "pending WHERE label IS NULL",
        "labelled": "pending WHERE label IS NOT NULL",
        "early": "early_labels",
        "skew": "skew",
    }
    known = {
        name: rest for name, *rest in connection.execute("SELECT name, number, population FROM id_samples")
    }
    for name, of in rows.items():
        ((number, population),) = connection.execute(f"SELECT count(*), total(weight) FROM {of}")
        counted = known.get(name)
        if counted is None or counted[0] != number or not math.isclose(counted[1], population, abs_tol=1e-6):
            yield f"id_samples: {name}: {counted} are counted, and {[number, population]} are there"


def _delivered(connection: sqlite3.Connection) -> Iterator[str]:
    for number, size, content in connection.execute("SELECT number, size, hashes FROM delivered"):
        try:
            hashes = np.frombuffer(content, dtype=np.int64)
        except (TypeError, ValueError) as error:
            yield f"delivered: block {number}: {error}"
            continue
        if len(hashes) != size or (hashes[1:] < hashes[:-1]).any():
            yield f"delivered: block {number}: {len(hashes)} hashes, expected {size} that ascend"
