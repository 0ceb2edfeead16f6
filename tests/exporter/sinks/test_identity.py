"""Which file is which: told by content where names, inodes and links change, while the sink runs or is down."""

from __future__ import annotations

import gzip
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from exporter.sinks.files import FileSink
from exporter.sinks.files import file as file_sink
from exporter.sinks.positions import HEAD


class Reading:
    """A sink and what it has committed."""

    def __init__(self, pattern: Path) -> None:
        self.pattern = pattern
        self.positions: dict[str, str] = {}
        self.sink = FileSink(pattern, self.positions)

    def read(self) -> list[bytes]:
        found: list[bytes] = []
        for batch in self.sink.batches():
            found += batch.lines.tobytes().splitlines()
            self.positions.update(batch.positions)
        return found

    def restart(self) -> None:
        self.sink.close()
        self.sink = FileSink(self.pattern, self.positions)

    def close(self) -> None:
        self.sink.close()


def numbered(first: int, last: int) -> bytes:
    return b"".join(b'{"n": %d}\n' % number for number in range(first, last))


def expected(first: int, last: int) -> list[bytes]:
    return numbered(first, last).splitlines()


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def swap(link: Path, target: str) -> None:
    """Let a link lead elsewhere, in one step."""
    new = link.with_name("new")
    new.symlink_to(target)
    new.replace(link)


def test_another_file_in_the_same_inode_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(numbered(0, 100))
    with closing(Reading(log)) as reading:
        assert reading.read() == expected(0, 100)
        reading.restart()
        inode = log.stat().st_ino
        # As where a removed file's inode is given to the next: longer than what was read.
        log.write_bytes(numbered(200, 400))
        assert log.stat().st_ino == inode
        assert reading.read() == expected(200, 400)


def test_another_file_under_the_same_name_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(numbered(0, 100))
    with closing(Reading(log)) as reading:
        assert reading.read() == expected(0, 100)
        reading.restart()
        (tmp_path / "new").write_bytes(numbered(200, 400))
        (tmp_path / "new").replace(log)
        assert reading.read() == expected(200, 400)


