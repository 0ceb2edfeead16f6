"""How a first reference is sampled: in whatever order and pieces, through kills and failures."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exporter.daemon.cycle import Cycle, CycleError
from exporter.daemon.models import load_all
from exporter.fold.ingestion import Ingestion
from exporter.records.predictions import LineDecoder
from exporter.state import Store, samples
from exporter.state.samples import Sampled
from mlslo.monitor import FileSink, PredictionFields, Predictions, Sink
from tests.support import logs
from tests.support.commands import exporter, served
from tests.support.first_references import BAD_LINES, MINUTE, against, content, folder_of, measured, records
from tests.support.logs import EPOCH, value

pytestmark = pytest.mark.slow


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
                with urllib.request.urlopen(f"{served(line)}/metrics", timeout=60) as answer:
                    if until(answer.read().decode()):
                        break
                assert time.monotonic() < deadline, "never came"
                time.sleep(0.1)
        finally:
            process.kill()


@pytest.mark.xdist_group("programs that wait")
def test_the_daemon_may_be_killed_at_any_time(tmp_path: Path) -> None:
    began = time.time() - EPOCH - 40 * MINUTE
    lines = records(3, began, began + 36 * MINUTE)
    log = tmp_path / "logs" / "predictions.jsonl"
    path = folder_of(tmp_path, lines[:400])
    first = logs.write_lines(tmp_path / "first.jsonl", lines[:900])
    exporter("baseline", path, "--data", first, "--out", tmp_path / "made.json")
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
    decoder = LineDecoder(
        Predictions(
            sink=Sink(file=FileSink(path="-")), fields=PredictionFields(timestamp="t.at", version="v")
        )
    )
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
        patched.setattr(Ingestion, "predictions", fail)
        with pytest.raises(CycleError, match="the disk is full"):
            measured(path, 20 * MINUTE, state)
    assert value(measured(path, 20 * MINUTE, state), "ml_predictions_total") == 600
    logs.write_lines(log, lines[600:])
    (model,) = load_all([path])
    cycle = model.open(state)
    with monkeypatch.context() as patched:
        patched.setattr(Cycle, "_prepare_schemas", fail)
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
