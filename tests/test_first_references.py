"""References made of a version's first time in production: the same as a baseline of the same records."""

from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.cycle import Cycle, CycleError
from exporter.exposition import render
from exporter.intake import Intake
from exporter.models import load_all
from exporter.monitor import PredictionFields
from exporter.records.lines import LineDecoder
from exporter.state import Store, samples
from exporter.state.samples import Sampled
from tests import logs
from tests.logs import EPOCH, Gauges, value

MINUTE = 60.0
BAD_LINES = (
    "",
    "   ",
    "no JSON",
    '{"ts": 1768003201.5, "score":',
    "[1, 2]",
    '{"ts": 1768003201.5}{"ts": 1768003202.5}',
    '{"ts": "yesterday", "score": 0.5}',
    '{"ts": 1768003203.5, "version": "v1", "score": NaN}',
    '{"score": 0.9}',
)


def measured(path: Path, at: float, state: Path | None = None) -> Gauges:
    """The series of one cycle, ``at`` seconds after EPOCH."""
    (model,) = load_all([path])
    cycle = model.open(state)
    try:
        snapshot = cycle.run(at=EPOCH + at, final=True)
    finally:
        cycle.close()
    assert snapshot is not None
    return logs.parse(render([snapshot], {}).decode())


def against(gauges: Gauges, reference: str) -> dict[tuple[str, str, str, str, str], float]:
    """Every gauge against one reference, but for when that was made."""
    return {
        (
            name,
            labels.get("window", ""),
            labels["version"],
            labels.get("feature", ""),
            labels.get("statistic", ""),
        ): number
        for name, series in gauges.items()
        for labels, number in series
        if labels.get("reference") == reference and name != "ml_reference_created_timestamp_seconds"
    }


def content(gauges: Gauges, reference: str, version: str = "v1") -> str:
    """The hash of a reference; empty where there is none."""
    found = [
        labels["hash"]
        for labels, _ in gauges.get("ml_reference_info", [])
        if (labels["reference"], labels["version"]) == (reference, version)
    ]
    assert len(found) <= 1
    return found[0] if found else ""


def reasons(gauges: Gauges, gauge: str) -> set[str]:
    return {labels["reason"] for labels, _ in gauges["ml_gauge_withheld"] if labels["gauge"] == gauge}


def records(seed: int, start: float, end: float, step: float = 2.0, **changes: Any) -> list[dict[str, Any]]:
    source = random.Random(seed)
    return [
        logs.record(
            number,
            at=start + number * step,
            score=round(source.random(), 3),
            features={
                "amount": source.gauss(0, 1),
                "country": source.choice(["DE", "FR", "IT"]),
                "member": source.random() < 0.3,
            },
            **changes,
        )
        for number in range(int((end - start) / step))
    ]


def folder_of(folder: Path, lines: Sequence[object], **spec: Any) -> Path:
    logs.write_lines(folder / "logs" / "predictions.jsonl", lines)
    logs.write_lines(folder / "logs" / "labels.jsonl", [])
    default = {"windows": ["20m", "1h"], "references": {"launch": {"first": "30m"}}}
    return logs.write_monitor(folder, logs.monitor(**{**default, **spec}))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Gauges, list[object]]:
    """A log with bad lines in it and a line twice, read at once beside a baseline of its first half hour."""
    folder = tmp_path_factory.mktemp("whole")
    lines: list[object] = list(records(1, 0, 60 * MINUTE))
    lines[700:700] = [lines[699], lines[699]]
    for position, line in enumerate(BAD_LINES * 3):
        lines.insert(20 + 31 * position, line)
    path = folder_of(folder, lines)
    first: list[object] = [
        line for line in lines if isinstance(line, dict) and float(line["ts"]) < EPOCH + 30 * MINUTE
    ]
    # The one bad line that has a time is a record all the same.
    first += [line for line in BAD_LINES * 3 if "NaN" in line]
    first.sort(key=lambda line: float(line["ts"]) if isinstance(line, dict) else 1768003203.5)
    data = logs.write_lines(folder / "first.jsonl", first)
    logs.exporter("baseline", path, "--data", data, "--out", folder / "made.json")
    references = {"launch": {"first": "30m"}, "made": {"static": "made.json"}}
    logs.write_monitor(folder, logs.monitor(windows=["20m", "1h"], references=references))
    return folder, logs.once(path), lines


