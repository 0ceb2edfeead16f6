"""The file sink against a model: whatever happens to the files, every whole line is read exactly once."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from exporter.sinks import SinkError, content
from exporter.sinks.files import FileSink
from tests.support.properties import examples


class Files(RuleBasedStateMachine):
    """Interleaves writing, rotating, truncating, removing, restarting and reading."""

    glob = "log*.jsonl"

    @initialize()
    def start(self) -> None:
        self.folder = TemporaryDirectory()
        self.pattern = Path(self.folder.name) / self.glob
        self.current = Path(self.folder.name) / "log.jsonl"
        self.positions: dict[str, str] = {}
        self.sink = FileSink(self.pattern, self.positions)
        self.written: list[str] = []
        self.read: list[str] = []
        self.partial = ""
        self.number = 0
        self.rotations = 0
        self.unread_bytes = False

    def append(self, text: str) -> None:
        with self.current.open("a") as file:
            file.write(text)
        self.unread_bytes = True

    @rule(lines=st.integers(1, 30), size=st.integers(0, 60))
    def write(self, lines: int, size: int) -> None:
        for _ in range(lines):
            line = json.dumps({"n": self.number, "x": "y" * size})
            self.append((line if not self.partial else line[len(self.partial) :]) + "\n")
            self.partial = ""
            self.written.append(line)
            self.number += 1

    @precondition(lambda self: not self.partial)
    @rule(part=st.integers(1, 4))
    def write_a_part_of_a_line(self, part: int) -> None:
        # The rest of this line, whatever its size, begins with the same characters.
        self.partial = json.dumps({"n": self.number, "x": ""})[:part]
        self.append(self.partial)

    @precondition(lambda self: self.current.exists() and not self.partial)
    @rule()
    def rotate_within_the_pattern(self) -> None:
        self.rotations += 1
        self.current.rename(self.current.with_name(f"log-{self.rotations}.jsonl"))

    @precondition(lambda self: self.current.exists() and not self.partial)
    @rule()
    def rotate_out_of_the_pattern(self) -> None:
        # The sink must have seen the file to hold on to it.
        self.read_all()
        self.rotations += 1
        self.current.rename(self.current.with_name(f"old-{self.rotations}"))

    @precondition(lambda self: self.current.exists() and not self.partial)
    @rule()
    def remove_after_reading(self) -> None:
        self.read_all()
        self.current.unlink()

    @precondition(lambda self: self.current.exists() and not self.partial)
    @rule()
    def truncate_after_reading(self) -> None:
        self.read_all()
        self.current.write_text("")
        self.read_all()

    @rule()
    def restart(self) -> None:
        self.sink.close()
        self.sink = FileSink(self.pattern, self.positions)

    @rule()
    def crash_before_committing(self) -> None:
        """Batches that were read, but not committed, are read again."""
        try:
            for _ in self.sink.batches():
                break
        except SinkError:
            pass
        self.sink.close()
        self.sink = FileSink(self.pattern, self.positions)

    @rule()
    def read_all(self) -> None:
        try:
            for batch in self.sink.batches():
                assert not batch.lines or batch.lines.tobytes().endswith(b"\n")
                self.read += batch.lines.tobytes().decode().splitlines()
                self.positions.update(batch.positions)
        except SinkError:
            pass

    @rule()
    def everything_whole_was_read_once(self) -> None:
        self.read_all()
        assert sorted(self.read, key=lambda line: json.loads(line)["n"]) == self.written

    @invariant()
    def nothing_is_read_twice(self) -> None:
        if hasattr(self, "read"):
            assert len(set(self.read)) == len(self.read)

    def teardown(self) -> None:
        if hasattr(self, "sink"):
            self.sink.close()
            self.folder.cleanup()


TestFiles = Files.TestCase
TestFiles.settings = settings(max_examples=examples(80), stateful_step_count=40, deadline=None)


def test_copy_and_truncate_within_the_pattern_is_read_once(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f'{{"a": {number}}}\n' for number in range(100)))
    sink = FileSink(tmp_path / "log.jsonl*", {})
    assert len(lines(sink)) == 100
    with log.open("a") as file:
        file.write('{"a": 100}\n')
    (tmp_path / "log.jsonl.1").write_bytes(log.read_bytes())
    log.write_text('{"a": 101}\n')
    assert sorted(lines(sink)) == [b'{"a": 100}', b'{"a": 101}']
    sink.close()


def lines(sink: FileSink, *, final: bool = False) -> list[bytes]:
    return [line for batch in sink.batches(final=final) for line in batch.lines.tobytes().splitlines()]


def test_a_file_replaced_by_a_longer_one_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"a": 1}\n')
    sink = FileSink(log, {})
    assert lines(sink) == [b'{"a": 1}']
    with log.open("r+") as file:
        file.write('{"b": 1}\n{"b": 2}\n')
    assert lines(sink) == [b'{"b": 1}', b'{"b": 2}']
    sink.close()


def test_a_copy_under_the_same_name_is_the_same_file(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"a": 1}\n')
    positions: dict[str, str] = {}
    sink = FileSink(log, positions)
    for batch in sink.batches():
        positions.update(batch.positions)
    sink.close()
    copy = tmp_path / "copy"
    copy.write_text(log.read_text() + '{"a": 2}\n')
    copy.replace(log)
    again = FileSink(log, positions)
    assert lines(again) == [b'{"a": 2}']
    again.close()


def test_lines_longer_than_a_batch_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content.Content, "most", 64)
    log = tmp_path / "log.jsonl"
    log.write_text('{"a": 1}\n{"long": "' + "x" * 500 + '"}\n{"a": 2}\n{"a": 3}\n')
    sink = FileSink(log, {})
    batches = [(batch.lines.tobytes(), batch.too_long) for batch in sink.batches()]
    assert b"".join(lines for lines, _ in batches) == b'{"a": 1}\n{"a": 2}\n{"a": 3}\n'
    assert sum(too_long for _, too_long in batches) == 1
    assert sink.lag() == 0
    sink.close()


def test_a_log_moved_out_of_the_glob_is_read_to_its_end_and_the_sink_is_down(tmp_path: Path) -> None:
    """The glob decides, not what is held open: else a log that moved for good would be up, and silent, for ever."""
    log = tmp_path / "log.jsonl"
    log.write_text('{"a": 1}\n')
    sink = FileSink(tmp_path / "*.jsonl", {})
    assert lines(sink) == [b'{"a": 1}']
    with log.rename(tmp_path / "moved").open("a") as file:
        for number in (2, 3):
            print(f'{{"a": {number}}}', file=file, flush=True)
            batches = sink.batches()
            assert next(batches).lines.tobytes() == f'{{"a": {number}}}\n'.encode()
            with pytest.raises(SinkError, match="no file matches"):
                next(batches)
    log.write_text('{"b": 1}\n')
    assert lines(sink) == [b'{"b": 1}']
    sink.close()


def test_nothing_to_read_is_an_error_of_the_sink(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="no file matches"):
        list(FileSink(tmp_path / "*.jsonl", {}).batches())
