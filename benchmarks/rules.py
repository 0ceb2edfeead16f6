"""Time that a real Prometheus takes to evaluate the rules of a hundred models, against each group's interval.

    .venv/bin/python -m benchmarks.rules [--quick] [--with-past 3]

Two pods serve the gauges and counters of all models: 20 features, 2 versions, the windows that the rules ask for. What
looks back for days is given days: recorded series and counters of a few models are filled in, a sample each minute, for
as long as the longest range that selects them (30 days, and an offset), so that these queries read what they will read.
"""

from __future__ import annotations

import argparse
import http.server
import json
import re
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from benchmarks import fleet
from benchmarks.process import python
from benchmarks.table import Row, finish
from mlslo.catalogue import METRICS, Type
from mlslo.yamlfile import Duration
from tests.support.servers import Server, free_port
from tests.support.tools import tool

MOST = 0.2
MODELS, WITH_PAST, EVALUATIONS = 100, 3, 2
_STEP = 60
_DAY = 86_400
_VERSIONS, _FEATURES, _PODS = ("1", "2"), 20, 2
_VALUES = {
    "version": _VERSIONS,
    "feature": tuple(f"feature_{n}" for n in range(_FEATURES)),
    "window": ("1h", "1d", "7d"),
    "reference": ("training",),
    "attribute": ("gender",),
    "code": ("500", "503"),
}
_BUCKETS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf")
_RANGE = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}\[([0-9a-z]+)\](?: offset ([0-9a-z]+))?")


def _labelled(name: str, labels: dict[str, str]) -> str:
    return f"{name}{{{','.join(f'{label}={json.dumps(value)}' for label, value in labels.items())}}}"


def _combined(labels: Sequence[str], fixed: dict[str, str]) -> Iterator[dict[str, str]]:
    found = [fixed]
    for label in labels:
        if label not in fixed:
            found = [{**one, label: value} for one in found for value in _VALUES.get(label, ("",))]
    yield from found


class _Pod:
    """Return one pod's page of all models: gauges as they are, counters that grow."""

    def __init__(self, metrics: Sequence[str], models: Sequence[str]) -> None:
        steady: list[str] = []
        self._growing: list[str] = []
        for model in models:
            for name in metrics:
                metric = METRICS[name]
                labels = [label for label in metric.labels if label != "model"]
                for one in _combined(labels, {"model": model}):
                    if metric.type is Type.HISTOGRAM:
                        for bound in _BUCKETS:
                            self._growing.append(_labelled(f"{name}_bucket", {**one, "le": bound}))
                        self._growing.append(_labelled(f"{name}_count", one))
                    elif metric.type is Type.COUNTER or name.endswith("timestamp_seconds"):
                        self._growing.append(_labelled(name, one))
                    else:
                        steady.append(f"{_labelled(name, one)} {0.05 + hash_of(name) % 7 / 10}\n")
        self._steady = "".join(steady)
        self.series = len(steady) + len(self._growing)

    def text(self) -> bytes:
        now = int(time.time())
        return (self._steady + "".join(f"{series} {now}\n" for series in self._growing)).encode()


def hash_of(name: str) -> int:
    """The same in every run, unlike ``hash``."""
    return sum(name.encode())


