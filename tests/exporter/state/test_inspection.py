"""Copies of state files that are written to meanwhile."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from exporter.state import Store, StoreError
from exporter.state.inspection import copied, upgraded


def write(store: Store, number: int) -> None:
    with store.transaction():
        store.counters.add("ml_predictions_total", (f"v{number}",), 1)
        store.positions.save(
            "predictions", {str(key): "x" * 1000 for key in range(100 * number, 100 * number + 100)}
        )


def checkpoint(store: Store) -> None:
    store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def test_a_file_and_a_log_of_different_times_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.sqlite"
    plain = shutil.copyfile
    copies = []
    with closing(Store(path)) as store:
        write(store, 1)

        def copy(source: str, target: str) -> object:
            copies.append(source)
            done = plain(source, target)
            if len(copies) == 1:
                # What the log had is in the file now, of which there is a copy already.
                checkpoint(store)
                write(store, 2)
            return done

        monkeypatch.setattr(shutil, "copyfile", copy)
        with copied(path) as found, upgraded(found, path) as connection:
            rows = connection.execute("SELECT labels FROM counters ORDER BY 1").fetchall()
            ((positions,),) = connection.execute("SELECT count(*) FROM positions")
    assert rows == [('["v1"]',), ('["v2"]',)]
    assert positions == 200
    assert len(copies) == 4


def test_a_file_that_changes_all_the_time_is_one_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.sqlite"
    plain = shutil.copyfile
    with closing(Store(path)) as store:

        def copy(source: str, target: str) -> object:
            write(store, 1)
            checkpoint(store)
            return plain(source, target)

        monkeypatch.setattr(shutil, "copyfile", copy)
        message = f"{path}: written to whenever it is copied; try again"
        with pytest.raises(StoreError, match=message), copied(path):
            pass
