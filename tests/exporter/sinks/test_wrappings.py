"""Wrapped logs give the figures of plain ones, whatever is between their lines and wherever reading stops."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.parse.json_lines import LONGEST_RECORD
from exporter.sinks.files import FileSink
from exporter.sinks.records import Cutter
from exporter.sinks.wrappings import Unwrapped, unwrap
from exporter.sinks.wrappings.text import logfmt
from tests.support.commands import exporter
from tests.support.logs import Gauges, monitor, once, record, write_lines, write_monitor

STAMP = "2026-01-10T00:00:00.123456789Z"
MARK = 16 * 1024


def docker(text: str, stream: str = "stdout", size: int = MARK) -> Iterator[str]:
    """Lines of Docker's json-file driver, with pieces of at most ``size``."""
    for start in range(0, len(text) + 1, size):
        log = (text + "\n")[start : start + size]
        yield json.dumps({"log": log, "stream": stream, "time": STAMP}, separators=(",", ":"))


def cri(text: str, stream: str = "stdout", size: int = MARK) -> Iterator[str]:
    """Lines of a CRI runtime, with pieces of at most ``size``."""
    pieces = [text[start : start + size] for start in range(0, len(text), size)] or [""]
    for piece in pieces[:-1]:
        yield f"{STAMP} {stream} P {piece}"
    yield f"{STAMP} {stream} F {pieces[-1]}"


def flat(item: dict[str, Any]) -> str:
    """One record as logfmt."""
    members = {**item, **{f"features.{name}": value for name, value in item["features"].items()}}
    del members["features"]
    return " ".join(
        f"{key}={value if key != 'note' else json.dumps(value)}" for key, value in members.items()
    )


Wrapping = Callable[[dict[str, Any]], Sequence[str]]
# The usual ones are in tests/formats.
WRAPPINGS: dict[str, Wrapping] = {
    "docker with attrs": lambda item: [
        json.dumps(
            {"log": json.dumps(item) + "\n", "stream": "stderr", "attrs": {"tag": "x"}, "time": STAMP},
            separators=(",", ":"),
        )
    ],
    "docker in pieces": lambda item: [*docker(json.dumps(item), size=50)],
    "cri in pieces": lambda item: [*cri(json.dumps(item), "stderr", size=50)],
    "level": lambda item: [f"[INFO] {json.dumps(item)}"],
    "syslog": lambda item: [f"<13>1 2026-01-10T00:00:00Z host app 12 - - {json.dumps(item)}"],
    "braces": lambda item: [f"{{worker-1}} [main] {json.dumps(item)}"],
    "carriage returns": lambda item: [f"app | {json.dumps(item)}\r"],
    "docker around logging": lambda item: [*docker(f"INFO:app:{json.dumps(item)}", size=40)],
    "cri around logfmt": lambda item: [*cri(flat(item))],
}


def some_records(number: int) -> list[dict[str, Any]]:
    chance = random.Random(7)
    return [
        record(
            n,
            at=n,
            score=round(chance.random(), 6),
            prediction=n % 2,
            latency_ms=chance.randint(5, 500),
            note=f'said "{n}", and left',
            features={"amount": round(chance.gauss(10, 3), 3), "country": chance.choice(["DE", "FR"])},
        )
        for n in range(number)
    ]


def figures(gauges: Gauges) -> dict[str, Any]:
    """All that does not depend on when or of how many bytes it was read."""
    return {
        name: sorted((sorted(labels.items()), number) for labels, number in series)
        for name, series in gauges.items()
        if not name.startswith(("ml_monitor_", "ml_sink_lag", "ml_exporter_", "ml_reference_created"))
    }


def measured(folder: Path, lines: Sequence[object], *arguments: object) -> dict[str, Any]:
    write_lines(folder / "logs/predictions.jsonl", lines)
    content = monitor(
        labels=None, features={"amount": {"type": "numeric"}, "country": {"type": "categorical"}}
    )
    return figures(once(write_monitor(folder, content), *arguments))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return measured(tmp_path_factory.mktemp("plain"), some_records(60))


