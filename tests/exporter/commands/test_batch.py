"""`run --once-then-exit`: a cycle of each model, delivered to a real Pushgateway and a real Prometheus."""

from __future__ import annotations

import http.server
import re
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.web.delivery import DeliveryError, Sender, is_url
from exporter.web.pushgateway import _part
from exporter.web.remote_write import snappy_block
from tests.exporter.daemon.test_daemon import record
from tests.support.commands import exporter
from tests.support.logs import Gauges, monitor, parse, value, write_lines, write_monitor
from tests.support.prometheus import instant
from tests.support.pushgateway import Pushgateway, installed
from tests.support.servers import Server, free_port
from tests.support.tools import tool

needs_pushgateway = pytest.mark.skipif(
    installed() is None, reason="there is no Pushgateway; run scripts/tools"
)


def batch(folder: Path, *arguments: object, check: bool = True) -> Any:
    return exporter(
        "run",
        folder / "monitor.yaml",
        "--once-then-exit",
        "--state-dir",
        folder / "state",
        *arguments,
        check=check,
    )


def model(folder: Path, name: str = "m", rows: int = 3) -> Path:
    content = monitor(labels=None)
    content["metadata"]["name"] = name
    write_lines(folder / "logs/predictions.jsonl", (record(number, latency_ms=30) for number in range(rows)))
    return write_monitor(folder, content)


def gauges(url: str) -> Gauges:
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        return parse(answer.read().decode())


@needs_pushgateway
def test_a_pushgateway_has_the_gauges_of_the_last_run(tmp_path: Path) -> None:
    model(tmp_path, "credit/eu")
    with Pushgateway(tmp_path) as gateway:
        where = ("--push-gateway.url", gateway.url, "--delivery.job", "nightly")
        done = batch(tmp_path, *where)
        assert done.stdout == ""
        assert re.search(rf'msg="delivered \d+ series to {gateway.url}" model=credit/eu\n', done.stderr)
        found = gauges(gateway.url)
        assert value(found, "ml_predictions_total", model="credit/eu", job="nightly") == 3
        assert value(found, "ml_prediction_latency_seconds_bucket", le="0.05", version="") == 3
        assert value(found, "ml_monitor_samples", window="1h") == 3
        assert not found.get("ml_exporter_build_info")
        assert {labels["instance"] for labels, _ in found["ml_predictions_total"]} == {""}
        # The state was kept, and what is gone from the page is gone there.
        write_lines(tmp_path / "logs/predictions.jsonl", [record(4)])
        content = yaml.safe_load((tmp_path / "monitor.yaml").read_text())
        content["spec"]["windows"] = ["2h"]
        write_monitor(tmp_path, content)
        batch(tmp_path, *where)
        found = gauges(gateway.url)
        assert value(found, "ml_predictions_total", model="credit/eu", job="nightly") == 4
        assert {labels["window"] for labels, _ in found["ml_monitor_samples"]} == {"2h"}
        assert "level=warn" not in gateway.log


@needs_pushgateway
def test_a_password_is_read_from_its_file(tmp_path: Path) -> None:
    import bcrypt

    model(tmp_path)
    hashed = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yaml").write_text(yaml.safe_dump({"basic_auth_users": {"job": hashed}}))
    (tmp_path / "password").write_text("s3cret\n")
    config = tmp_path / "http.yaml"
    config.write_text("basic_auth: {username: job, password_file: password}")
    with Pushgateway(tmp_path, f"--web.config.file={tmp_path}/web.yaml") as gateway:
        where = ("--push-gateway.url", gateway.url)
        done = batch(tmp_path, *where, check=False)
        assert done.returncode == 1
        assert "answered 401" in done.stderr
        done = batch(tmp_path, *where, "--delivery.http.config.file", config)
        assert "s3cret" not in done.stderr


