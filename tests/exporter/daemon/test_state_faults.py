"""State files that fail: set aside, counted, begun anew from the logs; full disks, which only pause the reading."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from exporter.daemon.cycle import Cycle, CycleError
from exporter.daemon.models import Model, load_all
from exporter.daemon.recovery import RecoveringCycle
from exporter.measure.exposition import Snapshot
from exporter.state import Fault, StoreError
from exporter.state.set_aside import found_aside, set_aside
from tests.exporter.daemon.test_daemon import daemon, total
from tests.exporter.daemon.test_daemon import record as now_record
from tests.support import first_references
from tests.support.logs import EPOCH, monitor, record, value, write_lines, write_monitor

AT = EPOCH + 3600
_OF_TIME = {"ml_monitor_last_success_timestamp_seconds", "ml_monitor_cycle_duration_seconds"}
_OF_STATE = {"ml_state_size_bytes", "ml_state_set_aside_total"}


def model_in(folder: Path, records: int = 30) -> Model:
    """A model with predictions, half of which have a label."""
    write_lines(
        folder / "logs/predictions.jsonl",
        [record(number, at=60.0 + 60 * number, score=number / 40) for number in range(records)],
    )
    labels = [
        {"id": f"r{number}", "label": number % 2, "ts": EPOCH + 3000} for number in range(0, records, 2)
    ]
    write_lines(folder / "logs/labels.jsonl", labels)
    (model,) = load_all([write_monitor(folder)])
    return model


def one_cycle(model: Model, state: Path | None) -> Snapshot:
    with closing(RecoveringCycle(model, state)) as cycle:
        return run(cycle)


def run(cycle: RecoveringCycle) -> Snapshot:
    snapshot = cycle.run(at=AT, final=True)
    assert snapshot is not None
    return snapshot


def counted(snapshot: Snapshot) -> dict[str, object]:
    """What was read and measured, without what is of the state file and of the time of day."""
    return {name: dict(of) for name, of in snapshot.series.items() if name not in _OF_TIME | _OF_STATE}


def aside(snapshot: Snapshot) -> dict[str, float]:
    """The files that were set aside, by reason."""
    found = snapshot.series["ml_state_set_aside_total"]
    return {reason: number for (_, reason), number in found.items() if number}


def edited(statement: str) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    return edit


def emptied_beside_its_log(path: Path) -> None:
    path.write_bytes(b"")
    Path(f"{path}-wal").write_bytes(b"a log")


def of_another_program(path: Path) -> None:
    path.unlink()
    edited("CREATE TABLE positions (latitude REAL, longitude REAL)")(path)


def overwritten_within(path: Path) -> None:
    """Every page but the first: a look at the header finds nothing."""
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)


FAULTS: dict[str, tuple[Fault, Callable[[Path], object]]] = {
    "no database": (
        Fault.DAMAGED,
        lambda path: path.write_bytes(b"no database, whatever its name says" * 100),
    ),
    "shorter than a header": (Fault.DAMAGED, lambda path: os.truncate(path, 50)),
    "truncated": (Fault.DAMAGED, lambda path: os.truncate(path, 5 * 4096)),
    "truncated within a page": (Fault.DAMAGED, lambda path: os.truncate(path, 5 * 4096 + 1000)),
    "overwritten": (Fault.DAMAGED, overwritten_within),
    "empty beside its log": (Fault.DAMAGED, emptied_beside_its_log),
    "of another program": (Fault.DAMAGED, of_another_program),
    "a table of another shape": (Fault.DAMAGED, edited("ALTER TABLE segment_values DROP COLUMN held")),
    "newer": (Fault.NEWER, edited("PRAGMA user_version = 99")),
    "older": (Fault.OLDER, edited("PRAGMA user_version = 4")),
    # SQLite does not see what is damaged in these; they are opened, and written to.
    "summary": (Fault.DAMAGED, edited("UPDATE summaries SET vector = x'00010203'")),
    "summary of another length": (
        Fault.DAMAGED,
        edited("UPDATE summaries SET vector = x'789c030000000001'"),
    ),
    "summary of another type": (Fault.DAMAGED, edited("UPDATE summaries SET vector = 'text'")),
    "position": (Fault.DAMAGED, edited("UPDATE positions SET position = 'x'")),
    "position of another shape": (
        Fault.DAMAGED,
        edited("""UPDATE positions SET position = '{"path": "a", "line": 3}'"""),
    ),
    "position before the file": (
        Fault.DAMAGED,
        edited("UPDATE positions SET position = replace(position, '\"offset\": ', '\"offset\": -')"),
    ),
    "counters": (
        Fault.DAMAGED,
        edited("UPDATE counters SET labels = '[' WHERE name = 'ml_predictions_total'"),
    ),
}
SEEN_BY_SQLITE = [spoil for _, spoil in list(FAULTS.values())[:-7]]


@pytest.mark.parametrize(("reason", "spoil"), FAULTS.values(), ids=FAULTS)
def test_a_state_that_cannot_be_used_is_set_aside_and_counted(
    reason: Fault, spoil: Callable[[Path], object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = model_in(tmp_path)
    state = tmp_path / "state"
    file = model.state_file(state)
    expected = counted(one_cycle(model, state))
    spoil(file)
    content = file.read_bytes()
    said = []
    with closing(RecoveringCycle(model, state)) as cycle, caplog.at_level(logging.ERROR):
        for _ in range(2):
            try:
                snapshot = run(cycle)
            except CycleError as error:
                said.append(str(error))
                assert not cycle.writable
    said += caplog.messages
    (kept,) = found_aside(file)
    assert kept.reason is reason
    if spoil in SEEN_BY_SQLITE:
        assert kept.path.read_bytes() == content
    assert [f"set aside as {kept.path.name}" in line for line in said] == [True]
    assert counted(snapshot) == expected
    assert aside(snapshot) == {reason: 1}
    # It is not counted again by a restart; another is.
    assert aside(one_cycle(model, state)) == {reason: 1}
    file.write_bytes(b"no database" * 1000)
    assert sum(aside(one_cycle(model, state)).values()) == 2
    assert len(list(found_aside(file))) == 2


def test_damage_in_mid_cycle_begins_anew_with_the_next(tmp_path: Path) -> None:
    model = model_in(tmp_path)
    with closing(RecoveringCycle(model, tmp_path / "state")) as cycle:
        expected = counted(run(cycle))
        assert isinstance(cycle._cycle, Cycle)
        cycle._cycle._store._connection.execute("UPDATE summaries SET vector = x'00010203'")
        with pytest.raises(CycleError, match=r"damaged \(summary: .*\); set aside as m\.sqlite\.set-aside-"):
            run(cycle)
        writable = [cycle.writable]
        assert "cannot be used" in cycle.trouble()[0]
        snapshot = run(cycle)
        writable.append(cycle.writable)
        assert writable == [False, True]
        (line,) = cycle.trouble()
        assert "was set aside on" in line
    assert counted(snapshot) == expected
    assert aside(snapshot) == {"damaged": 1}


def test_a_state_that_is_deleted_is_gone_with_the_process(tmp_path: Path) -> None:
    model = model_in(tmp_path)
    state = tmp_path / "state"
    with closing(RecoveringCycle(model, state)) as cycle:
        run(cycle)
        shutil.rmtree(state)
        write_lines(tmp_path / "logs/predictions.jsonl", [record(99, at=3000.0)])
        snapshot = run(cycle)
    assert snapshot.series["ml_predictions_total"] == {("m", "v1"): 31}
    assert "ml_state_size_bytes" not in snapshot.series
    assert one_cycle(model, state).series["ml_predictions_total"] == {("m", "v1"): 31}


def test_a_damaged_log_beside_the_state_costs_only_what_is_read_again(tmp_path: Path) -> None:
    """As after a crash of the machine: what is in the write-ahead log is not there; positions and counts are."""
    model = model_in(tmp_path)
    state, copy = tmp_path / "state", tmp_path / "copy"
    one_cycle(model, state)
    write_lines(tmp_path / "logs/predictions.jsonl", [record(99, at=3000.0)])
    with closing(RecoveringCycle(model, state)) as cycle:
        expected = counted(run(cycle))
        shutil.copytree(state, copy)
    log = copy / "m.sqlite-wal"
    content = bytearray(log.read_bytes())
    assert len(content) > 4096
    content[50:] = os.urandom(len(content) - 50)
    log.write_bytes(content)
    snapshot = one_cycle(model, copy)
    assert counted(snapshot) == expected
    assert aside(snapshot) == {}


def test_what_a_disk_that_damages_every_file_may_fill_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    for _ in range(10):
        path.write_bytes(b"x")
        set_aside(path, StoreError("damaged", Fault.DAMAGED))
    path.write_bytes(b"x")
    with pytest.raises(StoreError, match="damaged; not set aside: 10 files of it are since yesterday"):
        set_aside(path, StoreError("damaged", Fault.DAMAGED))
    assert path.exists()
    assert len(list(found_aside(path))) == 10


def test_the_longest_name_of_a_model_can_be_set_aside(tmp_path: Path) -> None:
    path = tmp_path / ("%D0" * 66 + "-" + "f" * 16 + ".sqlite")
    other = tmp_path / ("%D0" * 66 + "-" + "e" * 16 + ".sqlite")
    for file in (path, Path(f"{path}-wal"), other):
        file.write_bytes(file.name.encode())
    target = set_aside(path, StoreError("newer", Fault.NEWER))
    assert target.read_bytes() == path.name.encode()
    assert Path(f"{target}-wal").exists()
    assert [item.path for item in found_aside(path)] == [target]
    assert not list(found_aside(other))


def test_a_reference_of_a_first_time_outlives_its_state(tmp_path: Path) -> None:
    """The records that it was built of are not in the log any more: it could not be learnt again."""
    lines = first_references.records(1, 0, 3600)
    path = first_references.folder_of(tmp_path, lines)
    state = tmp_path / "state"
    before = first_references.measured(path, 3600, state)
    log = tmp_path / "logs/predictions.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[-600:]))
    edited("UPDATE positions SET position = 'x'")(state / "m.sqlite")
    (model,) = load_all([path])
    snapshot = one_cycle(model, state)
    (hashed,) = {values[-1] for values in snapshot.series["ml_reference_info"]}
    assert hashed == first_references.content(before, "launch") != ""
    assert aside(snapshot) == {"damaged": 1}


@contextmanager
def as_somebody(folder: Path) -> Iterator[None]:
    """Run as a user whom permissions bind."""
    if os.geteuid():
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_an_unwritable_file_is_set_aside_and_an_unwritable_folder_refused() -> None:
    # Beside pytest's own folders, which nobody else may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = model_in(folder)
        state = folder / "state"
        expected = counted(one_cycle(model, state))
        file = model.state_file(state)
        with as_somebody(folder):
            file.chmod(0)
            state.chmod(0o500)
            with pytest.raises(StoreError, match="cannot be set aside: Permission denied") as refused:
                RecoveringCycle(model, state)
            assert refused.value.fault is Fault.UNWRITABLE
            state.chmod(0o700)
            snapshot = one_cycle(model, state)
            assert counted(snapshot) == expected
            assert aside(snapshot) == {"unwritable": 1}


NO_ROOM = 65536
"""A limit to files that leaves room for what a cycle reads, and none for what it writes."""


class Limit:
    """A full disk as every system has it: no file of this process grows any more."""

    def fill(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (NO_ROOM, self._before[1]))

    def make_room(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


class SmallDisk:
    """A full disk: a file system of 2 MiB."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                with suppress(OSError):
                    while file.write(bytes(size)):
                        pass

    def make_room(self) -> None:
        self._filler.unlink()