@pytest.mark.slow
@pytest.mark.parametrize("name", WRAPPINGS)
def test_figures_are_those_of_plain_lines(name: str, plain: dict[str, Any], tmp_path: Path) -> None:
    wrapping = WRAPPINGS[name]
    lines = [line for item in some_records(60) for line in wrapping(item)]
    assert measured(tmp_path, lines) == plain


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [docker, cri])
def test_reading_stops_within_a_line(wrap: Any, tmp_path: Path) -> None:
    """Two runs of `once` with a state are one: the line that is continued later counts once."""
    texts = [json.dumps(item) for item in some_records(60)]
    first = measured(tmp_path / "plain", texts[:30], "--state-dir", tmp_path / "plain/state")
    both = measured(tmp_path / "plain", texts[30:], "--state-dir", tmp_path / "plain/state")
    before = [line for text in texts[:30] for line in wrap(text)]
    pieces = list(wrap(texts[30], size=60))
    assert len(pieces) > 2
    assert measured(tmp_path, [*before, *pieces[:2]], "--state-dir", tmp_path / "state") == first
    after = [*pieces[2:], *(line for text in texts[31:] for line in wrap(text))]
    assert measured(tmp_path, after, "--state-dir", tmp_path / "state") == both


@pytest.mark.slow
def test_check_shows_the_records_of_a_wrapped_log(tmp_path: Path) -> None:
    lines = [line for item in some_records(5) for line in docker(json.dumps(item), size=60)]
    write_lines(tmp_path / "logs/predictions.jsonl", [*docker("starting"), *lines])
    shown = exporter("check", write_monitor(tmp_path, monitor(labels=None))).stdout
    assert "5 of the first 5 records usable" in shown
    assert "5 of 5 at 'score': number" in shown
    assert "hold no record (not_a_record)" in shown


def rejected(gauges: dict[str, Any]) -> dict[str, float]:
    found = ((dict(labels), number) for labels, number in gauges["ml_sink_rejected_records_total"])
    return {labels["reason"]: number for labels, number in found if number}


@pytest.mark.slow
def test_lines_without_a_record_are_counted(tmp_path: Path) -> None:
    texts = [
        "started",
        "Traceback (most recent call last):",
        '  File "app.py", line 3',
        "x = f(a=1)",
        "",
        "  ",
    ]
    lines = [line for text in texts for line in cri(text, "stderr")]
    lines += [line for item in some_records(3) for line in cri(json.dumps(item))]
    lines += [*cri('{"other": "container"}'), *cri('{"broken": ')]
    found = measured(tmp_path, lines)
    assert rejected(found) == {"not_a_record": 4, "malformed": 2}
    assert found["ml_sink_records_total"] == [([("model", "m"), ("sink", "predictions")], 9)]


@pytest.mark.slow
def test_a_broken_line_of_a_plain_log_is_malformed(tmp_path: Path) -> None:
    found = measured(tmp_path, ["no record", *some_records(2), '{"ts": 1, "sco', "re: 5}"])
    assert rejected(found) == {"malformed": 3}


def taken(lines: Sequence[str] | bytes, *, final: bool = False, full: bool = False) -> Unwrapped:
    content = lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode()
    return unwrap(memoryview(content), final=final, full=full)


def records(found: Unwrapped) -> list[Any]:
    return [json.loads(line) for line in bytes(found.lines).splitlines()]


def test_a_plain_chunk_is_returned_as_it_is() -> None:
    content = memoryview(b'\xef\xbb\xbf{"log": "text", "score": 1}\n\n  {"a": 1}\n{"b": 2\n' * 9)
    found = unwrap(content, final=False)
    assert found.lines is content
    assert found.consumed == len(content)


def test_a_part_may_look_like_a_whole_record() -> None:
    begun = f'{STAMP} stdout P {{"a": 1}}'
    found = taken(["INFO " + '{"b": 2}', begun, f"{STAMP} stdout F "])
    assert records(found) == [{"b": 2}, {"a": 1}]
    assert taken(["INFO " + '{"b": 2}', begun]).consumed == len('INFO {"b": 2}') + 1


