"""A daemon that events are pushed to: what it counts, and what it still knows after it was killed."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.exporter.daemon.test_daemon import Running, total
from tests.support.commands import exporter
from tests.support.logs import monitor, value, write_monitor
from tests.support.paths import ROOT
from tests.support.pushing import JSON, LINES, json_lines, post
from tests.support.servers import free_port

pytestmark = [pytest.mark.slow]

_SAMPLE = (ROOT / "tests/formats/samples/kserve-v1.jsonl").read_text()


@contextmanager
def daemon(
    folder: Path, port: int, *arguments: object, files: Sequence[str] = ("monitor.yaml",)
) -> Iterator[Running]:
    """A daemon whose endpoint is at ``port``; it may be killed before the block ends."""
    command = [sys.executable, "-W", "error", "-m", "exporter", "run", *files]
    options = ["--web.listen-address", "127.0.0.1:0", "--push.listen-address", f"127.0.0.1:{port}"]
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *options, "--state-dir", "state", *map(str, arguments)],
            cwd=folder,
            stderr=output,
            text=True,
        )
    try:
        until = time.monotonic() + 60
        while not (page := re.search(r"(http\S+)/metrics", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.02)
        yield Running(process, page[1])
    finally:
        process.terminate()
        assert process.wait(60) in (0, -signal.SIGKILL), log.read_text()
        assert "Traceback" not in log.read_text(), log.read_text()


def _pushed(**spec: Any) -> dict[str, Any]:
    """Return a monitor file whose logs are both pushed."""
    content = monitor(**spec)
    content["spec"]["predictions"]["sink"] = {"push": {"path": "/m"}}
    if "labels" in content["spec"]:
        content["spec"]["labels"]["sink"] = {"push": {"path": "/m/labels"}}
    return content


def _record(number: int) -> dict[str, Any]:
    return {"ts": time.time(), "id": f"r{number}", "score": 0.5, "status": 200, "features": {"amount": 1.0}}


def _event(number: int) -> bytes:
    now = datetime.now(UTC).isoformat()
    event = {"specversion": "1.0", "id": str(number), "source": "/s", "type": "t", "time": now}
    return json.dumps({**event, "data": {"score": 0.5}}).encode()


_STRUCTURED = {"Content-Type": "application/cloudevents+json"}


def _receiver_of(process: subprocess.Popen[str]) -> int:
    """Return the process of the receiver."""
    for children in Path(f"/proc/{process.pid}/task").glob("*/children"):
        for child in children.read_text().split():
            if b"exporter.web.push.process" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    raise AssertionError("no receiver")


def test_kserves_logger_may_point_at_it(tmp_path: Path) -> None:
    port = free_port()
    content = _pushed()
    content["spec"]["predictions"] = {
        "sink": {"push": {"path": "/m"}},
        "preset": "kserve",
        "fields": {
            "features": {
                "path": "request.data.instances.*",
                "names": ["age", "amount", "income", "days", "region"],
            }
        },
    }
    write_monitor(tmp_path, content)
    now = datetime.now(UTC).isoformat()
    with daemon(tmp_path, port) as running:
        for _ in range(2):
            for line in _SAMPLE.splitlines():
                event = json.loads(line)
                headers = {
                    f"Ce-{name.title()}": text
                    for name, text in {**event, "time": now}.items()
                    if name not in ("data", "datacontenttype")
                }
                answer = post(port, "/m", json.dumps(event["data"]).encode(), {**headers, **JSON})
                assert answer.status == 200, answer.text
        # The first request holds two instances; the second one's response is not there yet.
        gauges = running.wait_for(total(2))
        assert value(gauges, "ml_push_events_total", sink="predictions", outcome="accepted") == 3
        assert value(gauges, "ml_push_events_total", sink="predictions", outcome="repeated") == 3
        assert (
            value(gauges, "ml_sink_up", sink="predictions") == value(gauges, "ml_sink_up", sink="labels") == 1
        )
        assert value(gauges, "ml_sink_lag_bytes", sink="predictions") == 0
        assert value(gauges, "ml_push_waiting_bytes", sink="predictions") == 0
        newest = value(gauges, "ml_sink_last_event_timestamp_seconds", sink="predictions")
        assert newest == pytest.approx(datetime.fromisoformat(now).timestamp())
        post(
            port,
            "/m/labels",
            json_lines({"id": json.loads(_SAMPLE.splitlines()[0])["id"], "label": 1, "ts": time.time()}),
        )
        running.wait_for(lambda gauges: (value(gauges, "ml_sink_records_total", sink="labels") or 0) == 1)
        assert post(port, "/m", b"", {}, method="GET").status == 405
        refused = {"sink": "predictions", "reason": "unsupported"}
        running.wait_for(lambda gauges: value(gauges, "ml_push_refused_requests_total", **refused) == 1)


def test_what_waits_is_shown_and_counted_without_the_daemon(tmp_path: Path) -> None:
    port = free_port()
    # The daemon's cycle comes before the events.
    path = write_monitor(tmp_path, _pushed(schedule="1h"))
    fresh = exporter("check", path, "--state-dir", tmp_path / "state")
    assert (
        "predictions: POST /m: events come by HTTP to mlslo-exporter run; none is there yet" in fresh.stdout
    )
    with daemon(tmp_path, port) as running:
        running.wait_for(lambda gauges: bool(gauges.get("ml_sink_up")))
        assert post(port, "/m", json_lines(_record(0), _record(1))).status == 200
        shown = exporter("check", path, "--state-dir", tmp_path / "state")
        assert "predictions: POST /m: 2 of the first 2 records usable" in shown.stdout
    once = exporter("once", path, "--state-dir", tmp_path / "state").stdout
    assert 'ml_predictions_total{model="m",version=""} 2.0' in once
    assert 'ml_sink_up{model="m",sink="predictions"} 1.0' in once
    again = exporter("once", path, "--state-dir", tmp_path / "state").stdout
    assert 'ml_predictions_total{model="m",version=""} 2.0' in again


class _Sender(threading.Thread):
    """Sends events, each until it is acknowledged, and then again; none is sent anew after ``done``."""

    def __init__(self, port: int, first: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.acknowledged = 0
        self.done = threading.Event()
        self._first = first
        self._random = random.Random(first)

    def run(self) -> None:
        while not self.done.is_set():
            number = self._first + self.acknowledged
            events = [_event(number)] * 2
            for event in events:
                while not self._is_sent(event):
                    time.sleep(0.02)
            self.acknowledged += 1

    def _is_sent(self, event: bytes) -> bool:
        if self._random.random() < 0.1:
            # It goes away before it is answered.
            with (
                suppress(OSError),
                closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as one,
            ):
                one.request("POST", "/m", event, _STRUCTURED)
        with suppress(OSError, http.client.HTTPException):
            return post(self.port, "/m", event, _STRUCTURED).status == 200
        return False


KILLS = int(os.environ.get("MLSLO_KILLS", "6"))


def test_no_acknowledged_event_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    port = free_port()
    content = _pushed()
    content["spec"]["predictions"]["fields"] = {
        "timestamp": "time",
        "score": "data.score",
        "features": "data",
    }
    del content["spec"]["labels"]
    write_monitor(tmp_path, content)
    senders = [_Sender(port, first) for first in (0, 1_000_000, 2_000_000)]
    moments = random.Random(5)
    for number in range(KILLS):
        with daemon(tmp_path, port) as running:
            if number == 0:
                for sender in senders:
                    sender.start()
            time.sleep(moments.uniform(0, 2.5))
            # Three in four of all of it, the others of the receiver, which is started again.
            if number % 4 == 3:
                os.kill(_receiver_of(running.process), signal.SIGKILL)
                time.sleep(moments.uniform(0, 1))
            running.process.kill()
    with daemon(tmp_path, port) as running:
        acknowledged = [sender.acknowledged for sender in senders]
        until = time.monotonic() + 100
        while any(
            sender.acknowledged < before + 2 for sender, before in zip(senders, acknowledged, strict=True)
        ):
            assert time.monotonic() < until
            time.sleep(0.05)
        for sender in senders:
            sender.done.set()
        for sender in senders:
            sender.join(30)
            assert not sender.is_alive()
        expected = sum(sender.acknowledged for sender in senders)
        gauges = running.wait_for(total(expected))
        assert value(gauges, "ml_push_events_total", outcome="accepted") == expected
        # As often as it was sent again, at least.
        assert (value(gauges, "ml_push_events_total", outcome="repeated") or 0) >= expected
        time.sleep(2)
        assert total(expected)(running.gauges())


def test_a_reload_adds_an_endpoint_and_takes_one_away(tmp_path: Path) -> None:
    port = free_port()
    path = write_monitor(tmp_path)
    with daemon(tmp_path, port) as running:
        with pytest.raises(ConnectionRefusedError):
            post(port, "/m", b"{}")
        for content, taken, gone in ((_pushed(), "/m", "/n"), (_pushed(), "/n", "/m")):
            content["spec"]["predictions"]["sink"]["push"]["path"] = taken
            path.write_text(yaml.safe_dump(content))
            running.process.send_signal(signal.SIGHUP)
            until = time.monotonic() + 100
            while True:
                with suppress(OSError):
                    if post(port, taken, json_lines(_record(0))).status == 200:
                        break
                assert time.monotonic() < until
                time.sleep(0.1)
            assert post(port, gone, b"{}").status == 404
        gauges = running.wait_for(total(1))
        running.wait_for(lambda gauges: value(gauges, "ml_sink_up", sink="predictions") == 1)
        assert gauges


def test_lines_without_a_key_that_are_sent_twice_are_recognised_in_the_cycle(tmp_path: Path) -> None:
    write_monitor(tmp_path, _pushed(labels=None))
    port = free_port()
    body = json_lines(*map(_record, range(50)))
    with daemon(tmp_path, port) as running:
        for _ in range(2):
            assert json.loads(post(port, "/m", body, LINES).body) == {"accepted": 50, "repeated": 0}
        gauges = running.wait_for(
            lambda gauges: value(gauges, "ml_sink_records_total", sink="predictions") == 100
        )
        assert value(gauges, "ml_push_events_total", sink="predictions", outcome="accepted") == 100
        rejected = {"sink": "predictions", "reason": "duplicate"}
        assert value(gauges, "ml_sink_rejected_records_total", **rejected) == 50
        assert value(gauges, "ml_predictions_total") == 50


def test_tls_and_tokens_of_a_daemon(tmp_path: Path) -> None:
    made = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", "req", *made.split(), *files], check=True, capture_output=True, cwd=tmp_path)
    (tmp_path / "web.yaml").write_text("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
    (tmp_path / "tokens").write_text("secret\n")
    write_monitor(tmp_path, _pushed())
    port = free_port()
    with daemon(tmp_path, port, "--web.config.file", "web.yaml", "--push.token-file", "tokens") as running:
        trusted = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        for token, status in (("secret", 200), ("other", 401)):
            with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=trusted)) as one:
                headers = {**LINES, "Authorization": f"Bearer {token}"}
                one.request("POST", "/m", json_lines(_record(0)), headers)
                assert one.getresponse().status == status
        with pytest.raises((http.client.HTTPException, OSError)):
            post(port, "/m", b"{}")
        until = time.monotonic() + 100
        while "push: /m: refused with 401: expected" not in (log := (tmp_path / "log").read_text()):
            assert time.monotonic() < until, log
            time.sleep(0.02)
        assert f"events are received at https://127.0.0.1:{port}" in log
        assert "secret" not in log
        assert running.process.poll() is None


def test_an_endpoint_that_cannot_be_is_said_at_once(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, _pushed())
    options = ["--web.listen-address", "127.0.0.1:0", "--state-dir", tmp_path / "state"]
    (tmp_path / "tokens").write_text("# none\n")
    empty = exporter("run", path, *options, "--push.token-file", tmp_path / "tokens", check=False)
    assert (empty.returncode, empty.stderr) == (
        2,
        f"--push.token-file {tmp_path}/tokens: no token in it; expected one a line\n",
    )
    missing = exporter("run", path, *options, "--push.token-file", tmp_path / "none", check=False)
    assert missing.returncode == 2
    assert "cannot be used: No such file or directory" in missing.stderr
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        taken = exporter("run", path, *options, "--push.listen-address", f"127.0.0.1:{port}", check=False)
    assert (taken.returncode, taken.stderr) == (
        2,
        f"--push.listen-address 127.0.0.1:{port}: Address already in use\n",
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": "/m"}, "the push path of 'predictions' already; expected another one"),
        ({"labels": "/m/v1/logs"}, "the push path of 'predictions' already; expected another one"),
        ({"predictions": "m"}, "expected a path such as /fraud"),
        (
            {"first": True},
            "'first' reads the predictions apart, and pushed events are gone once they are counted",
        ),
        ({"both": True}, "objects, opensearch, push, sql, got file and push"),
    ],
)
def test_monitor_files_that_cannot_be(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    content = _pushed()
    for log in ("predictions", "labels"):
        if log in change:
            content["spec"][log]["sink"]["push"]["path"] = change[log]
    if "first" in change:
        content["spec"]["references"] = {"launch": {"first": "7d"}}
    if "both" in change:
        content["spec"]["predictions"]["sink"]["file"] = {"path": "x"}
    done = exporter("check", write_monitor(tmp_path, content), check=False)
    assert done.returncode == 2
    assert said in done.stderr


def test_two_models_cannot_have_one_path(tmp_path: Path) -> None:
    content = _pushed()
    first = write_monitor(tmp_path, content)
    content["metadata"]["name"] = "other"
    second = tmp_path / "other.yaml"
    second.write_text(yaml.safe_dump(content))
    done = exporter("check", first, second, check=False)
    assert done.returncode == 2
    assert "events pushed to /m are of model 'm' already; expected another path" in done.stderr