class Receiving(Server):
    """A Prometheus that takes remote writes and scrapes nothing."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "prometheus.log")
        (folder / "prometheus.yml").write_text("{}")
        self._command = [
            str(tool("prometheus")), f"--config.file={folder}/prometheus.yml", "--web.enable-remote-write-receiver",
            f"--storage.tsdb.path={folder}/data", f"--web.listen-address={self.address}",
        ]  # fmt: skip

    def one(self, expression: str) -> float:
        (found,) = instant(self.url, expression)
        return float(found["value"][1])


def test_prometheus_takes_what_is_written(tmp_path: Path) -> None:
    """All series of the page, with the values of the page, in several requests where there are many."""
    content = monitor(labels=None, segments=["version"], maxSegmentValues=60)
    odd = 'v "é\\\n'
    rows = [record(number, latency_ms=30, version=f"{odd}{number % 48}") for number in range(480)]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    write_monitor(tmp_path, content)
    with Receiving(tmp_path) as prometheus:
        url = f"{prometheus.url}/api/v1/write"
        done = batch(tmp_path, "--remote-write.url", f"{url}?token=s3cret", "--delivery.job", "nightly")
        number = prometheus.one('count({model="m"})')
        assert f'msg="delivered {number:.0f} series to {url}" model=m\n' in done.stderr
        assert re.search(rf'msg="delivered \d+ series to {url}"$', done.stderr, re.MULTILINE)
        assert "s3cret" not in done.stderr
        assert prometheus.one('sum(ml_predictions_total{job="nightly",model="m"})') == 480
        assert prometheus.one("count(count by (version) (ml_predictions_total))") == 48
        assert prometheus.one("count(ml_exporter_build_info)") == 1
        assert prometheus.one('ml_prediction_latency_seconds_bucket{le="0.05",version=~".*é.*\\\\n39"}') == 10
        page = parse(exporter("once", tmp_path / "monitor.yaml", "--state-dir", tmp_path / "state").stdout)
        written = {item["metric"]["__name__"]: int(item["value"][1]) for item in instant(
            prometheus.url, 'count by (__name__) ({job="nightly"})')}  # fmt: skip
        assert sum(written.values()) > 2000
        assert written == {name: len(series) for name, series in page.items() if series}


@pytest.mark.slow
def test_what_cannot_be_delivered_is_said_and_comes_the_next_time(tmp_path: Path) -> None:
    model(tmp_path)
    url = f"http://127.0.0.1:{free_port()}"
    done = batch(tmp_path, "--push-gateway.url", url, "--delivery.timeout", "1s", check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "not delivered" in line]
    assert f"{url}/metrics/job/mlslo/model/m: not reached: " in line
    assert "the next run delivers what is true then" in line
    assert "Traceback" not in done.stderr
    assert batch(tmp_path).returncode == 0
    assert value(parse(exporter("once", tmp_path / "monitor.yaml").stdout), "ml_predictions_total") == 3


def test_a_log_that_cannot_be_read_fails_the_job_and_the_others_go_on(tmp_path: Path) -> None:
    for name, rows in (("a", 0), ("b", 2)):
        (tmp_path / name).mkdir()
        model(tmp_path / name, name, rows)
    (tmp_path / "a/logs/predictions.jsonl").unlink()
    paths = [tmp_path / name / "monitor.yaml" for name in ("a", "b")]
    arguments = ("--once-then-exit", "--state-dir", tmp_path / "state", "--log.format", "json")
    done = exporter("run", *paths, *arguments, check=False)
    assert done.returncode == 1
    assert '"msg": "cycle done, 2 prediction(s) so far", "model": "b"' in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--push-gateway.url", "http://x"), "--push-gateway.url needs --once-then-exit"),
        (("--once-then-exit", "--remote-write.url", "http://me:secret@x/write"), "without a password"),
        (("--once-then-exit", "--push-gateway.url", "x:9091"), "expected an http or https URL"),
        (("--once-then-exit", "--push-gateway.url", "http://x?a=b"), "expected a URL without a query"),
        (("--delivery.job", "nightly"), "--delivery.job needs --once-then-exit"),
        (("--delivery.http.config.file", "gone.yaml"), "--delivery.http.config.file needs --once-then-exit"),
        (("--delivery.timeout", "5m"), "--delivery.timeout needs --once-then-exit"),
        (("--once-then-exit", "--delivery.timeout", "soon"), "expected a duration"),
    ],
)
def test_wrong_options_are_refused(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    model(tmp_path, rows=0)
    done = exporter("run", tmp_path / "monitor.yaml", *arguments, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("basic_auth: {username: a, password: b}", "name a file that holds it with password_file"),
        ("authorization: {credentials: b}", "name a file that holds it with credentials_file"),
        ("authorization: {credentials_file: gone}", "cannot be read: No such file"),
        ("basic_auth: {username: a}", "expected password_file"),
        ("authorization: {credentials_file: empty}", "expected one line of text"),
        ("authorization: {credentials_file: typographic}", "expected ASCII"),
        ("{authorization: {}, basic_auth: {username: a}}", "got both"),
        ("tls_config: {cert_file: a}", "expected cert_file and key_file"),
        ("tls_config: {ca_file: empty}", "certificates cannot be used"),
        ("tls_config: {insecure_skip_verify: true}", "insecure_skip_verify"),
    ],
)
def test_a_wrong_http_configuration_is_refused(content: str, message: str, tmp_path: Path) -> None:
    model(tmp_path, rows=0)
    (tmp_path / "empty").write_text("")
    (tmp_path / "typographic").write_text("s\u2013ecret", encoding="utf-8")
    config = tmp_path / "http.yaml"
    config.write_text(content)
    where = ("--push-gateway.url", "http://127.0.0.1:1", "--delivery.http.config.file", config)
    done = batch(tmp_path, *where, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "state").exists()


@contextmanager
def answering(*codes: int, **headers: str) -> Iterator[tuple[str, list[Mapping[str, str]]]]:
    """A server that answers these codes, the last for ever, and what it was asked."""
    asked: list[Mapping[str, str]] = []
    left = list(codes)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append({**self.headers, "": self.path})
            code = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(code)
            for name, text in headers.items():
                self.send_header(name.replace("_", "-"), text)
            self.end_headers()
            self.wfile.write(b"it is so\nand so")

        do_GET = do_PUT

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Waiting(threading.Event):
    """Remembers how long it was waited for, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        return False