def test_streams_interleave() -> None:
    out, err = list(cri('{"a": "out", "more": 1}', size=8)), list(cri('{"b": "err"}', "stderr", size=4))
    mixed = (
        [line for pair in zip(out, err, strict=False) for line in pair] + out[len(err) :] + err[len(out) :]
    )
    assert records(taken(mixed)) == [{"a": "out", "more": 1}, {"b": "err"}]


@given(st.integers(0, 400), st.booleans(), st.sampled_from([docker, cri]), st.randoms(use_true_random=False))
def test_wherever_reading_stops_each_record_comes_once(
    stop: int, whole_lines: bool, wrap: Any, chance: random.Random
) -> None:
    """Read up to ``stop``, then go on from what was consumed: as if all had been read at once."""
    left, right = (
        [line for n in range(4) for line in wrap(json.dumps({stream: n, "x": "y" * n * 9}), stream, size=20)]
        for stream in ("stdout", "stderr")
    )
    mixed = []
    while left or right:
        mixed.append((left if left and (not right or chance.random() < 0.5) else right).pop(0))
    content = "".join(f"{line}\n" for line in mixed).encode()
    first = content[: content.rfind(b"\n", 0, stop * (1 if whole_lines else 5)) + 1]
    before = taken(first)
    after = taken(content[before.consumed :])
    assert before.consumed <= len(first)
    assert before.consumed + after.consumed == len(content)
    key = lambda item: sorted(item.items())  # noqa: E731
    both = sorted([*records(before), *records(after)], key=key)
    assert both == sorted(records(taken(content)), key=key)
    assert len(both) == 8
    assert not before.not_a_record + after.not_a_record


def test_a_line_that_never_ends_gives_way() -> None:
    """Its process died: lines of the other stream are not held back for ever, nor is the next one's first line."""
    dead = next(cri('{"dead": 1, "more": 1}', size=8))
    living = [*cri('{"a": 1}', "stderr")]
    waiting = taken([*living, dead, *living])
    assert records(waiting) == [{"a": 1}]
    assert waiting.consumed == len(living[0]) + 1
    assert bytes(taken([dead, *living], final=True).lines).count(b"\n") == 2
    many = taken([dead, *living * 30_000])
    assert bytes(many.lines).count(b"\n") == 30_001
    assert not taken([dead, *living]).consumed
    assert taken([dead, *living], full=True).consumed == len(dead) + len(living[0]) + 2
    same_stream = taken([dead, *cri('{"b": 2}'), *living])
    assert records(same_stream) == [{"b": 2}, {"a": 1}]
    assert same_stream.not_a_record == 1
    # A progress bar is no beginning of a record.
    bar = taken([f"{STAMP} stderr P 10 % |###", *cri('{"a": 1}')])
    assert records(bar) == [{"a": 1}]
    assert bar.not_a_record == 1


def test_a_record_of_too_many_pieces_is_too_long() -> None:
    long = list(cri('{"a": "' + "x" * LONGEST_RECORD + '"}'))
    found = taken([*long, *cri('{"b": 2}')])
    assert records(found) == [{"b": 2}]
    assert (found.too_long, found.not_a_record) == (1, 0)
    begun = taken(long[:-1])
    assert begun.too_long == 1
    assert begun.consumed == sum(len(line) + 1 for line in long[:-1])


def test_small_chunks_make_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cutter, "most", 100)
    lines = [*cri('{"a": 1}'), *cri('{"b": "' + "x" * 90 + '"}', size=40), *cri('{"c": 1}')]
    write_lines(tmp_path / "log", lines)
    sink = FileSink(tmp_path / "log", {})
    found = b"".join(bytes(batch.lines) for batch in sink.batches())
    assert found.startswith(b'{"a": 1}\n')
    assert found.endswith(b'{"c": 1}\n')
    assert sink.lag() == 0
    sink.close()


