"""A changed objective on a real Prometheus: rules are loaded anew while the former ones' records are still there."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rulegen.cli import main
from tests.support.paths import ROUTING
from tests.support.prometheus import Prometheus
from tests.support.tools import installed

SPEC = """\
apiVersion: mlslo/v1
kind: ModelSLO
metadata: {name: m}
spec:
  model: m
  slos:
    - name: rolling
      layer: service
      objective: 90
      timeWindow: 7d
      sli: {errors: {}}
      alerting: &windows {minimumBadEvents: 1, windows: [{factor: 2, short: 5s, long: 10s, burn: fast}]}
    - name: monthly
      layer: service
      objective: 90
      timeWindow: {calendar: month, zone: Europe/Berlin}
      sli: {errors: {}}
      alerting: *windows
"""
REMAINING, BURNS = "model_slo:ml_slo_error_budget_remaining:ratio", "model_slo:ml_slo_burn_rate:ratio"


class Counters(BaseHTTPRequestHandler):
    """100 predictions a second, of which 5 fail."""

    begun = time.monotonic()

    def do_GET(self) -> None:
        seconds = time.monotonic() - self.begun
        text = (
            f'ml_predictions_total{{model="m"}} {100 * seconds}\n'
            f'ml_prediction_errors_total{{model="m",code="500"}} {5 * seconds}\n'
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def target() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Counters) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _generate(folder: Path, spec: str) -> None:
    (folder / "m.slo.yaml").write_text(spec)
    (folder / "routing.yaml").write_text(
        ROUTING.read_text().replace("evaluationInterval: 1m", "evaluationInterval: 1s")
    )
    files = [str(folder / name) for name in ("m.slo.yaml", "routing.yaml")]
    result = CliRunner().invoke(main, ["generate", *files, "--out", str(folder / "out"), "--force"])
    assert result.exit_code == 0, result.stderr


def _until(found: Callable[[], bool]) -> None:
    for _ in range(1000):
        if found():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about")


@pytest.mark.one_version
@pytest.mark.parametrize("version", [*dict.fromkeys((*installed()[:1], *installed()[-1:]))] or [None])
def test_a_changed_objective_has_a_series_of_its_own(
    tmp_path: Path, target: str, version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version is not None:
        monkeypatch.setattr("tests.support.tools.chosen", lambda: version)
    _generate(tmp_path, SPEC)
    rules = [tmp_path / "out/rules/m.yaml"]
    with Prometheus(tmp_path / "server", rules, [target], []) as prometheus:

        def revisions(record: str) -> set[tuple[str, str]]:
            return {(one["metric"]["slo"], one["metric"]["revision"]) for one in prometheus.query(record)}

        _until(lambda: len(revisions(REMAINING)) == len(revisions(BURNS)) == 2)
        assert revisions(REMAINING) == {
            ("rolling", "90% over 7d"),
            ("monthly", "90% over a month of Europe/Berlin"),
        }
        assert prometheus.query("ALERTS") == []
        # Of 5 % bad events, 10 % allowed are half of the budget; 4 % allowed burn at 1.25.
        _generate(tmp_path, SPEC.replace("objective: 90", "objective: 96"))
        prometheus._process.send_signal(signal.SIGHUP)
        changed = {("rolling", "96% over 7d"), ("monthly", "96% over a month of Europe/Berlin")}
        _until(lambda: changed <= revisions(REMAINING))
        # For as long as both could be in sight.
        end = time.monotonic() + 8
        while time.monotonic() < end:
            assert {rule["health"] for rule in prometheus.rules()} <= {"ok", "unknown"}, prometheus.rules()
            assert prometheus.query("ALERTS") == [], "a burn rate of 1.25 pages nobody at a factor of 2"
            time.sleep(0.3)
        assert revisions(REMAINING) == revisions(BURNS) == changed, "the former ones have ended"
        (left,) = prometheus.query(f'{REMAINING}{{slo="rolling"}}')
        assert float(left["value"][1]) == pytest.approx(1 - 0.05 / 0.04, abs=0.05)
        kept = prometheus.query(f'count by (revision) (count_over_time({REMAINING}{{slo="rolling"}}[10m]))')
        assert {one["metric"]["revision"] for one in kept} == {"90% over 7d", "96% over 7d"}, "and are kept"
        # What was firing is not resolved by another promise, nor raised a second time: labels are the same.
        _generate(tmp_path, SPEC.replace("objective: 90", "objective: 99"))
        prometheus._process.send_signal(signal.SIGHUP)
        _until(lambda: len(prometheus.query('ALERTS{alertstate="firing"}')) == 2)
        _generate(tmp_path, SPEC.replace("objective: 90", "objective: 98.9"))
        prometheus._process.send_signal(signal.SIGHUP)
        _until(lambda: any("98.9" in revision for _, revision in revisions(REMAINING)))
        for _ in range(10):
            assert len(prometheus.query('ALERTS{alertstate="firing"}')) == 2
            time.sleep(0.3)
        alerts = prometheus.query("ALERTS")
        assert all(not {"revision", "period"} & set(one["metric"]) for one in alerts)
