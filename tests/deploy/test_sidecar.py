"""The rendered sidecar, started: image, arguments, user, mounts, read-only root; scraped, killed, gone on with."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest
import yaml

from tests.support.image import ROOTED, WHY_NOT, Image
from tests.support.manifests import render, the_exporter
from tests.support.pod import Pod, basic, stop
from tests.support.prometheus import Prometheus
from tests.support.servers import free_port

# An image takes half a minute to build, and minutes on a busy machine.
pytestmark = [
    pytest.mark.chain,
    pytest.mark.one_version,
    pytest.mark.xdist_group("images"),
    pytest.mark.timeout(900),
]

MONITOR = """
apiVersion: mlslo/v1
kind: ModelMonitor
metadata: {name: fraud}
spec:
  task: binary
  schedule: 1s
  windows: [1h]
  predictions:
    sink:
      file: {path: "/var/log/model/predictions*"}
    fields: {timestamp: ts, id: id, version: version, score: score, features: features}
"""
WEB = """
tls_server_config: {cert_file: tls.crt, key_file: tls.key}
basic_auth_users: {prometheus: "%s"}
"""
PASSWORD = "a password"


class Sidecar:
    """A pod whose exporter can be started, killed and started again, and the Prometheus that scrapes it."""

    def __init__(self, folder: Path, image: Image | None) -> None:
        self.image, self._log = image, folder / "exporter.log"
        self.port = free_port()
        certificate(folder)
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        secret = {
            "kind": "Secret",
            "metadata": {"name": "fraud-web"},
            "stringData": {
                "web.yaml": WEB % hashed,
                **{name: (folder / name).read_text() for name in ("tls.crt", "tls.key")},
            },
        }
        objects = render(
            {
                "monitors": {"fraud.yaml": MONITOR},
                "model": {"image": "fraud"},
                "web": {"port": self.port, "configSecret": "fraud-web"},
                "scrape": {
                    "podMonitor": True,
                    "interval": "1s",
                    "tls": {"caSecret": "fraud-ca", "serverName": "localhost"},
                    "basicAuth": {"secret": "fraud-scrape"},
                },
            }
        )
        self.container, pod = the_exporter(objects)
        self.pod = Pod(folder / "pod", pod, self.container, [*objects, secret])
        (self._monitor,) = [one["spec"] for one in objects if one["kind"] == "PodMonitor"]
        self.logs = self.pod.folder("/var/log/model")

    def prometheus(self, folder: Path, authority: Path) -> Prometheus:
        """Return a Prometheus that scrapes as the PodMonitor says, which reads Secrets from files here."""
        server = Prometheus(folder, [], [f"localhost:{self.port}"], [])
        path = folder / "prometheus.yml"
        configuration = yaml.safe_load(path.read_text())
        (endpoint,) = self._monitor["podMetricsEndpoints"]
        assert endpoint["basicAuth"]["password"] == {"name": "fraud-scrape", "key": "password"}
        configuration["scrape_configs"][0] |= {
            "scheme": endpoint["scheme"],
            "scrape_interval": endpoint["interval"],
            "metrics_path": endpoint["path"],
            "tls_config": {"ca_file": str(authority), "server_name": endpoint["tlsConfig"]["serverName"]},
            "basic_auth": {"username": "prometheus", "password": PASSWORD},
        }
        path.write_text(yaml.safe_dump(configuration))
        return server

    def start(self) -> subprocess.Popen[bytes]:
        return self.pod.start(self.image, self._log)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def predict(self, name: str, count: int) -> None:
        """Let the model write ``count`` predictions into a log file."""
        now = time.time()
        lines = [
            json.dumps(
                {"ts": now, "id": f"{name}-{i}", "version": "1", "score": 0.2, "features": {"amount": i}}
            )
            for i in range(count)
        ]
        with (self.logs / name).open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))


def certificate(folder: Path) -> None:
    """Write a certificate of localhost that signs itself, and its key."""
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    files = f"-addext subjectAltName=DNS:localhost -keyout {folder}/tls.key -out {folder}/tls.crt"
    subprocess.run(["openssl", *options.split(), *files.split()], check=True, capture_output=True)


@pytest.fixture(params=["as this user", "as the image's user"])
def sidecar(request: pytest.FixtureRequest, tmp_path: Path) -> Sidecar:
    """The sidecar in this environment, and where this is root, that of the image."""
    image = None
    if request.param == "as the image's user":
        if not ROOTED:
            pytest.skip(WHY_NOT)
        image = request.getfixturevalue("images")["exporter"]
    return Sidecar(tmp_path, image)


def _wait(condition: Callable[[], bool], process: subprocess.Popen[bytes], sidecar: Sidecar) -> None:
    until = time.monotonic() + 100
    while not condition():
        assert process.poll() is None, sidecar.log
        assert time.monotonic() < until, sidecar.log
        time.sleep(0.1)


def test_it_is_scraped_killed_and_goes_on(sidecar: Sidecar, tmp_path: Path) -> None:
    expression = 'ml_predictions_total{model="fraud"}'

    def counted(count: int) -> bool:
        return [one["value"][1] for one in server.query(expression)] == [str(count)]

    sidecar.predict("predictions.jsonl", 500)
    process = sidecar.start()
    try:
        with sidecar.prometheus(tmp_path / "prometheus", tmp_path / "tls.crt") as server:
            _wait(lambda: counted(500), process, sidecar)
            _is_confined(process.pid, sidecar)
            _asks_for_a_password(sidecar.port, tmp_path / "tls.crt")
            # It is killed while it reads; the model writes on, and rotates its log.
            sidecar.predict("predictions.jsonl", 300)
            process.kill()
            process.wait()
            (sidecar.logs / "predictions.jsonl").rename(sidecar.logs / "predictions.jsonl.1")
            sidecar.predict("predictions.jsonl", 200)
            process = sidecar.start()
            _wait(lambda: counted(1000), process, sidecar)
            (up,) = server.query("up")
            assert up["value"][1] == "1"
        assert stop(process, sidecar.image) == 0
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in sidecar.log


def _is_confined(pid: int, sidecar: Sidecar) -> None:
    """Assert that the process is who the rendering says, may nothing, and can write where it must alone."""
    if sidecar.image is None:
        return
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert status["Uid"].split() == status["Gid"].split() == ["65532"] * 4
    assert [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == [0] * 5
    assert status["NoNewPrivs"] == "1"
    mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    # Of the mount, and last of its file system.
    options = {
        fields[4]: {*fields[5].split(","), "ro" if "ro" in fields[-1].split(",") else ""} for fields in mounts
    }
    writable = {path for path, words in options.items() if "ro" not in words}
    assert {path for path in writable if not path.startswith(("/proc", "/dev"))} == {"/tmp", "/var/lib/mlslo"}
    assert options.keys() >= {"/", "/opt", "/etc/mlslo", "/etc/mlslo-web", "/var/log/model"}


def _asks_for_a_password(port: int, authority: Path) -> None:
    context = ssl.create_default_context(cafile=str(authority))
    url = f"https://localhost:{port}/-/healthy"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, context=context, timeout=60)
    assert caught.value.code == 401
    caught.value.close()
    request = urllib.request.Request(url, headers=basic("prometheus", PASSWORD))
    with urllib.request.urlopen(request, context=context, timeout=60) as answer:
        assert answer.status == 200