def test_an_inode_that_a_later_copy_gets_is_not_taken_for_the_original(tmp_path: Path) -> None:
    """An editor saves under the same name; a compressed copy then gets the inode that became free."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(numbered(0, 10))
    with closing(Reading(tmp_path / "log.jsonl*")) as reading:
        assert reading.read() == expected(0, 10)
        (old,) = reading.positions
        (tmp_path / "new").write_bytes(numbered(0, 20))
        (tmp_path / "new").replace(log)
        assert reading.read() == expected(10, 20)
        assert reading.read() == []
        reading.restart()
        (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(numbered(0, 20)))
        status = (tmp_path / "log.jsonl.gz").stat()
        # Whether the file system gives it to this one is its own affair: the position is what matters.
        renamed = reading.positions.pop(old).replace(
            f'"inode": {old.split(":")[1]}', f'"inode": {status.st_ino}'
        )
        reading.positions[f"{status.st_dev}:{status.st_ino}"] = renamed
        reading.restart()
        assert reading.read() == []
        log.unlink()
        assert reading.read() == []


def test_files_that_begin_with_the_same_lines_are_read_each_for_itself(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_bytes(
            b'{"model": "loaded"}\n' + b'{"from": "%s"}\n' % name.encode()
        )
    with closing(Reading(tmp_path / "*.jsonl")) as reading:
        assert sorted(reading.read()) == [b'{"from": "a"}', b'{"from": "b"}', *[b'{"model": "loaded"}'] * 2]
        reading.restart()
        (tmp_path / "c.jsonl").write_bytes(b'{"model": "loaded"}\n{"from": "c"}\n')
        assert reading.read() == [b'{"model": "loaded"}', b'{"from": "c"}']


def test_a_file_that_goes_on_from_all_that_was_read_of_another_is_its_copy(tmp_path: Path) -> None:
    """What the page of promises warns of: a first line that two logs share is read once, if it was all there was."""
    (tmp_path / "a.jsonl").write_bytes(b'{"model": "loaded"}\n')
    with closing(Reading(tmp_path / "*.jsonl")) as reading:
        assert reading.read() == [b'{"model": "loaded"}']
        (tmp_path / "b.jsonl").write_bytes(b'{"model": "loaded"}\n{"from": "b"}\n')
        assert reading.read() == [b'{"from": "b"}']


def test_a_wide_header_that_all_files_share_delays_none(tmp_path: Path) -> None:
    """Rotated by renaming, the next file begins as the last one did, and is shorter for long."""
    header = b",".join(b"feature_%04d" % number for number in range(500)) + b"\n"
    assert len(header) > HEAD
    row = b",".join([b"%d"] * 500) + b"\n"
    log = tmp_path / "log.csv"
    with closing(Reading(tmp_path / "log*.csv")) as reading:
        log.write_bytes(header)
        for number in range(1, 9):
            append(log, row % ((number,) * 500))
            assert len(reading.read()) == 1
        log.rename(tmp_path / "log-1.csv")
        log.write_bytes(header)
        for number in range(1, 9):
            append(log, row % ((-number,) * 500))
            assert len(reading.read()) == 1


@pytest.mark.parametrize("down", [False, True])
def test_a_link_to_a_file_leads_to_another_one(down: bool, tmp_path: Path) -> None:
    """`current.jsonl` leads to the newest; those before are outside of the pattern."""
    (tmp_path / "1").write_bytes(numbered(0, 10))
    link = tmp_path / "current.jsonl"
    link.symlink_to("1")
    with closing(Reading(link)) as reading:
        assert reading.read() == expected(0, 10)
        append(tmp_path / "1", numbered(10, 15))
        if down:
            reading.restart()
        (tmp_path / "2").write_bytes(numbered(20, 30))
        swap(link, "2")
        # While it runs, it holds the one before.
        assert reading.read() == ([] if down else expected(10, 15)) + expected(20, 30)
        swap(link, "1")
        assert reading.read() == (expected(10, 15) if down else [])


@pytest.mark.parametrize("down", [False, True])
def test_a_link_to_a_folder_leads_to_another_one(down: bool, tmp_path: Path) -> None:
    """As Kubernetes swaps `..data`, and deployments swap `current`."""
    for number, content in ((1, numbered(0, 10)), (2, numbered(20, 30))):
        (tmp_path / f"release-{number}").mkdir()
        (tmp_path / f"release-{number}/log.jsonl").write_bytes(content)
    link = tmp_path / "current"
    link.symlink_to("release-1")
    with closing(Reading(link / "*.jsonl")) as reading:
        assert reading.read() == expected(0, 10)
        append(tmp_path / "release-1/log.jsonl", numbered(10, 15))
        if down:
            reading.restart()
        swap(link, "release-2")
        assert reading.read() == ([] if down else expected(10, 15)) + expected(20, 30)


def test_links_that_lead_elsewhere_are_followed_and_a_file_of_two_names_is_read_once(tmp_path: Path) -> None:
    """`/var/log/containers/*.log` are links into `/var/log/pods`."""
    (tmp_path / "pods").mkdir()
    (tmp_path / "pods/0.log").write_bytes(numbered(0, 10))
    (tmp_path / "containers").mkdir()
    for name in ("a.log", "b.log"):
        (tmp_path / "containers" / name).symlink_to("../pods/0.log")
    (tmp_path / "containers/hard.log").hardlink_to(tmp_path / "pods/0.log")
    with closing(Reading(tmp_path / "containers/*.log")) as reading:
        assert reading.read() == expected(0, 10)
        append(tmp_path / "pods/0.log", numbered(10, 20))
        assert reading.read() == expected(10, 20)


def test_inodes_and_devices_that_change_with_a_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system numbers its files anew: each is known by its content, and goes on where it was."""
    for number in range(5):
        (tmp_path / f"log-{number}.jsonl").write_bytes(numbered(100 * number, 100 * number + 50))
    with closing(Reading(tmp_path / "*.jsonl")) as reading:
        assert len(reading.read()) == 250
        for mount in range(1, 4):
            # Numbers of the files before go to others, as 0, 1, 2 ... do.
            names = sorted(tmp_path.glob("*.jsonl"))
            copies = [path.rename(tmp_path / path.name.replace(".jsonl", ".old")) for path in names]
            for place, path in enumerate(names):
                shutil.copyfile(copies[place], path)
                copies[place].unlink()
                append(path, b'{"mount": %d}\n' % mount)
            monkeypatch.setattr(
                file_sink, "key_of", lambda status, _, mount=mount: f"{mount}:{status.st_ino}"
            )
            reading.restart()
            assert reading.read() == [b'{"mount": %d}' % mount] * 5
            assert reading.read() == []


def test_inodes_that_are_swapped(tmp_path: Path) -> None:
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    a.write_bytes(numbered(0, 10))
    b.write_bytes(numbered(100, 150))
    for first, second in ((a, b), (b, a)):
        with closing(Reading(tmp_path / "*.jsonl")) as reading:
            assert len(reading.read()) == 60
            reading.restart()
            contents = first.read_bytes(), second.read_bytes()
            first.rename(tmp_path / "new")
            second.rename(first)
            (tmp_path / "new").rename(second)
            first.write_bytes(contents[0])
            second.write_bytes(contents[1])
            assert reading.read() == []