def test_it_is_the_baseline_of_the_same_records(whole: tuple[Path, Gauges, list[object]]) -> None:
    folder, gauges, _ = whole
    made = json.loads((folder / "made.json").read_text())
    assert made["rows"] == 905
    assert content(gauges, "launch") == made["hash"]
    found = against(gauges, "launch")
    assert len(found) > 40
    assert found == against(gauges, "made")
    assert value(gauges, "ml_reference_created_timestamp_seconds", reference="launch") == EPOCH + 30 * MINUTE


def test_in_pieces_it_is_the_same_and_until_then_missing(
    whole: tuple[Path, Gauges, list[object]], tmp_path: Path
) -> None:
    _, gauges, lines = whole
    cuts = [0, 300, 500, 980, 1400, len(lines)]
    path = folder_of(tmp_path, [])
    state = tmp_path / "state"
    for number, (start, stop) in enumerate(pairwise(cuts)):
        logs.write_lines(tmp_path / "logs" / "predictions.jsonl", lines[start:stop])
        newest = max(float(line["ts"]) for line in lines[:stop] if isinstance(line, dict)) - EPOCH
        last = number == len(cuts) - 2
        piece = logs.once(path, "--state-dir", state) if last else measured(path, newest, state)
        if newest < 30 * MINUTE:
            # Without any reference nobody knows yet what the features are.
            assert content(piece, "launch") == ""
            assert "ml_feature_missing_ratio" not in piece
            assert reasons(piece, "ml_features_drifted") == {"reference_missing"}
            assert reasons(piece, "ml_prediction_psi") == {"reference_missing"}
        else:
            assert content(piece, "launch") == content(gauges, "launch")
    assert value(piece, "ml_predictions_total") == value(gauges, "ml_predictions_total")
    # The hour holds what was counted before the reference was there, and dropped then.
    wanted, found = against(gauges, "launch"), against(piece, "launch")
    of_20_minutes = {key: number for key, number in wanted.items() if key[1] in ("", "20m")}
    assert len(of_20_minutes) > 20
    assert {key: found[key] for key in of_20_minutes} == of_20_minutes


def killed(folder: Path, seconds: float, until: Callable[[str], bool]) -> None:
    """Run the daemon until its page says so, then kill it."""
    command = [sys.executable, "-W", "error", "-m", "exporter", "run", str(folder / "monitor.yaml")]
    options = ["--web.listen-address", "127.0.0.1:0", "--state-dir", str(folder / "state")]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            while "/metrics" not in (line := process.stderr.readline()):
                assert line
            deadline = time.monotonic() + seconds
            while True:
                with urllib.request.urlopen(line.split()[-1], timeout=10) as answer:
                    if until(answer.read().decode()):
                        break
                assert time.monotonic() < deadline, "never came"
                time.sleep(0.1)
        finally:
            process.kill()


@pytest.mark.xdist_group("real programs")
def test_the_daemon_may_be_killed_at_any_time(tmp_path: Path) -> None:
    began = time.time() - EPOCH - 40 * MINUTE
    lines = records(3, began, began + 36 * MINUTE)
    log = tmp_path / "logs" / "predictions.jsonl"
    path = folder_of(tmp_path, lines[:400])
    first = logs.write_lines(tmp_path / "first.jsonl", lines[:900])
    logs.exporter("baseline", path, "--data", first, "--out", tmp_path / "made.json")
    wanted = json.loads((tmp_path / "made.json").read_text())["hash"]
    # By the clock half an hour is over: a longer first time holds while the log comes piece by piece.
    logs.write_monitor(tmp_path, logs.monitor(windows=["1h"], references={"launch": {"first": "41m"}}))
    killed(tmp_path, 30, lambda page: 'ml_monitor_samples{model="m"' in page and "} 400.0" in page)
    logs.write_lines(log, lines[400:850])
    killed(tmp_path, 30, lambda page: 'ml_monitor_samples{model="m"' in page and "} 850.0" in page)
    logs.write_lines(log, lines[850:])
    # A length that changes before it is over holds for what is sampled already.
    logs.write_monitor(tmp_path, logs.monitor(windows=["1h"], references={"launch": {"first": "30m"}}))
    killed(tmp_path, 30, lambda page: "ml_reference_info{" in page)
    again = logs.once(path, "--state-dir", tmp_path / "state", at=None)
    assert content(again, "launch") == wanted
    assert value(again, "ml_feature_psi", reference="launch", feature="amount") is not None
    assert value(again, "ml_predictions_total", version="v1") == len(lines)