@pytest.mark.parametrize(
    "last",
    [
        "ts=1 score=0.9",
        f"{STAMP} stdout F ts=1 score=0.9",
        f'{STAMP} stdout P {{"b": 2}}',
        next(docker('{"b": 2, "c": 3}', size=8)),
    ],
)
def test_a_last_line_that_may_lack_its_end_waits(last: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(last)
    sink = FileSink(log, {})
    assert not list(sink.batches(final=True))
    assert sink.lag() == len(last)
    sink.close()


def test_a_last_line_without_its_newline(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"{line}\n" for line in cri('{"a": 1}')) + f'{STAMP} stdout F {{"b": 2}}')
    sink = FileSink(log, {})
    assert [bytes(batch.lines) for batch in sink.batches(final=True)] == [b'{"a": 1}\n', b'{"b": 2}\n']
    sink.close()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'time=2026-01-01T00:00:00Z score=0.930 features.amount=-1.5e3 note="a \\"b\\" \\\\" e= ok=true n=null',
            '{"time":"2026-01-01T00:00:00Z","score":0.930,"note":"a \\"b\\" \\\\","e":"",'
            '"ok":true,"n":null,"features":{"amount":-1.5e3}}',
        ),
        ('a=1 b=007 c=.5 debug d="12" ü=1', None),
        ('a=1 b=007 c=.5 debug d="12"', '{"a":1,"b":"007","c":".5","debug":true,"d":"12"}'),
        ("a=12345678901234567890.10 b=x=y", '{"a":12345678901234567890.10,"b":"x=y"}'),
        ("a=1 a.b=2 c.d=3 c=4 c.e=5", '{"a":1,"c":4,"a.b":2,"c.d":3,"c.e":5}'),
        ("a=1", None),
        ("set a=1 and b=2", None),
        ("a=1 b=2 are the values", None),
        ("a=1 b=2 (both)", None),
        ('a=1 b="open', None),
        ('a=1 b="x"y', None),
    ],
)
def test_logfmt(line: str, expected: str | None) -> None:
    assert logfmt(line.encode()) == (expected.encode() if expected else None)


@pytest.mark.parametrize(
    "line",
    [
        'INFO {"a": 1} done',
        "INFO {'a': 1}",
        'INFO {"a", "b"}',
        "INFO set of {1, 2}",
        "\x00\x00",
        "a=1",
    ],
)
def test_what_is_no_record(line: str) -> None:
    found = taken([*cri(line), *cri('{"a": 1}')])
    assert records(found) == [{"a": 1}]
    assert found.not_a_record == 1


HOSTILE = [
    b'{"log":1,"stream":"stdout","time":"t"}',
    b'{"log":"\\ud800","stream":"stdout","time":"t"}',
    b'{"log":"{\\"a\\":\\n1}\\n","stream":"stdout","time":"t"}',
    b'{"log":"\xff","stream":"stdout","time":"t"}',
    b'{"log":' + b"[" * 100_000,
    STAMP.encode() + b" stdout P {",
    STAMP.encode() + b" stderr P \xff\x00{",
    STAMP.encode() + b" stdout F }",
    STAMP.encode() + b" stdout F",
    b'x {"a": 1}',
    b'{"x":' * 20_000 + b"}",
    b'x {"' + b"\\" * 100_001 + b'": 1}',
    b"x" + b'{"a' * 50_000 + b"}",
    b"a=" * 50_000,
    b'a=1 b="' + b"\\" * 100_000,
    b"\xff\xfe",
    b"\x00",
    b" \t ",
    b"\r",
    b"",
    b'{"a": 1}',
    b"a=1 b=2",
]


@given(
    st.lists(
        st.sampled_from(HOSTILE) | st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"")),
        max_size=30,
    ),
    st.booleans(),
    st.booleans(),
)
@example(HOSTILE, True, False)
@example([*HOSTILE[8:], *HOSTILE[:8]], False, True)
def test_hostile_lines(lines: list[bytes], final: bool, full: bool) -> None:
    content = b"".join(line + b"\n" for line in lines)
    found = unwrap(memoryview(content), final=final, full=full)
    assert 0 <= found.consumed <= len(content)
    assert found.consumed == len(content) or not (found.consumed == 0 and full)
    text = bytes(found.lines)
    assert not text or text.endswith(b"\n")
    # No line comes of nothing.
    assert text.count(b"\n") + found.not_a_record <= content[: found.consumed].count(b"\n")
    assert found.consumed == 0 or content[found.consumed - 1 : found.consumed] == b"\n"