def test_files_without_inodes_are_known_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file system says 0 for each, all of them are read nevertheless."""
    real = os.stat, os.fstat

    def without(status: os.stat_result) -> os.stat_result:
        return os.stat_result((*status[:1], 0, *status[2:]), {"st_mtime_ns": status.st_mtime_ns})

    for number in range(3):
        (tmp_path / f"log-{number}.jsonl").write_bytes(numbered(100 * number, 100 * number + 50))
    monkeypatch.setattr(os, "stat", lambda *a, **k: without(real[0](*a, **k)))
    monkeypatch.setattr(os, "fstat", lambda *a, **k: without(real[1](*a, **k)))
    with closing(Reading(tmp_path / "*.jsonl")) as reading:
        assert len(reading.read()) == 150
        append(tmp_path / "log-1.jsonl", b'{"more": 1}\n')
        assert reading.read() == [b'{"more": 1}']
        reading.restart()
        append(tmp_path / "log-0.jsonl", b'{"more": 0}\n')
        assert reading.read() == [b'{"more": 0}']


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_lines_written_between_a_copy_and_the_truncation_double_nothing(
    ending: str, down: bool, tmp_path: Path
) -> None:
    """They were read from the log, so that the copy is shorter than what was."""
    log, copy = tmp_path / "log.jsonl", tmp_path / f"log.jsonl.1{ending}"
    log.write_bytes(numbered(0, 1000))
    with closing(Reading(tmp_path / "log.jsonl*")) as reading:
        assert len(reading.read()) == 1000
        copied = log.read_bytes()
        append(log, numbered(1000, 1010))
        assert reading.read() == expected(1000, 1010)
        copy.write_bytes(gzip.compress(copied) if ending else copied)
        if down:
            reading.restart()
        os.truncate(log, 0)
        append(log, numbered(2000, 2005))
        assert reading.read() == expected(2000, 2005)
        assert reading.read() == []
        os.utime(copy, (1, 1))
        assert reading.read() == []


def test_a_log_and_a_plain_copy_that_are_new_at_once_both_count(tmp_path: Path) -> None:
    """What the page of promises excepts."""
    for name in ("log.jsonl", "log.jsonl.1"):
        (tmp_path / name).write_bytes(numbered(0, 10))
    with closing(Reading(tmp_path / "log.jsonl*")) as reading:
        assert reading.read() == expected(0, 10) * 2


def test_a_copy_of_a_log_that_is_truncated_while_they_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, copy = tmp_path / "log.jsonl", tmp_path / "log.jsonl.1"
    log.write_bytes(numbered(0, 10))
    with closing(Reading(tmp_path / "log.jsonl*")) as reading:
        assert reading.read() == expected(0, 10)
        append(log, numbered(10, 20))
        shutil.copyfile(log, copy)
        adopt = reading.sink._adopt

        def slow(key: str, path: str, *rest: object, **options: object) -> object:
            found = adopt(key, path, *rest, **options)  # type: ignore[arg-type]
            if path == str(copy):
                log.write_bytes(numbered(50, 55))
            return found

        monkeypatch.setattr(reading.sink, "_adopt", slow)
        assert sorted(reading.read()) == sorted(expected(10, 20) + expected(50, 55))
        monkeypatch.undo()
        reading.restart()
        assert reading.read() == []


def test_a_log_that_lost_its_end_is_not_read_again(tmp_path: Path) -> None:
    """As after a crash of the machine: what is left of it was read."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(numbered(0, 1000))
    with closing(Reading(log)) as reading:
        reading.read()
        append(log, numbered(1000, 1010))
        reading.read()
        reading.restart()
        os.truncate(log, len(numbered(0, 1005)))
        assert reading.read() == []
        append(log, numbered(2000, 2005))
        assert reading.read() == expected(2000, 2005)


def test_a_log_written_over_before_it_leaves_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(numbered(0, 10))
    (tmp_path / "other.jsonl").touch()
    with closing(Reading(tmp_path / "*.jsonl")) as reading:
        assert reading.read() == expected(0, 10)
        log.write_bytes(numbered(20, 60))
        log.rename(tmp_path / "elsewhere")
        assert reading.read() == expected(20, 60)


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz"])
def test_what_was_read_of_a_new_file_in_an_old_inode_stays_read(name: str, tmp_path: Path) -> None:
    log = tmp_path / name
    pack = gzip.compress if name.endswith(".gz") else bytes
    log.write_bytes(pack(numbered(0, 10)))
    with closing(Reading(log)) as reading:
        assert reading.read() == expected(0, 10)
        log.write_bytes(pack(numbered(20, 30)))
        assert reading.read() == expected(20, 30)
        assert reading.read() == []
        append(log, pack(numbered(30, 40)))
        reading.restart()
        assert reading.read() == expected(30, 40)