def test_each_version_has_its_own_and_a_sliding_past_takes_its_bins(tmp_path: Path) -> None:
    old = records(4, 0, 50 * MINUTE)
    new = records(5, 20 * MINUTE, 60 * MINUTE, version="v2")
    for record in new:
        record["features"]["amount"] += 3
    both = sorted(old + new, key=lambda record: float(record["ts"]))
    references = {"launch": {"first": "15m"}, "before": {"sliding": "20m", "offset": "20m"}}
    path = folder_of(tmp_path, both, references=references, windows=["20m"])
    gauges = measured(path, 60 * MINUTE)
    assert content(gauges, "launch", "v1") != content(gauges, "launch", "v2")
    for version, created, mean in (("v1", 15, 0.0), ("v2", 35, 3.0)):
        labels = {"version": version, "reference": "launch"}
        assert value(gauges, "ml_reference_created_timestamp_seconds", **labels) == EPOCH + created * MINUTE
        psi = value(gauges, "ml_feature_psi", feature="amount", **labels)
        assert psi is not None
        assert psi < 0.3
        assert value(gauges, "ml_feature_mean", version=version, feature="amount") == pytest.approx(
            mean, abs=0.2
        )
        assert (
            value(gauges, "ml_feature_psi", feature="amount", version=version, reference="before") is not None
        )


def test_trials_and_wrong_clocks_are_passed_over(tmp_path: Path) -> None:
    lines = records(6, 0, 40 * MINUTE)
    trials = [
        logs.record(9000, at=-EPOCH + 5, features={"amount": 1e9}),
        logs.record(9001, at=-90 * 86_400, features={"amount": 1e9}),
        *(logs.record(9100 + n, at=-3 * 86_400 + n, features={"amount": 1e9}) for n in range(9)),
    ]
    # The third replica's clock is wrong in the middle of the first time.
    mixed = [*trials[:1], *lines[:200], *trials[1:], *lines[200:]]
    path = folder_of(tmp_path, mixed, minSamples=10)
    gauges = measured(path, 40 * MINUTE)
    assert value(gauges, "ml_reference_created_timestamp_seconds") == EPOCH + 30 * MINUTE
    again = tmp_path / "pieces"
    path = folder_of(again, mixed[:150], minSamples=10)
    measured(path, 10 * MINUTE, again / "state")
    logs.write_lines(again / "logs" / "predictions.jsonl", mixed[150:])
    assert content(measured(path, 40 * MINUTE, again / "state"), "launch") == content(gauges, "launch")


def test_files_may_come_in_any_order(tmp_path: Path) -> None:
    """A rotated log has its newest records in the file that is read first."""
    lines = records(7, 0, 100 * MINUTE, 5.0)
    path = folder_of(tmp_path, lines[800:], windows=["10m"], references={"launch": {"first": "10m"}})
    for number in range(4):
        logs.write_lines(
            tmp_path / "logs" / f"predictions.{9 - number}.jsonl", lines[200 * number : 200 * number + 200]
        )
    gauges = measured(path, 100 * MINUTE)
    straight = tmp_path / "straight"
    path = folder_of(straight, lines, windows=["10m"], references={"launch": {"first": "10m"}})
    assert content(gauges, "launch") == content(measured(path, 100 * MINUTE), "launch") != ""


