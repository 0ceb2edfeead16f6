"""Compressed files: of several members, growing, damaged, and made of a log that was read in part."""

from __future__ import annotations

import gzip
import json
import os
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from exporter.sinks import SinkError
from exporter.sinks.files import FileSink
from tests.exporter.sinks.test_file import Files
from tests.support.properties import examples

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
LONG_AGO = 1_600_000_000


class CompressedFiles(Files):
    """Compresses rotated files as well, at once or slowly, while the sink runs or not; and a log written compressed."""

    glob = "log*"
    ending = ".gz"

    @initialize()
    def begin(self) -> None:
        self.rest = b""

    def rotated(self) -> list[Path]:
        return sorted(self.current.parent.glob("log-*.jsonl"))

    @precondition(lambda self: self.rotated())
    @rule(
        choice=st.integers(0, 5),
        part=st.floats(0, 1),
        reads=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        restarts=st.booleans(),
    )
    def compress(self, choice: int, part: float, reads: tuple[bool, bool, bool], restarts: bool) -> None:
        files = self.rotated()
        original = files[choice % len(files)]
        compressed = COMPRESS[self.ending](original.read_bytes())
        copy = original.with_name(original.name + self.ending)
        copy.write_bytes(compressed[: int(part * len(compressed))])
        if reads[0]:
            self.read_all()
        copy.write_bytes(compressed)
        if reads[1]:
            self.read_all()
        if restarts:
            self.restart()
        original.unlink()
        if reads[2]:
            self.read_all()

    @rule(number=st.integers(1, 30), part=st.floats(0, 1), reads=st.booleans())
    def append_a_member(self, number: int, part: float, reads: bool) -> None:
        lines = [json.dumps({"n": self.number + further}) for further in range(number)]
        self.number += number
        member = COMPRESS[self.ending]("".join(line + "\n" for line in lines).encode())
        place = int(part * len(member))
        with (self.current.parent / f"log-members.jsonl{self.ending}").open("ab") as file:
            file.write(member[:place])
            file.flush()
            if reads:
                self.read_all()
            file.write(member[place:])
        self.written += lines


class ZstdFiles(CompressedFiles):
    """The same with zstandard."""

    ending = ".zst"


for machine in (CompressedFiles, ZstdFiles):
    machine.TestCase.settings = settings(max_examples=examples(25), stateful_step_count=25, deadline=None)
TestCompressedFiles = CompressedFiles.TestCase
TestZstdFiles = ZstdFiles.TestCase


def read(sink: FileSink, positions: dict[str, str], final: bool = False) -> list[bytes]:
    found: list[bytes] = []
    read_into(found, sink, positions, final)
    return found


def read_into(found: list[bytes], sink: FileSink, positions: dict[str, str], final: bool = False) -> None:
    for batch in sink.batches(final=final):
        found += batch.lines.tobytes().splitlines()
        positions.update(batch.positions)


def numbered(first: int, last: int, size: int = 0) -> bytes:
    return b"".join(b'{"n": %d, "x": "%s"}\n' % (number, b"y" * size) for number in range(first, last))


@pytest.mark.parametrize("ending", COMPRESS)
def test_rotated_and_compressed_while_down(ending: str, tmp_path: Path) -> None:
    """`app.log` was read in part, and became `app.log.1`, then `app.log.2.gz`."""
    log = tmp_path / "app.log"
    log.write_bytes(numbered(0, 500))
    positions: dict[str, str] = {}
    sink = FileSink(tmp_path / "app.log*", positions)
    assert len(read(sink, positions)) == 500
    sink.close()
    with log.open("ab") as file:
        file.write(numbered(500, 900))
    (tmp_path / f"app.log.2{ending}").write_bytes(COMPRESS[ending](log.read_bytes()))
    log.unlink()
    (tmp_path / "app.log.1").write_bytes(numbered(900, 950))
    log.write_bytes(numbered(950, 960))
    for expected in (numbered(500, 960).splitlines(), []):
        sink = FileSink(tmp_path / "app.log*", positions)
        assert sorted(read(sink, positions), key=lambda line: json.loads(line)["n"]) == expected
        assert sink.lag() == 0
        sink.close()