@pytest.fixture(params=["file system", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Limit | SmallDisk]]:
    """A folder for the state, and what can fill its disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "limit":
        yield folder, Limit()
        return
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a file system here")
    try:
        yield folder, SmallDisk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_pauses_and_loses_nothing(
    disk: tuple[Path, Limit | SmallDisk], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, space = disk
    model = model_in(tmp_path)
    with closing(RecoveringCycle(model, folder / "state")) as cycle, caplog.at_level(logging.INFO):
        run(cycle)
        write_lines(tmp_path / "logs/predictions.jsonl", [record(n, at=3000.0 + n) for n in range(100, 350)])
        write_lines(tmp_path / "logs/labels.jsonl", [{"id": f"r{n}", "label": 1} for n in range(100, 200)])
        space.fill()
        try:
            for _ in range(3):
                with pytest.raises(CycleError, match="nothing is read until it can be written"):
                    run(cycle)
                assert not cycle.writable
        finally:
            space.make_room()
        snapshot = run(cycle)
        assert cycle.writable
        assert not cycle.trouble()
    assert counted(snapshot) == counted(one_cycle(model, None)) | {
        # Twice read: the first labels came before the others, and are no later for it.
        name: dict(snapshot.series[name])
        for name in ("ml_sink_late_records_total",)
    }
    assert "in use again" in caplog.text


def test_on_a_full_disk_it_starts_paused(disk: tuple[Path, Limit | SmallDisk], tmp_path: Path) -> None:
    folder, space = disk
    model = model_in(tmp_path)
    space.fill()
    try:
        cycle = RecoveringCycle(model, folder / "state")
        assert not cycle.writable
        with pytest.raises(CycleError):
            run(cycle)
    finally:
        space.make_room()
    with closing(cycle):
        assert counted(run(cycle)) == counted(one_cycle(model, None))
        assert cycle.writable


@contextmanager
def descriptors(number: int) -> Iterator[None]:
    """Leave so many descriptors to be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 400), hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(number):
            os.close(taken.pop())
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("number", range(7))
def test_exhausted_descriptors_set_nothing_aside(number: int, tmp_path: Path) -> None:
    model = model_in(tmp_path)
    copy = tmp_path / "copy"
    with closing(RecoveringCycle(model, tmp_path / "state")) as before:
        expected = counted(run(before))
        # As after a kill: the log is there.
        shutil.copytree(tmp_path / "state", copy)
    with (
        descriptors(number),
        suppress(StoreError, CycleError),
        closing(RecoveringCycle(model, copy)) as cycle,
    ):
        run(cycle)
    assert counted(one_cycle(model, copy)) == expected
    assert not list(found_aside(model.state_file(copy)))