def test_what_may_pass_is_tried_again() -> None:
    pauses = Waiting()
    with answering(503, 500, 429, 202, Retry_After="3") as (url, asked):
        Sender(60, pauses, {"Authorization": "Bearer x"}).send("PUT", f"{url}/a", b"1", {})
    assert len(asked) == 4
    assert {one["Authorization"] for one in asked} == {"Bearer x"}
    assert pauses.waited == [3.0, 3.0, 3.0]


def test_pauses_grow_and_end_in_time() -> None:
    pauses = Waiting()
    with (
        answering(503) as (url, asked),
        pytest.raises(DeliveryError, match=r"answered 503: it is so \(attempts: 4"),
    ):
        Sender(3.5, pauses).send("PUT", f"{url}/a?token=x", b"1", {})
    assert pauses.waited == [0.5, 1.0, 2.0]
    assert len(asked) == 4


@pytest.mark.parametrize("code", [400, 401, 404, 413, 302])
def test_what_is_refused_is_not_tried_again(code: int) -> None:
    with answering(code, Location="/elsewhere") as (url, asked):
        with pytest.raises(DeliveryError) as raised:
            Sender(60).send("PUT", f"{url}/a?token=x", b"1", {})
        assert f"{url}/a: answered {code}: it is so" in str(raised.value)
        assert "token" not in str(raised.value)
        assert [one[""] for one in asked] == ["/a?token=x"]


