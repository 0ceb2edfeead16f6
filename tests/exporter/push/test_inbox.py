"""The inbox: what is acknowledged is there once, whatever comes twice and whenever the process ends."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.daemon.models import load_all
from exporter.inbox import Event, Inbox, InboxError, InboxReader, Request, Taken, set_aside
from exporter.sinks.push import POSITION, PushSink
from exporter.sinks.sink import SinkError
from exporter.state import Store
from mlslo.monitor import PushSink as PushSettings
from tests.support.logs import monitor, write_monitor


def _events(*numbers: int) -> list[Event]:
    return [Event(b'{"id": %d}' % number, Event.key_of("test", str(number))) for number in numbers]


def _read(sink: PushSink, *, final: bool = True) -> tuple[bytes, dict[str, str]]:
    content, positions = b"", dict[str, str]()
    for batch in sink.batches(final=final):
        content += bytes(batch.lines)
        positions |= batch.positions
    return content, positions


def _sink(path: Path | None, positions: dict[str, str] | None = None) -> PushSink:
    return PushSink(PushSettings(path="/m"), positions or {}, path)


def test_an_event_that_comes_again_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    with closing(Inbox(path)) as inbox:
        assert inbox.append([Request(_events(1, 2, 2)), Request(_events(2, 3))]) == [Taken(2, 1), Taken(1, 1)]
    with closing(Inbox(path)) as inbox:
        assert inbox.append([Request(_events(1, 2, 3, 4))]) == [Taken(1, 3)]
        # Without an id each is one of its own.
        assert inbox.append([Request([Event(b"{}"), Event(b"{}")])]) == [Taken(2, 0)]
        # A request that is known as a whole is one.
        assert inbox.append([Request([Event(b"{}")], 7), Request([Event(b"{}")], 7)]) == [
            Taken(1, 0),
            Taken(0, 1),
        ]
    with closing(InboxReader(path)) as reader:
        assert reader.counts() == {"accepted": 7, "repeated": 6}


def test_the_newest_ids_are_remembered(tmp_path: Path) -> None:
    with closing(Inbox(tmp_path / "inbox.sqlite", remembered=3)) as inbox:
        inbox.append([Request(_events(1, 2))])
        inbox.append([Request(_events(3, 4))])
        assert inbox.append([Request(_events(2, 3, 4))]) == [Taken(0, 3)]
        assert inbox.append([Request(_events(1))]) == [Taken(1, 0)]


def test_what_is_counted_is_read_once_and_deleted(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    with closing(Inbox(path)) as inbox:
        inbox.append([Request(_events(1))])
        sink = _sink(path)
        content, positions = _read(sink)
        assert content == b'{"id": 1}\n'
        assert inbox.has_counted()
        inbox.append([])
        assert not inbox.has_counted()
        assert inbox.waiting() == 0
        inbox.append([Request(_events(2))])
        # A sink that begins where the other one had committed.
        assert _read(_sink(path, positions))[0] == b'{"id": 2}\n'


def test_a_batch_that_was_not_committed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    with closing(Inbox(path)) as inbox:
        inbox.append([Request(_events(1))])
        next(_sink(path).batches(final=True))
        assert not inbox.has_counted()
        assert _read(_sink(path))[0] == b'{"id": 1}\n'


def test_an_inbox_in_the_place_of_a_lost_one_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    with closing(Inbox(path)) as inbox:
        inbox.append([Request(_events(1))])
        inbox.append([Request(_events(2))])
        _, positions = _read(_sink(path))
    path.unlink()
    with closing(Inbox(path)) as inbox:
        inbox.append([Request(_events(3))])
        assert _read(_sink(path, positions))[0] == b'{"id": 3}\n'
        # A note about the lost one deletes nothing here.
        (tmp_path / "inbox.sqlite.counted").write_text(positions[POSITION])
        assert not inbox.has_counted()


@pytest.mark.parametrize(("sink", "level"), [({"push": {"path": "/m"}}, 2), (None, 1)])
def test_counts_are_on_the_disk_before_their_events_are_deleted(
    sink: object, level: int, tmp_path: Path
) -> None:
    """What a log holds can be read again after a loss of power; an inbox forgets what was counted."""
    content = monitor(labels=None)
    if sink is not None:
        content["spec"]["predictions"]["sink"] = sink
    (model,) = load_all([write_monitor(tmp_path, content)])
    store = Store(tmp_path / "m.sqlite")
    with closing(model.cycle(store)):
        assert store._connection.value("PRAGMA synchronous") == level


def test_a_sink_without_a_receiver_says_so(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    assert _read(_sink(path)) == (b"", {})
    with pytest.raises(SinkError, match="nobody receives events for /m"):
        _read(_sink(path), final=False)
    with closing(Inbox(path)) as inbox:
        with pytest.raises(SinkError, match="nobody receives"):
            _read(_sink(path), final=False)
        assert inbox.hold()
        assert _read(_sink(path), final=False) == (b"", {})
        with closing(Inbox(path)) as other:
            assert not other.hold()
    with pytest.raises(SinkError, match="nobody receives"):
        _read(_sink(path), final=False)


def test_a_position_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        _sink(None, {POSITION: "no position"})


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    with closing(Inbox(path)) as inbox:
        inbox.append([Request(_events(1))])
        inbox._db.execute(
            f"PRAGMA max_page_count = {inbox._db.execute('PRAGMA page_count').fetchone()[0] + 1}"
        )
        with pytest.raises(InboxError, match="full"):
            inbox.append([Request(_events(2)), Request([Event(b"x" * 100_000)])])
        inbox._db.execute("PRAGMA max_page_count = 100000")
        assert inbox.append([Request(_events(1, 2))]) == [Taken(1, 1)]
    assert _read(_sink(path))[0] == b'{"id": 1}\n{"id": 2}\n'


def test_a_damaged_inbox_is_set_aside_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(InboxError, match="not a database"):
        Inbox(path)
    with pytest.raises(SinkError, match="not a database"):
        _read(_sink(path))
    aside = set_aside(path)
    assert aside.read_bytes() == b"no database" * 1000
    Inbox(path).close()


def test_a_state_file_of_a_file_sink_may_go_on_as_one_of_a_push_sink() -> None:
    assert _sink(None, {"1:2": '{"path": "x"}'}).lag() == 0


@settings(deadline=None, max_examples=60)
@given(
    steps=st.lists(
        st.one_of(
            st.lists(st.lists(st.integers(0, 12), max_size=4), min_size=1, max_size=3),
            st.sampled_from(["count", "lose the commit", "restart", "tidy"]),
        ),
        max_size=25,
    )
)
def test_whatever_happens_each_event_is_counted_once(steps: Sequence[list[list[int]] | str]) -> None:
    """A model of it: a set of ids that were acknowledged, and a list of what was counted."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inbox.sqlite"
        inbox = Inbox(path)
        acknowledged: set[int] = set()
        counted: list[int] = []
        positions: dict[str, str] = {}
        for step in [*steps, "count"]:
            if isinstance(step, list):
                inbox.append([Request(_events(*numbers)) for numbers in step])
                acknowledged |= {number for numbers in step for number in numbers}
            elif step == "restart":
                inbox.close()
                inbox = Inbox(path)
            elif step == "tidy":
                inbox.append([])
            else:
                for batch in _sink(path, positions).batches(final=True):
                    if step == "lose the commit":
                        break
                    counted += [int(line[7:-1]) for line in bytes(batch.lines).splitlines()]
                    positions = batch.positions
        inbox.close()
        assert sorted(counted) == sorted(acknowledged)


def test_the_file_is_what_sqlite_says(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    with closing(Inbox(path)) as inbox:
        inbox.append([Request(_events(*range(1000)))])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM keys").fetchone() == (1000,)
