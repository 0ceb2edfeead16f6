"""Bad input gets one clear message with its place, what was expected and the nearest name; exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.daemon.models import load_all
from mlslo import monitor as monitor_file
from mlslo.yamlfile import Duration, InputError, read
from tests.support import paths
from tests.support.commands import exporter

CONTRACT = paths.CONTRACT / "fraud.monitor.yaml"
GOOD = """\
apiVersion: mlslo/v1
kind: ModelMonitor
metadata: {name: m}
spec:
  task: binary
  windows: [1h]
  predictions:
    sink: {file: {path: "logs/*.jsonl"}}
    fields:
      timestamp: ts
      score: score
"""

BAD = {
    "unknown key": (GOOD + "  windowz: [1h]\n", "12:3: unknown key 'windowz'", "did you mean 'windows'?"),
    "unknown nested key": (
        GOOD.replace("timestamp: ts", "timestmp: ts"),
        "10:7: unknown key 'timestmp'",
        "did you mean 'timestamp'?",
    ),
    "missing key": (GOOD.replace("      timestamp: ts\n", ""), "10:7: missing key 'timestamp'", ""),
    "duplicate key": (GOOD + "  task: binary\n", "12:3: duplicate key 'task', first given at line 5", ""),
    "wrong type": (GOOD + "  minSamples: many\n", "12:15: expected a whole number, got 'many'", ""),
    "a number in quotes": (GOOD + '  minSamples: "200"\n', "12:15: expected a whole number, got '200'", ""),
    "too small": (GOOD + "  minSamples: 0\n", "12:15: expected greater than or equal to 1, got 0", ""),
    "bad duration": (
        GOOD.replace("[1h]", "[1h, 5 minutes]"),
        "6:17: expected a duration such as 30s",
        "'5 minutes'",
    ),
    "a number as duration": (GOOD + "  schedule: 60\n", "12:13: expected a duration such as 30s", "got 60"),
    "zero duration": (GOOD + "  schedule: 0s\n", "12:13: expected a duration above zero", ""),
    "unknown choice": (
        GOOD.replace("binary", "binry"),
        "5:9: expected one of binary",
        "did you mean 'binary'?",
    ),
    "unknown kind": (GOOD.replace("ModelMonitor", "ModelMonitr"), "2:7: expected one of ModelMonitor", ""),
    "no windows": (GOOD.replace("[1h]", "[]"), "6:12: ", ""),
    "the same window twice": (GOOD.replace("[1h]", "[1h, 60m]"), "6:12: ", "the same length"),
    "a list for a mapping": (GOOD + "  features: [a]\n", "12:13: expected a mapping, got a list", ""),
    "two kinds of reference": (
        GOOD + "  references: {a: {static: x, sliding: 1d}}\n",
        "12:19: expected exactly one of static, sliding, calendar, first, got static and sliding",
        "",
    ),
    "offset of a static reference": (
        GOOD + "  references: {a: {static: x, offset: 1d}}\n",
        "12:19: an offset is for",
        "",
    ),
    "a missing file": (
        GOOD + "  references: {a: {static: gone.json}}\n",
        "12:28: reference file",
        "build it with: mlslo-exporter baseline",
    ),
    "a range upside down": (
        GOOD + "  features: {a: {type: numeric, range: [5, 1]}}\n",
        "12:17: expected a range [low, high]",
        "",
    ),
    "labels without ids": (
        GOOD + "  labels: {sink: {file: {path: x}}, fields: {id: id, label: label}}\n",
        "10:7: missing key 'id'",
        "",
    ),
    "a path with an empty part": (
        GOOD.replace("score: score", "score: a..b"),
        "11:14: expected a dotted path such as features.amount, got 'a..b'",
        "",
    ),
    "a field where the features are": (
        GOOD.replace("score: score", "features: score.all\n      score: score"),
        "12:14: 'score' is where the features are",
        "",
    ),
    "names that differ in case only": (
        GOOD + "  features: {Score: {type: numeric}}\n",
        "9:5: 'score' and 'Score' differ in case only",
        "",
    ),
    "not YAML": (GOOD + "  a: [1,\n", "did not find expected", ""),
    "a tab": (GOOD + "\tx: 1\n", "12:1: a tab, ", ""),
    "two documents": (GOOD + "---\na: 1\n", "12:1: expected one YAML document per file", ""),
    "empty": ("", "1:1: expected a YAML mapping, the file is empty", ""),
    "text only": ("hello\n", "1:1: expected a mapping, got 'hello'", ""),
    "another tag": (GOOD + "  minSamples: !!python/object:os.system 1\n", "12:15: unknown tag", ""),
    "a key that is a list": (GOOD + "  ? [a]\n  : 1\n", "12:5: expected a key that is plain text", ""),
    "an alias to itself": (GOOD + "  features: &x {a: *x}\n", "an alias that contains itself", ""),
    "a format that is not read": (
        GOOD.replace('path: "logs/*.jsonl"', "path: x.csv, format: xml"),
        "expected one of jsonl, csv, parquet, got 'xml'",
        "",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_monitor_files(name: str, tmp_path: Path) -> None:
    content, place, hint = BAD[name]
    path = tmp_path / "monitor.yaml"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        load_all([path])
    message = str(caught.value)
    assert place in message
    assert hint in message
    assert message.startswith(f"{path}:")


@pytest.mark.parametrize("command", ["once", "check", "run"])
def test_commands_end_with_2_and_no_traceback(command: str, tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(BAD["unknown key"][0])
    done = exporter(command, path, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{path}:12:3: unknown key 'windowz', expected one of ")


def test_a_file_of_another_kind_is_wrong_in_one_way() -> None:
    done = exporter("check", CONTRACT.with_name("fraud.slo.yaml"), check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "fraud.slo.yaml:3:7: expected one of ModelMonitor, got 'ModelSLO'" in done.stderr


def test_every_problem_of_every_file_is_told(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(GOOD.replace("[1h]", "[x]") + "  more: 1\n")
    second.write_text(GOOD + "  other: 1\n")
    done = exporter("check", first, second, tmp_path / "gone.yaml", check=False)
    assert done.returncode == 2
    assert [line.split(":")[1] for line in done.stderr.splitlines()] == ["6", "12", "12", " cannot be read"]


def test_two_monitors_of_one_model_are_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD)
    done = exporter("check", tmp_path / "a.yaml", tmp_path / "b.yaml", check=False)
    assert done.returncode == 2
    assert f"b.yaml:3:18: model 'm' is already monitored by {tmp_path / 'a.yaml'}" in done.stderr


@pytest.mark.parametrize("at", ["yesterday", "2026-01-10", "2026-01-10T00:00:00"])
def test_a_time_without_a_zone_is_refused(at: str, tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(GOOD)
    done = exporter("once", path, "--at", at, check=False)
    assert done.returncode == 2
    assert "expected a time such as" in done.stderr


def test_the_contract_is_accepted_as_it_stands() -> None:
    monitor = monitor_file.load(CONTRACT)
    assert monitor.model == "fraud"
    assert monitor.spec.windows == ["1h", "1d", "7d"]
    assert monitor.spec.references["recent"].sliding == "30d"


@pytest.mark.slow
@given(st.text(max_size=60), st.integers(0, len(GOOD)))
def test_a_broken_file_never_escapes_as_another_error(noise: str, position: int) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "monitor.yaml"
        path.write_text(GOOD[:position] + noise + GOOD[position:], encoding="utf-8", errors="surrogateescape")
        try:
            monitor_file.load(path)
        except InputError as error:
            assert str(error).startswith(str(path))  # noqa: PT017 - most inputs are bad, some are not


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00", b"a: \x01", b"spec: \xe2\x28"])
def test_bytes_that_are_not_text(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read(path)


def test_yaml_booleans_and_times_of_1_1_are_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("country: NO\ntime: 22:00\nflag: true\noctal: 010\nnone: ~\n")
    assert read(path).data == {"country": "NO", "time": "22:00", "flag": True, "octal": 10, "none": None}


@given(st.integers(1, 10**9).map(lambda milliseconds: milliseconds / 1000))
def test_durations_round_trip(seconds: float) -> None:
    assert Duration.of_seconds(seconds).seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h30m", 5400), ("250ms", 0.25), ("1w", 604_800), ("30d", 2_592_000)]
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration(text).seconds == seconds
    assert Duration(text) == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2min", "2m"),
        ("1 hour", "1h"),
        ("90 sec", "90s"),
        ("1.5h", "1h30m"),
        ("1h 30m", "1h30m"),
        ("30 Minutes and 1 hr", "1h30m"),
        ("250 milliseconds", "250ms"),
        ("1h1h", "2h"),
        ("1 month", None),
        ("0 min", None),
        ("0.0001 s", None),
        ("999999999 years", None),
        ("2 x", None),
        ("-5 min", None),
        (" ", None),
    ],
)
def test_which_duration_was_meant(text: str, meant: str | None) -> None:
    with pytest.raises(ValueError, match="expected a duration") as caught:
        Duration(text)
    assert str(caught.value).endswith(f"; did you mean '{meant}'?" if meant else f"got '{text}'")


@pytest.mark.parametrize("text", ["", "1", "h", "1m1h", "-1h", "1.5h", "1h ", "0s", "1000y"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        Duration(text)