def test_what_cannot_be_made_is_said_and_made_once_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    features = {"amuont": {"type": "numeric"}}
    path = folder_of(tmp_path, records(8, 0, 40 * MINUTE, 20.0), features=features)
    state = tmp_path / "state"
    with caplog.at_level(logging.WARNING):
        gauges = measured(path, 40 * MINUTE, state)
    assert "reference 'launch' of version 'v1' cannot be made" in caplog.text
    assert "'amuont' is not in the data" in caplog.text
    assert reasons(gauges, "ml_feature_psi") == {"reference_missing"}
    folder_of(tmp_path, [])
    assert content(measured(path, 41 * MINUTE, state), "launch") != ""


def test_a_static_reference_says_what_kind_a_feature_is(tmp_path: Path) -> None:
    """In the training data the ids of branches were text; the log has them as numbers."""
    lines = records(9, 0, 50 * MINUTE, 10.0)
    for number, record in enumerate(lines):
        record["features"] = {"branch": number % 7}
        record["attributions"] = {"branch": number / 10, "other": 1.0}
    training = [{"features": {"branch": str(number % 7)}, "score": 0.5} for number in range(200)]
    path = folder_of(tmp_path, lines)
    data = logs.write_lines(tmp_path / "training.jsonl", training)
    logs.exporter("baseline", path, "--data", data, "--out", tmp_path / "training.json")
    content_ = logs.monitor(
        windows=["20m"],
        references={"training": {"static": "training.json"}, "launch": {"first": "20m"}},
    )
    content_["spec"]["predictions"]["fields"]["attributions"] = "attributions"
    logs.write_monitor(tmp_path, content_)
    gauges = measured(path, 50 * MINUTE)
    for reference in ("training", "launch"):
        assert value(gauges, "ml_feature_cramers_v", feature="branch", reference=reference) is not None
    # Attributions of a feature that only the first time knows.
    assert value(gauges, "ml_feature_attribution_mean", feature="other") == 1.0
    assert value(gauges, "ml_feature_attribution_mean", feature="branch") == pytest.approx(23.95)
    assert value(gauges, "ml_feature_attribution_ndcg", reference="launch") == pytest.approx(1.0)


def test_a_feature_is_of_one_kind_in_all_versions(tmp_path: Path) -> None:
    """The second version logs as text what the first logged as numbers."""
    lines = records(14, 0, 30 * MINUTE, 10.0) + records(15, 30 * MINUTE, 60 * MINUTE, 10.0, version="v2")
    for number, record in enumerate(lines):
        record["features"] = {"branch": number % 7 if record["version"] == "v1" else str(number % 7)}
    path = folder_of(tmp_path, lines, references={"launch": {"first": "15m"}}, windows=["1h"])
    gauges = measured(path, 60 * MINUTE)
    for version in ("v1", "v2"):
        psi = value(gauges, "ml_feature_wasserstein_distance", version=version, feature="branch")
        assert psi == pytest.approx(0.0, abs=0.05)


