"""What the exporter says on standard error: logfmt or JSON, not too often, and nothing of what a record holds."""

from __future__ import annotations

import base64
import json
import logging
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from exporter.daemon.logs import REPEATED, Formatter, RateLimit
from tests.exporter.daemon.test_daemon import record
from tests.support.commands import exporter, served
from tests.support.logs import monitor, write_lines, write_monitor

_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)')


def logged(message: str, *arguments: object, level: int = logging.WARNING, **more: Any) -> logging.LogRecord:
    found = logging.LogRecord("exporter.test", level, __file__, 1, message, arguments, None)
    vars(found).update(more)
    return found


def pairs(line: str) -> dict[str, str]:
    """The pairs of a line of logfmt, all of which are pairs."""
    assert _PAIR.sub("", line) == "", line
    return {key: json.loads(text) if text.startswith('"') else text for key, text in _PAIR.findall(line)}


def test_no_model_is_no_field() -> None:
    line = Formatter("logfmt").format(logged("model %s: gauges not delivered", ""))
    assert pairs(line).keys() == {"ts", "level", "msg"}
    assert pairs(line)["msg"] == "gauges not delivered"


def test_logfmt_has_the_model_as_a_field() -> None:
    odd = 'no "such"\nfile = gone'
    line = Formatter("logfmt").format(
        logged("model %s: sink %s: %s", "fraud eu", "labels", odd, created=0.25)
    )
    assert line.startswith("ts=1970-01-01T00:00:00.250Z level=warn msg=")
    assert "\n" not in line
    found = pairs(line)
    assert found["msg"] == odd
    assert (found["model"], found["sink"]) == ("fraud eu", "labels")


def test_json_has_the_same_fields() -> None:
    record_of = logged("model %s: %d rows", "m", 3, level=logging.INFO, fields={"url": "http://x/metrics"})
    found = json.loads(Formatter("json").format(record_of))
    assert found.pop("ts").endswith("Z")
    assert found == {"level": "info", "msg": "3 rows", "model": "m", "url": "http://x/metrics"}


def test_a_traceback_stays_on_its_line() -> None:
    try:
        int("no")
    except ValueError:
        failed = logged("failed", level=logging.ERROR)
        failed.exc_info = sys.exc_info()
    for form in ("logfmt", "json"):
        line = Formatter(form).format(failed)
        assert "\n" not in line
        assert "ValueError: invalid literal" in (json.loads(line) if form == "json" else pairs(line))["err"]


def test_what_repeats_is_suppressed_and_counted() -> None:
    now = [0.0]
    limit = RateLimit(clock=lambda: now[0])

    def passes(message: str, *arguments: object) -> tuple[bool, int]:
        found = logged(message, *arguments)
        return limit.filter(found), getattr(found, "suppressed", 0)

    text = "model %s: sink %s: %s"
    assert [passes(text, "a", "labels", number)[0] for number in range(REPEATED + 7)].count(True) == REPEATED
    # Another model, or another message, is not the same.
    assert passes(text, "b", "labels", 0) == (True, 0)
    assert passes("model %s: other", "a") == (True, 0)
    now[0] = 59.9
    assert passes(text, "a", "labels", 0) == (False, 0)
    now[0] = 60.0
    assert passes(text, "a", "labels", 0) == (True, 8)
    assert passes(text, "a", "labels", 0) == (True, 0)


def test_the_daemon_logs_json_at_the_level_that_is_asked_for(tmp_path: Path) -> None:
    """And nothing of what records, passwords and keys hold, however much it says."""
    secret = "s3cr3t-canary"
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        [
            *(
                record(number, id=f"{secret}{number}", features={"f": secret}, latency_ms=5)
                for number in range(30)
            ),
            record(31, ts=secret),
            record(32, score=secret),
            f'{{"broken": "{secret}',
            secret,
            record(33, ts=time.time() + 1e6, id=secret),
        ],
    )
    write_lines(
        tmp_path / "logs/labels.jsonl", [{"id": f"{secret}1", "label": secret, "ts": time.time()}, secret]
    )
    write_monitor(tmp_path, monitor(segments=["features.f"]))
    hashed = bcrypt.hashpw(secret.encode(), bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yaml").write_text(yaml.safe_dump({"basic_auth_users": {"prometheus": hashed}}))
    command = [sys.executable, "-W", "error", "-m", "exporter", "run", "monitor.yaml", "--log.format", "json"]
    options = ["--web.listen-address", "127.0.0.1:0", "--log.level", "debug", "--web.config.file", "web.yaml"]
    with (tmp_path / "errors").open("w+") as errors:
        process = subprocess.Popen([*command, *options], cwd=tmp_path, stderr=errors)
        try:
            deadline = time.monotonic() + 60
            while "/metrics" not in (said := (tmp_path / "errors").read_text()):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            (started,) = (one for one in map(json.loads, said.splitlines()) if one["msg"] == "started")
            url = served(started["url"])
            for password, code in ((secret, 200), (f"{secret}?", 401)):
                basic = base64.b64encode(f"prometheus:{password}".encode()).decode()
                request = urllib.request.Request(
                    f"{url}/-/ready", headers={"Authorization": f"Basic {basic}"}
                )
                while True:
                    try:
                        with urllib.request.urlopen(request, timeout=60) as answer:
                            got = answer.status
                    except urllib.error.HTTPError as error:
                        got = error.code
                        error.close()
                    if got != 503:
                        break
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                assert got == code
        finally:
            process.terminate()
            process.wait(60)
    said = (tmp_path / "errors").read_text()
    lines = [json.loads(line) for line in said.splitlines()]
    assert {"debug", "info"} <= {line["level"] for line in lines}
    assert all(line["ts"] and line["msg"] for line in lines)
    assert secret not in said
    assert base64.b64encode(secret.encode()).decode().rstrip("=") not in said


@pytest.mark.parametrize("option", ["--log.level=verbose", "--log.format=xml"])
def test_an_unknown_level_or_format_is_refused(option: str, tmp_path: Path) -> None:
    done = exporter("run", tmp_path / "monitor.yaml", option, check=False)
    assert done.returncode == 2
    assert option.split("=")[0] in done.stderr