def _serve(pod: _Pod) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pod.text()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class _Prometheus(Server):
    def __init__(self, folder: Path, rules: Path, targets: Sequence[str]) -> None:
        super().__init__(folder / "prometheus.log")
        configuration = {
            "global": {"scrape_interval": "15s", "scrape_timeout": "15s"},
            "rule_files": [f"{rules}/model-????.yaml"],
            "scrape_configs": [{"job_name": "mlslo", "static_configs": [{"targets": list(targets)}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self._command = [
            str(tool("prometheus")),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--storage.tsdb.retention.time=60d",
            "--storage.tsdb.allow-overlapping-blocks",
        ]

    def __exit__(self, *_: object) -> None:
        """Without its leave: it would write down a head that nobody reads again."""
        self._process.kill()
        self._process.wait()

    def measured(self, name: str) -> dict[str, float]:
        """A metric of Prometheus' own, by the group of rules."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        found = re.findall(rf'^{name}\{{rule_group="([^"]*)"\}} (\S+)$', text, re.MULTILINE)
        return {group: float(value) for group, value in found}


def _ranges(rules: str) -> dict[tuple[str, str], float]:
    """Each series that is selected over an hour or more, with how far back that reads, in seconds."""
    found: dict[tuple[str, str], float] = {}
    for name, matchers, window, offset in _RANGE.findall(rules):
        length = Duration(window).seconds + (Duration(offset).seconds if offset else 0)
        if length >= 3600:
            found[name, matchers] = max(found.get((name, matchers), 0), length)
    return found


def _filled(rules: str) -> Iterator[tuple[str, float, bool]]:
    """Series that have a past: their name, how long it is, and whether they grow."""
    for (name, matchers), length in _ranges(rules).items():
        fixed = {key: json.loads(value) for key, value in re.findall(r'(\w+)=("[^"]*")', matchers)}
        if bound := re.search(r'le=~?"([0-9.]+)', matchers):
            fixed["le"] = bound[1]
        raw = METRICS.get(re.sub(r"_(bucket|count)$", "", name))
        if raw is not None:
            for one in _combined(raw.labels, fixed):
                for pod in range(_PODS):
                    yield _labelled(name, {**one, "instance": f"pod-{pod}"}), length, True
        else:
            level = name.split(":")[0].split("_")
            for one in _combined(["version"] if "version" in level else [], fixed):
                yield _labelled(name, one), length, False


def _backfill(data: Path, rules: Sequence[Path], longest: float, scratch: Path) -> int:
    """Blocks of past samples. One file a day: promtool reads a file once for each block of two hours."""
    now = int(time.time()) // _STEP * _STEP
    series = [one for path in rules for one in _filled(path.read_text())]
    longest = min(longest, max(length for _, length, _ in series))
    samples = 0
    day = now - int(longest)
    while day < now:
        end = min(day + _DAY, now)
        with scratch.open("w") as out:
            for name, length, grows in series:
                first = max(day, now - int(length))
                times = range(first + (-first) % _STEP, end, _STEP)
                out.writelines(f"{name} {moment if grows else 0.7} {moment}\n" for moment in times)
                samples += len(times)
            out.write("# EOF\n")
        command = [tool("promtool"), "tsdb", "create-blocks-from", "-q", "openmetrics", scratch, data]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
        day = end
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three models, an hour of past, one evaluation")
    parser.add_argument("--with-past", type=int, default=WITH_PAST, help="models whose past is filled in")
    options = parser.parse_args()
    models, filled, evaluations = (3, 1, 1) if options.quick else (MODELS, options.with_past, EVALUATIONS)
    longest = 3600.0 if options.quick else 60.0 * _DAY
    with tempfile.TemporaryDirectory(prefix="mlslo-rules-") as name:
        folder = Path(name)
        fleet.write(folder / "specs", models)
        python("-m", "rulegen", "generate", folder / "specs", "--out", folder / "out")
        files = [folder / "out" / "rules" / f"model-{number:04}.yaml" for number in range(models)]
        text = "\n".join(path.read_text() for path in files[:1])
        metrics = [one for one in METRICS if re.search(rf"\b{one}(_bucket|_count)?\{{", text)]
        samples = _backfill(folder / "data", files[:filled], longest, folder / "past.txt")
        pod = _Pod(metrics, [path.stem for path in files])
        servers = [_serve(pod) for _ in range(_PODS)]
        targets = [f"127.0.0.1:{server.server_port}" for server in servers]
        with _Prometheus(folder, folder / "out" / "rules", targets) as prometheus:
            time.sleep((20 if options.quick else 60) + 60 * evaluations)
            took = prometheus.measured("prometheus_rule_group_last_duration_seconds")
            interval = prometheus.measured("prometheus_rule_group_interval_seconds")
            missed = prometheus.measured("prometheus_rule_group_iterations_missed_total")
            failed = prometheus.measured("prometheus_rule_evaluation_failures_total")
        for server in servers:
            server.shutdown()
    shares = {group: took[group] / interval[group] for group in took}
    past = [share for group, share in shares.items() if any(str(path) in group for path in files[:filled])]
    finish(
        f"Rules: {models} models in one Prometheus",
        [
            Row("groups", len(shares)),
            Row("series scraped", pod.series * _PODS),
            Row("samples of the past, of so many models", samples, note=f"{filled} models"),
            Row("slowest group, of its interval", max(shares.values()), "x", MOST),
            Row("slowest with a past, of its interval", max(past), "x", MOST),
            Row("all groups together, of one interval", sum(shares.values()), "x"),
            Row("evaluations missed", sum(missed.values()), "", 0),
            Row("evaluations failed", sum(failed.values()), "", 0),
        ],
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