@pytest.mark.slow
def test_a_daemon_serves_old_gauges_through_a_full_disk_and_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "logs/predictions.jsonl"
    write_lines(log, [now_record(0)])
    write_monitor(tmp_path, monitor(labels=None, schedule="200ms"))
    with daemon(tmp_path) as running:
        gauges = running.wait_for(total(1))
        assert value(gauges, "ml_state_writable", model="m") == 1
        pid = running.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (NO_ROOM, resource.RLIM_INFINITY))
        write_lines(log, [now_record(number) for number in range(1, 50)])
        gauges = running.wait_for(lambda gauges: value(gauges, "ml_state_writable", model="m") == 0)
        assert total(1)(gauges)
        stamp = "ml_monitor_last_success_timestamp_seconds"
        old = value(gauges, stamp)
        assert value(running.gauges(), stamp) == old
        assert running.get("/-/healthy")[0] == 200
        assert "The state file cannot be used" in running.get("/")[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        gauges = running.wait_for(total(50))
        assert value(gauges, "ml_state_writable", model="m") == 1
        assert value(gauges, "ml_sink_records_total", sink="predictions") == 50
        assert "The state file cannot be used" not in running.get("/")[1]


@pytest.mark.slow
def test_a_daemon_with_a_damaged_state_goes_on_and_says_so(tmp_path: Path) -> None:
    log = tmp_path / "logs/predictions.jsonl"
    write_lines(log, [now_record(number) for number in range(20)])
    write_monitor(tmp_path, monitor(labels=None, schedule="200ms"))
    with daemon(tmp_path) as running:
        running.wait_for(total(20))
    overwritten_within(tmp_path / "state/m.sqlite")
    with daemon(tmp_path) as running:
        gauges = running.wait_for(total(20))
        assert value(gauges, "ml_state_set_aside_total", reason="damaged") == 1
        assert value(gauges, "ml_state_writable", model="m") == 1
        assert "A state file (damaged) was set aside on" in running.get("/")[1]
