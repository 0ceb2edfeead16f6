"""Summaries over HTTP: pages of summaries, and the aggregator that asks for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

import bcrypt
import pytest

from exporter.daemon.fleet_cycle import AskError, FleetCycle
from exporter.daemon.models import Model
from exporter.state import sent
from exporter.state.sent import Asked
from exporter.web.fleet import HTTPFleet, is_name
from exporter.web.protection import Protection
from tests.support.commands import exporter
from tests.support.daemons import Running, running
from tests.support.logs import EPOCH, monitor, parse, record, value, write_lines, write_monitor
from tests.support.paths import ROOT
from tests.support.web import certificate

PLAIN = monitor(windows=["1h"], labels=None)
SUMMARIES = {"summaries": True}
T = TypeVar("T")


def pod(folder: Path, rows: int, first: int = 0) -> Path:
    """Write a log of ``rows`` records of the last minutes, and a monitor file; returns that."""
    at = time.time() - EPOCH - 600
    write_lines(
        folder / "logs" / "predictions.jsonl",
        [record(first + number, at=at + number, score=(number % 8) / 8) for number in range(rows)],
    )
    return write_monitor(folder, PLAIN)


def get(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(
        url, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


@contextmanager
def serving(folder: Path, rows: int, **served: object) -> Iterator[Running]:
    with running([pod(folder, rows)], folder / "state", served={**SUMMARIES, **served}) as found:
        yield found


def test_page_is_sent_once_a_cycle(tmp_path: Path) -> None:
    monitored = pod(tmp_path, 5)
    text = monitored.read_text().replace("schedule: 1s", "schedule: 1h")
    monitored.write_text(text)
    with running([monitored], tmp_path / "state", served=SUMMARIES) as daemon:
        daemon.wait_for(lambda gauges: value(gauges, "ml_monitor_samples", window="1h") == 5)
        code, body, headers = get(f"{daemon.url}/summaries/m")
        page = sent.read(body)
        assert (code, page.envelope.model, page.envelope.more) == (200, "m", None)
        assert page.envelope.at <= time.time()
        assert page.portable.counters["ml_predictions_total", ("v1",)] == 5
        assert get(f"{daemon.url}/summaries/m", If_None_Match=headers["ETag"])[:2] == (304, b"")
        assert get(f"{daemon.url}/summaries/other")[0] == 404
        assert get(f"{daemon.url}/summaries/m?after=nonsense")[0] == 400
        assert get(f"{daemon.url}/summaries/m?since=9-9")[0] == 200


def test_summaries_are_off_by_default(tmp_path: Path) -> None:
    with running([pod(tmp_path, 1)], tmp_path / "state") as daemon:
        code, body, _ = get(f"{daemon.url}/summaries/m")
        assert (code, body) == (403, b"Summaries are not served: start with --web.enable-summaries.\n")
        with pytest.raises(AskError, match="answered 403: Summaries are not served") as refused:
            HTTPFleet([], []).ask(daemon.url, "m", Asked(), "", None)
        assert refused.value.state == "refused"


def test_summaries_are_protected_as_other_pages(tmp_path: Path) -> None:
    """Password, TLS and its authority; and an aggregator that has them in files."""
    made, key = certificate(tmp_path, "pod", "DNS:model-exporters")
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    config = tmp_path / "web.yaml"
    config.write_text(
        f"tls_server_config: {{cert_file: {made}, key_file: {key}}}\nbasic_auth_users: {{fleet: '{hashed}'}}\n"
    )
    (tmp_path / "password").write_text("secret\n")
    client = tmp_path / "client.yaml"
    client.write_text(
        "basic_auth: {username: fleet, password_file: password}\n"
        f"tls_config: {{ca_file: {made}, server_name: model-exporters}}\n"
    )
    (tmp_path / "stranger.yaml").write_text(
        f"tls_config: {{ca_file: {made}, server_name: model-exporters}}\n"
    )
    (tmp_path / "nameless.yaml").write_text(f"tls_config: {{ca_file: {made}}}\n")
    with serving(tmp_path / "pod", 3, protection=Protection(config)) as daemon:
        fleet = HTTPFleet([daemon.url], [], client)
        page, tag = _eventually(lambda: fleet.ask(daemon.url, "m", Asked(), "", None))
        assert page.portable.versions.keys() == {"v1"}
        assert tag
        for wrong, state, advice in (
            (None, "unreachable", "self-signed certificate; give ca_file or server_name"),
            (tmp_path / "nameless.yaml", "unreachable", "IP address mismatch.*; give ca_file or server_name"),
            (tmp_path / "stranger.yaml", "refused", "401: .*; give the exporter's password or token by"),
        ):
            with pytest.raises(AskError, match=advice) as refused:
                HTTPFleet([], [], wrong).ask(daemon.url, "m", Asked(), "", None)
            assert refused.value.state == state


def _eventually(asked: Callable[[], T | None]) -> T:
    """Return the answer of an exporter that may have had no cycle yet."""
    for _ in range(200):
        with suppress(AskError):
            if (answer := asked()) is not None:
                return answer
        time.sleep(0.05)
    raise AssertionError("never answered")


class _Hostile(BaseHTTPRequestHandler):
    """Answers as its path says."""

    def do_GET(self) -> None:
        self.send_response(302 if "away" in self.path else 500 if "broken" in self.path else 200)
        if "away" in self.path:
            self.send_header("Location", "http://127.0.0.1:9/")
        self.end_headers()
        with suppress(OSError):
            if "endless" in self.path:
                while True:
                    self.wfile.write(bytes(1 << 20))
            if "slow" in self.path:
                for _ in range(100):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.05)
            self.wfile.write(b"no page")

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("folder", "state", "reason"),
    [
        ("plain", "damaged", "not a page of summaries"),
        ("endless", "damaged", "more than 67108864 bytes"),
        ("slow", "unreachable", "sends too slowly|timed out"),
        ("away", "refused", "answered 302"),
        ("broken", "unreachable", "answered 500: no page"),
    ],
)
def test_answer_that_is_no_page_is_refused(folder: str, state: str, reason: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hostile) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/{folder}"
            with pytest.raises(AskError, match=reason) as refused:
                HTTPFleet([], []).ask(url, "m", Asked(), "", 1.0)
            assert refused.value.state == state
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("dns://exporters.ml.svc:9847", True),
        ("dns://exporters", False),
        ("dnssrv://exporters", False),
        ("dns://user@exporters:1", False),
        ("dns://exporters:1/path", False),
        ("http://exporters:1", False),
        ("dns://exporters:99999", False),
        ("dns://", False),
    ],
)
def test_names_of_discovery(text: str, good: bool) -> None:
    assert is_name(text) is good


def test_exporters_are_found_by_name() -> None:
    assert "http://127.0.0.1:9847" in HTTPFleet(["http://a:1/"], ["dns://localhost:9847"]).instances()
    with pytest.raises(AskError, match=r"dns://nothing\.invalid:1: "):
        HTTPFleet([], ["dns://nothing.invalid:1"]).instances()


def test_aggregator_serves_the_fleet_like_one_exporter(tmp_path: Path) -> None:
    with ExitStack() as stack:
        pods = [stack.enter_context(serving(tmp_path / f"pod{number}", 10)) for number in range(2)]
        fleet = HTTPFleet([one.url for one in pods], [])
        path = write_monitor(tmp_path, PLAIN)
        build: Callable[[Model, object], FleetCycle] = partial(FleetCycle, fleet=fleet)
        served = stack.enter_context(running([path], tmp_path / "fleet", build=build, served=SUMMARIES))
        gauges = served.wait_for(lambda gauges: value(gauges, "ml_monitor_samples", window="1h") == 20)
        assert value(gauges, "ml_fleet_exporters", state="merged") == 2
        assert value(gauges, "ml_sink_up", sink="predictions") == 1
        code, page = served.get("/models/m")[:2]
        assert code == 200
        assert all(f'<th scope="row">{one.url}</th>' in str(page) for one in pods)
        assert served.get("/-/ready")[0] == 200
        assert served.get("/summaries/m")[0] == 503


@contextmanager
def process(
    folder: Path, rows: int, first: int, port: int = 0
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run an exporter as a process; yields it and its address."""
    command = [
        sys.executable,
        "-m",
        "exporter",
        "run",
        str(pod(folder, rows, first)),
        "--web.enable-summaries",
    ]
    command += ["--web.listen-address", f"127.0.0.1:{port}", "--state-dir", str(folder / "state")]
    started = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert started.stderr is not None
    try:
        line = next(line for line in started.stderr if "msg=started" in line)
        yield started, line.split("url=")[1].split()[0].strip('"').removesuffix("/metrics")
    finally:
        started.kill()
        started.wait(20)
        started.stderr.close()


