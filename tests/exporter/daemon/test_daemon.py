"""`mlslo-exporter run`: a daemon that follows growing logs, survives restarts and says what is wrong."""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from tests.support.commands import exporter, served
from tests.support.logs import Gauges, monitor, parse, value, write_lines, write_monitor

pytestmark = pytest.mark.xdist_group("programs that wait")


class Running:
    """A daemon under test."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def get(self, path: str = "/metrics", **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(self.url + path, headers=headers)
        return self._answer(request)

    def post(self, path: str) -> tuple[int, str]:
        return self._answer(urllib.request.Request(self.url + path, method="POST"))

    def gauges(self) -> Gauges:
        return parse(self.get()[1])

    def wait_for(self, found: Callable[[Gauges], bool], seconds: float = 100) -> Gauges:
        deadline = time.monotonic() + seconds
        while not found(gauges := self.gauges()):
            assert time.monotonic() < deadline, f"never came: {self.get()[1]}"
            assert self.process.poll() is None
            time.sleep(0.1)
        return gauges

    def _answer(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@contextmanager
def daemon(folder: Path, *arguments: object) -> Iterator[Running]:
    command = [sys.executable, "-W", "error", "-m", "exporter", "run", "monitor.yaml"]
    options = ["--web.listen-address", "127.0.0.1:0", "--state-dir", "state", *map(str, arguments)]
    process = subprocess.Popen([*command, *options], cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = []
        while "/metrics" not in (line := process.stderr.readline()):
            said.append(line)
            assert line, f"ended without a word: {said}"
        running = Running(process, served(line))
        yield running
    finally:
        process.terminate()
        with process.stderr or nullcontext() as stderr:
            rest = stderr.read() if stderr else ""
        assert process.wait(60) == 0, rest
        assert "Traceback" not in rest, rest


def record(number: int, **changes: Any) -> dict[str, Any]:
    return {"ts": time.time(), "id": f"r{number}", "score": 0.5, "status": 200, **changes}


def total(number: int) -> Callable[[Gauges], bool]:
    return lambda gauges: sum(count for _, count in gauges.get("ml_predictions_total", [])) == number


def test_a_growing_log_is_followed_across_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "logs/predictions.jsonl"
    write_lines(log, [record(0)])
    write_monitor(tmp_path)
    with daemon(tmp_path) as running:
        running.wait_for(total(1))
        assert running.get("/-/ready") == (200, "Ready.\n")
        assert running.get("/-/healthy") == (200, "Healthy.\n")
        with log.open("a") as file:
            file.write('{"ts": ' + str(time.time()) + ', "id": "r1", "score"')
            file.flush()
            time.sleep(1.5)
            assert total(1)(running.gauges())
            assert (value(running.gauges(), "ml_sink_lag_bytes", sink="predictions") or 0) > 0
            file.write(": 0.25}\n")
        running.wait_for(total(2))
        write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r0", "label": 1, "ts": time.time()}])
        running.wait_for(lambda gauges: value(gauges, "ml_label_coverage_ratio") == 0.5)
    write_lines(log, [record(2)])
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r1", "label": 1, "ts": time.time()}])
    with daemon(tmp_path) as running:
        gauges = running.wait_for(total(3))
        assert value(gauges, "ml_model_recall") == 0.5
        assert value(gauges, "ml_sink_records_total", sink="labels") == 2


def test_a_kill_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    log = tmp_path / "logs/predictions.jsonl"
    write_monitor(tmp_path, monitor(labels=None, schedule="100ms"))
    written = 0
    command = [sys.executable, "-m", "exporter", "run", "monitor.yaml", "--web.listen-address", "127.0.0.1:0"]
    for pause in (0.7, 1.0, 1.3):
        write_lines(log, (record(written + i) for i in range(20_000)))
        written += 20_000
        process = subprocess.Popen(
            [*command, "--state-dir", "state"], cwd=tmp_path, stderr=subprocess.DEVNULL
        )
        time.sleep(pause)
        process.kill()
        process.wait()
    with daemon(tmp_path) as running:
        gauges = running.wait_for(total(written))
        assert sum(rows for _, rows in gauges["ml_monitor_samples"]) == written


def test_sigterm_leaves_at_once_even_while_catching_up(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", (record(i, padding="x" * 400) for i in range(100_000)))
    write_monitor(tmp_path)
    with daemon(tmp_path) as running:
        time.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0


def test_reload_takes_good_files_and_refuses_bad_ones(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])
    write_monitor(tmp_path, monitor(labels=None))
    with daemon(tmp_path, "--web.enable-lifecycle") as running:
        running.wait_for(total(1))
        write_monitor(tmp_path, monitor(labels=None, windows=["2h"]))
        assert running.post("/-/reload") == (200, "Reloaded.\n")
        running.wait_for(lambda gauges: value(gauges, "ml_monitor_samples", window="2h") == 1)
        write_monitor(tmp_path, monitor(labels=None, windowz=["2h"]))
        code, text = running.post("/-/reload")
        assert code == 500
        assert "monitor.yaml:" in text
        assert "did you mean 'windows'?" in text
        gauges = running.gauges()
        assert value(gauges, "ml_exporter_config_last_reload_successful") == 0
        assert value(gauges, "ml_predictions_total") == 1
        write_monitor(tmp_path, monitor(labels=None, windows=["3h"]))
        running.process.send_signal(signal.SIGHUP)
        running.wait_for(lambda gauges: value(gauges, "ml_monitor_samples", window="3h") == 1)
        assert value(running.gauges(), "ml_exporter_config_last_reload_successful") == 1
        # What was read stays read.
        assert value(running.gauges(), "ml_predictions_total") == 1


def test_reload_needs_to_be_allowed(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [])
    write_monitor(tmp_path, monitor(labels=None))
    with daemon(tmp_path) as running:
        assert running.post("/-/reload")[0] == 403
        assert running.get("/-/reload")[0] == 405
        assert running.get("/nothing")[0] == 404


def test_the_status_page_tells_a_person(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0, version="<b>v1</b>")])
    write_monitor(tmp_path)
    with daemon(tmp_path) as running:
        running.wait_for(total(1))
        _, page = running.get("/")
        assert '<a href="/models/m">m</a>' in page
        assert "labels cannot be read" in page  # there are none yet
        status, page = running.get("/models/m?version=none&window=none&reference=none")
        assert status == 200
        assert "<h1>m</h1>" in page
        assert "&lt;b&gt;v1&lt;/b&gt;" in page
        assert "Fewer rows than minSamples" in page
        assert running.get("/models/n")[0] == 404


def test_pages_behind_a_password(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [])
    write_monitor(tmp_path, monitor(labels=None))
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yaml").write_text(yaml.safe_dump({"basic_auth_users": {"prometheus": hashed}}))

    def authorization(text: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    with daemon(tmp_path, "--web.config.file", "web.yaml") as running:
        assert running.get()[0] == 401
        for wrong in ("prometheus:wrong", "nobody:secret", "prometheus"):
            assert running.get(**authorization(wrong))[0] == 401
        for _ in range(2):
            assert running.get(**authorization("prometheus:secret"))[0] == 200
        assert running.get(Authorization="Basic !!!")[0] == 401


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("basic_auth_users: {a: secret}", "web.yaml:1:23: expected a bcrypt hash, never a password"),
        ("tls_server_config: {cert_file: x, key_file: y}", "web.yaml:1:1: certificates cannot be used"),
        ("basic_auth_user: {}", "did you mean 'basic_auth_users'?"),
    ],
)
def test_a_bad_web_config_is_refused(content: str, message: str, tmp_path: Path) -> None:
    write_monitor(tmp_path, monitor(labels=None))
    (tmp_path / "web.yaml").write_text(content)
    done = exporter(
        "run",
        tmp_path / "monitor.yaml",
        "--web.config.file",
        tmp_path / "web.yaml",
        "--state-dir",
        tmp_path / "s",
        check=False,
    )
    assert done.returncode == 2
    assert message in done.stderr


def test_two_exporters_on_one_state_are_refused(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [])
    path = write_monitor(tmp_path, monitor(labels=None))
    with daemon(tmp_path):
        done = exporter(
            "run", path, "--state-dir", tmp_path / "state", "--web.listen-address", ":0", check=False
        )
        job = exporter("run", path, "--state-dir", tmp_path / "state", "--once-then-exit", check=False)
    # A job goes on with its other models, and may be run again.
    assert (done.returncode, job.returncode) == (2, 1)
    assert "in use by another process" in done.stderr
    assert "in use by another process" in job.stderr


def test_a_taken_port_is_one_clear_message(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [])
    path = write_monitor(tmp_path, monitor(labels=None))
    with daemon(tmp_path) as running:
        address = running.url.removeprefix("http://")
        done = exporter(
            "run", path, "--state-dir", tmp_path / "other", "--web.listen-address", address, check=False
        )
    assert done.returncode == 2
    assert f"--web.listen-address {address}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_log_that_cannot_be_read_is_down_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "logs/predictions-1.jsonl").mkdir(parents=True)
    write_lines(tmp_path / "logs/predictions-2.jsonl", [record(0)])
    write_monitor(tmp_path, monitor(labels=None))
    with daemon(tmp_path) as running:
        gauges = running.wait_for(total(1))
        assert value(gauges, "ml_sink_up", sink="predictions") == 0
        (tmp_path / "logs/predictions-1.jsonl").rmdir()
        running.wait_for(lambda gauges: value(gauges, "ml_sink_up", sink="predictions") == 1)


def test_late_records_go_to_their_own_time_and_are_counted(tmp_path: Path) -> None:
    log = tmp_path / "logs/predictions.jsonl"
    write_lines(log, [record(0)])
    write_monitor(tmp_path, monitor(labels=None, windows=["10m", "1h"]))
    with daemon(tmp_path) as running:
        running.wait_for(total(1))
        write_lines(log, [record(1, ts=time.time() - 1800)])
        gauges = running.wait_for(total(2))
        assert value(gauges, "ml_sink_late_records_total", sink="predictions") == 1
        assert value(gauges, "ml_monitor_samples", window="10m") == 1
        assert value(gauges, "ml_monitor_samples", window="1h") == 2


def test_a_changed_reference_starts_its_windows_anew(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", (record(i, features={"x": i}) for i in range(50)))
    path = write_monitor(tmp_path, monitor(labels=None, references={"training": {"static": "training.json"}}))
    for scale in (1, 10):
        data = write_lines(
            tmp_path / f"data{scale}.jsonl", ({"features": {"x": i * scale}} for i in range(100))
        )
        exporter("baseline", path, "--data", data, "--out", tmp_path / "training.json")
        if scale == 1:
            with daemon(tmp_path) as running:
                running.wait_for(total(50))
    with daemon(tmp_path) as running:
        gauges = running.wait_for(total(50))
        assert value(gauges, "ml_monitor_samples") == 0
        write_lines(tmp_path / "logs/predictions.jsonl", [record(51, features={"x": 3})])
        gauges = running.wait_for(total(51))
        assert value(gauges, "ml_monitor_samples") == 1