def test_a_refusal_whose_text_does_not_come_is_one() -> None:
    with answering(404, Transfer_Encoding="chunked") as (url, _):
        with pytest.raises(DeliveryError) as raised:
            Sender(60).send("PUT", url, b"1", {})
        assert str(raised.value) == f"{url}: answered 404: Not Found"


def test_a_state_that_cannot_be_used_does_not_fail_every_job(tmp_path: Path) -> None:
    """It is set aside, as the daemon does it."""
    model(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state/m.sqlite").write_bytes(b"no database" * 1000)
    done = batch(tmp_path)
    assert "set aside as m.sqlite.set-aside-" in done.stderr
    assert "cycle done, 3 prediction(s) so far" in done.stderr


def test_a_push_sink_is_refused(tmp_path: Path) -> None:
    content = monitor(labels=None)
    content["spec"]["predictions"]["sink"] = {"push": {"path": "/m"}}
    path = write_monitor(tmp_path, content)
    done = batch(tmp_path, check=False)
    assert done.returncode == 2
    assert re.fullmatch(
        rf"{path}:\d+:\d+: .*only a daemon receives events; expected a sink of files .*\n", done.stderr
    )
    assert not (tmp_path / "state").exists()


def test_what_is_of_no_model_is_said_so(tmp_path: Path) -> None:
    """By remote write the exporter's own gauges are delivered, too."""
    model(tmp_path, rows=0)
    where = ("--remote-write.url", f"http://127.0.0.1:{free_port()}", "--delivery.timeout", "1s")
    done = batch(tmp_path, *where, "--log.format", "json", check=False)
    assert done.returncode == 1
    assert '"msg": "gauges of the exporter itself not delivered: ' in done.stderr
    assert '"model": ""' not in done.stderr


def test_the_end_of_the_job_ends_the_waiting() -> None:
    stopping = threading.Event()
    stopping.set()
    began = time.monotonic()
    with answering(503) as (url, _), pytest.raises(DeliveryError):
        Sender(3600, stopping).send("PUT", url, b"1", {})
    assert time.monotonic() - began < 60


def test_a_part_of_a_path_that_could_be_misread_is_encoded() -> None:
    assert _part("model", "fraud-v2_x.y~z") == "model/fraud-v2_x.y~z"
    assert _part("model", "a/b") == "model@base64/YS9i"
    assert _part("model", "é") == "model@base64/w6k"
    assert _part("model", "..") == "model@base64/Li4"
    assert _part("job", "") == "job@base64/="


def test_urls() -> None:
    good = ["http://x", "https://x:9091/base", "http://[::1]:80/api/v1/write?tenant=a"]
    bad = ["x:9091", "ftp://x", "http://", "http://a@x", "http://x:99999", "http://x#y", "http://[x"]
    # Of these, sending raises what no retry mends.
    bad += ["http://x/\u00fc", "http://x/a b", "http://a..b/", f"http://{'a' * 64}/"]
    assert [is_url(url) for url in [*good, *bad]] == [True] * len(good) + [False] * len(bad)


@pytest.mark.parametrize("size", [0, 1, 59, 60, 61, 65_535, 65_536, 65_537, 200_001])
def test_a_snappy_block_is_read_back(size: int) -> None:
    """By the format's own description: a length, then elements; ours are literals only."""
    content = bytes(number % 251 for number in range(size))
    block = memoryview(snappy_block(content))
    length = shift = at = 0
    while True:
        byte = block[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    found = bytearray()
    while at < len(block):
        assert block[at] & 3 == 0
        extra = max(0, (block[at] >> 2) - 59)
        number = int.from_bytes(block[at + 1 : at + 1 + extra], "little") if extra else block[at] >> 2
        found += block[at + 1 + extra : at + 2 + extra + number]
        at += 2 + extra + number
    assert (length, bytes(found)) == (size, content)