@pytest.mark.parametrize("ending", COMPRESS)
def test_copied_compressed_and_truncated_while_down(ending: str, tmp_path: Path) -> None:
    """The position in the copy is kept when the position in the original is written over."""
    log = tmp_path / "app.log"
    log.write_bytes(numbered(0, 500))
    positions: dict[str, str] = {}
    sink = FileSink(tmp_path / "app.log*", positions)
    assert len(read(sink, positions)) == 500
    sink.close()
    (tmp_path / f"app.log.1{ending}").write_bytes(COMPRESS[ending](log.read_bytes()))
    log.write_bytes(numbered(500, 510))
    for expected in (numbered(500, 510).splitlines(), [], []):
        sink = FileSink(tmp_path / "app.log*", positions)
        assert read(sink, positions) == expected
        sink.close()


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("final", [True, False])
def test_a_copy_beside_its_original_is_not_read(ending: str, final: bool, tmp_path: Path) -> None:
    """As `gzip --keep` leaves it, or as it is while it is being made."""
    content = numbered(0, 3000)
    (tmp_path / "app.log").write_bytes(content)
    copy = tmp_path / f"app.log{ending}"
    compressed = COMPRESS[ending](content)
    positions: dict[str, str] = {}
    sink = FileSink(tmp_path / "app.log*", positions)
    for length in (0, 10, len(compressed) // 2, len(compressed)) if not final else (len(compressed),):
        copy.write_bytes(compressed[:length])
        read(sink, positions, final)
    assert read(sink, positions, final) == []
    (tmp_path / "app.log").unlink()
    assert read(sink, positions, final) == read(sink, positions, final) == []
    sink.close()


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_growing_member_is_read_as_far_as_it_goes(ending: str, tmp_path: Path) -> None:
    content = b"".join(b'{"n": %d, "x": "%s"}\n' % (n, os.urandom(200).hex().encode()) for n in range(4000))
    compressed = COMPRESS[ending](content)
    log = tmp_path / f"app.log{ending}"
    positions: dict[str, str] = {}
    sink = FileSink(log, positions)
    found: list[bytes] = []
    parts = 20
    for number in range(1, parts + 1):
        log.write_bytes(compressed[: len(compressed) * number // parts])
        found += read(sink, positions)
        assert len(found) > 4000 * (number - 2) / parts
        if number % 7 == 0:
            sink.close()
            sink = FileSink(log, positions)
    assert found == content.splitlines()
    assert sink.lag() == 0
    sink.close()


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_damaged_file_does_not_hold_up_the_others(ending: str, tmp_path: Path) -> None:
    whole = COMPRESS[ending](b"".join(numbered(n, n + 1, n % 90) for n in range(50_000)))
    damaged = bytearray(whole)
    damaged[len(damaged) // 2 :] = os.urandom(len(damaged) - len(damaged) // 2)
    (tmp_path / f"a{ending}").write_bytes(damaged)
    (tmp_path / f"b{ending}").write_bytes(COMPRESS[ending](numbered(0, 10)))
    positions: dict[str, str] = {}
    sink = FileSink(tmp_path / "*", positions)
    found: list[bytes] = []
    for _ in range(2):
        with pytest.raises(SinkError, match=f"^{tmp_path}/a{ending}: damaged: "):
            read_into(found, sink, positions)
    assert found[-10:] == numbered(0, 10).splitlines()
    assert found[:15_000] == [line for n in range(15_000) for line in numbered(n, n + 1, n % 90).splitlines()]
    assert found.count(found[100]) == 1
    (tmp_path / f"a{ending}").unlink()
    assert read(sink, positions) == []
    sink.close()


def test_an_unfinished_file_like_no_other_is_read_in_the_end(tmp_path: Path) -> None:
    """A short one may become a copy of a file that was read; after a minute it does not."""
    positions: dict[str, str] = {}
    (tmp_path / "a.log").write_bytes(numbered(0, 10))
    sink = FileSink(tmp_path / "*", positions)
    read(sink, positions)
    compressor = zlib.compressobj(wbits=31)
    part = compressor.compress(numbered(10, 20)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    (tmp_path / "b.gz").write_bytes(part)
    assert read(sink, positions) == []
    assert sink.lag() == len(part)
    os.utime(tmp_path / "b.gz", (LONG_AGO, LONG_AGO))
    assert read(sink, positions) == numbered(10, 20).splitlines()
    assert sink.lag() == 0
    sink.close()


@pytest.mark.slow
@pytest.mark.parametrize("ending", COMPRESS)
def test_memory_does_not_grow_with_the_file(ending: str, tmp_path: Path) -> None:
    log = tmp_path / f"app.log{ending}"
    with log.open("wb") as file:
        for part in range(20):
            file.write(COMPRESS[ending](numbered(part * 10_000, (part + 1) * 10_000, 1000)))
    sink = FileSink(log, {})
    tracemalloc.start()
    lines = sum(batch.lines.tobytes().count(b"\n") for batch in sink.batches())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sink.close()
    assert lines == 200_000
    # A batch, the one before it, the copy that the test makes.
    assert peak < 40 << 20


def test_without_zstandard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "a.zst").write_bytes(COMPRESS[".zst"](b"{}\n"))
    sink = FileSink(tmp_path / "*", {})
    with pytest.raises(SinkError, match=r"a.zst: needs the extra 'zstd' \(see docs/install.md\)"):
        list(sink.batches())
    with pytest.raises(SinkError, match="needs the extra 'zstd'"):
        sink.sample(3)
    sink.close()


@pytest.mark.parametrize("ending", COMPRESS)
def test_what_is_unread_in_both_is_read_once(ending: str, tmp_path: Path) -> None:
    log = tmp_path / "app.log.1"
    log.write_bytes(numbered(0, 500))
    positions: dict[str, str] = {}
    sink = FileSink(tmp_path / "app.log*", positions)
    assert len(read(sink, positions)) == 500
    with log.open("ab") as file:
        file.write(numbered(500, 600))
    (tmp_path / f"app.log.1{ending}").write_bytes(COMPRESS[ending](log.read_bytes()))
    assert read(sink, positions) == numbered(500, 600).splitlines()
    log.unlink()
    for _ in range(2):
        assert read(sink, positions) == []
        sink.close()
        sink = FileSink(tmp_path / "app.log*", positions)
    sink.close()