def test_a_sample_does_not_depend_on_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST_RECORDS", 100)
    source = random.Random(10)
    plain = [(source.getrandbits(63), time, b"line %d" % time) for time in range(1000)]
    of = Sampled("v1", "launch")
    found = []
    for order in (plain, plain[::-1], sorted(plain)):
        store = Store()
        for start in range(0, 1000, 130):
            for slot in (0, 1):
                part = [item for item in order[start : start + 130] if item[1] // 600 == slot]
                store.samples.add(of, slot, part)
        # A line that comes again counts again, in a slot that is full as in one that is not.
        smallest = min(plain)
        store.samples.add(of, smallest[1] // 600, [smallest])
        found.append((store.samples.lines(of, 0, 1000), store.samples.lines(of, 0, 600)))
        store.close()
    assert found[0] == found[1] == found[2]
    both, first = found[0]
    smallest_100 = sorted(item for item in plain if item[1] < 600)[:100]
    by_time = sorted(smallest_100, key=lambda item: item[1])
    assert list(dict.fromkeys(first)) == [line for _, _, line in by_time]
    assert len(both) in (100, 101)
    assert both.count(smallest[2]) == 2
    # Of both slots as many as their share is: 600 to 400.
    share = np.mean([int(line.split()[1]) < 600 for line in both])
    assert share == pytest.approx(0.6, abs=0.15)


def test_a_sample_is_uniform_where_one_slot_is_full_and_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST_RECORDS", 100)
    source = random.Random(12)
    plain = [(source.getrandbits(63), time, b"line %d" % time) for time in range(560, 1600)]
    of = Sampled("v1", "launch")
    store = Store()
    for slot in (0, 1, 2):
        store.samples.add(of, slot, [item for item in plain if item[1] // 600 == slot])
    found = store.samples.lines(of, 560, 1160)
    store.close()
    kept = sorted(item for item in plain if item[1] // 600 == 1)[:100]
    wanted = [item for item in plain if item[1] < 1160 and item[0] <= kept[-1][0]]
    assert found == [line for _, _, line in wanted]
    assert sum(int(line.split()[1]) < 600 for line in found) < 20


def test_another_length_holds_for_what_is_sampled_already(tmp_path: Path) -> None:
    lines = records(13, 0, 20 * MINUTE, 10.0)
    path = folder_of(tmp_path, lines)
    for minutes in (41, 21, 30):
        folder_of(tmp_path, [], references={"launch": {"first": f"{minutes}m"}})
        measured(path, 20 * MINUTE, tmp_path / "state")
        store = Store(tmp_path / "state" / "m.sqlite")
        slots = store.samples.slots(Sampled("v1", "launch"))
        store.close()
        assert slots == sorted({int(float(line["ts"]) // (minutes * MINUTE)) for line in lines})


def test_lines_come_with_their_own_time_and_version() -> None:
    """Bad lines shift nothing, however they are bad."""
    good = [f'{{"t": {{"at": {1_700_000_000 + n}}}, "v": "v{n % 3}", "n": {n}}}' for n in range(400)]
    bad = [
        *BAD_LINES,
        '{"t": {"at": 99999999999}}',
        '{"x": "' + "y" * (2 << 20) + '"}',
        '{"T": {"at": 1700000000}}',
    ]
    lines = list(good)
    for position, line in enumerate(bad * 3):
        lines.insert(11 * position, line)
    decoder = LineDecoder(PredictionFields(timestamp="t.at", version="v"))
    found = decoder.decode(("\ufeff" + "\r\n".join(lines) + "\n").encode(), latest=2_000_000_000 * 1_000_000)
    decoder.close()
    assert [json.loads(text)["n"] for text in found.text] == list(range(400))
    assert found.time.tolist() == [(1_700_000_000 + n) * 1_000_000 for n in range(400)]
    assert [found.version.names[code] for code in found.version.codes] == [f"v{n % 3}" for n in range(400)]


def test_a_cycle_that_fails_in_between_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sampled and not counted, made and not yet counted over: the next cycle goes on from there."""
    lines = records(11, 0, 60 * MINUTE)
    wanted = measured(folder_of(tmp_path / "straight", lines), 60 * MINUTE)
    folder, state = tmp_path / "failing", tmp_path / "state"
    log = folder / "logs" / "predictions.jsonl"
    path = folder_of(folder, lines[:600])

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Intake, "predictions", fail)
        with pytest.raises(CycleError, match="the disk is full"):
            measured(path, 20 * MINUTE, state)
    assert value(measured(path, 20 * MINUTE, state), "ml_predictions_total") == 600
    logs.write_lines(log, lines[600:])
    (model,) = load_all([path])
    cycle = model.open(state)
    with monkeypatch.context() as patched:
        patched.setattr(Cycle, "_prepare_layouts", fail)
        with pytest.raises(CycleError, match="the disk is full"):
            cycle.run(at=EPOCH + 60 * MINUTE, final=True)
    cycle.close()
    found = measured(path, 60 * MINUTE, state)
    assert value(found, "ml_predictions_total") == len(lines)
    of_20_minutes = {
        key: number for key, number in against(wanted, "launch").items() if key[1] in ("", "20m")
    }
    again = against(found, "launch")
    assert {key: again[key] for key in of_20_minutes} == of_20_minutes