def test_fleet_of_processes_survives_a_kill(tmp_path: Path) -> None:
    """Two exporters, one of which is killed, and comes back with more; nothing is lost or counted twice."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(process(tmp_path / f"pod{number}", 10, 100 * number)) for number in range(2)
        ]
        urls = [url for _, url in started]
        asked = [word for url in urls for word in ("--from", url)]
        monitored = write_monitor(tmp_path, PLAIN)

        def aggregated(code: int = 0) -> tuple[float | None, float | None, float | None]:
            done = exporter(
                "aggregate", monitored, *asked, "--once", "--state-dir", tmp_path / "fleet", check=False
            )
            assert done.returncode == code, done.stderr
            gauges = parse(done.stdout)
            return (
                value(gauges, "ml_monitor_samples", window="1h"),
                value(gauges, "ml_predictions_total"),
                value(gauges, "ml_fleet_exporters", state="merged"),
            )

        for url in urls:
            _eventually(lambda url=url: HTTPFleet([], []).ask(url, "m", Asked(), "", None))  # type: ignore[misc]
        assert aggregated() == (20, 20, 2)
        os.kill(started[1][0].pid, signal.SIGKILL)
        started[1][0].wait(20)
        assert aggregated() == (20, 20, 1)
        port = int(urls[1].rpartition(":")[2])
        stack.enter_context(process(tmp_path / "pod1", 5, 500, port))
        _eventually(lambda: HTTPFleet([], []).ask(urls[1], "m", Asked(), "", None))
        assert aggregated() == (25, 25, 2)
