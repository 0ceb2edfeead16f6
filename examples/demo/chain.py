"""The whole chain in a temporary folder: exporter, generated rules, Prometheus, Alertmanager, actions."""

import secrets
import subprocess
import sys
import time
from pathlib import Path

import bcrypt

from examples.demo import compress
from examples.demo.approver import NAME, Approver
from examples.demo.player import Player
from examples.demo.processes import Children, free_ports, get_json
from examples.standins import Standins
from mlslo.yamlfile import Duration

EXAMPLE = Path(__file__).resolve().parent.parent / "diabetes"
PAGES = Path(__file__).resolve().parent / "pages"
TOOLS = Path(__file__).resolve().parent.parent.parent / ".tools" / "bin"
"""The folder into which `scripts/tools` puts Prometheus and Alertmanager."""

START_UP = 9.0
"""Seconds between the first record and the story's start: what the programs need to get ready.

Prometheus alone takes five before it knows whom to scrape and whom to tell.
"""


THINKING = 3.0
"""Minutes of the story in which Anna decides."""


class Chain:
    """Everything between the recorded log and the stand-ins, `factor` times as fast as recorded."""

    def __init__(self, folder: Path, factor: float, children: Children, standins: Standins) -> None:
        self._folder, self._children, self._standins = folder, children, standins
        self._bin = Path(sys.executable).parent
        exporter, prometheus, alertmanager, act = free_ports(4)
        self.exporter = f"http://127.0.0.1:{exporter}"
        self.prometheus = f"http://127.0.0.1:{prometheus}"
        self.alertmanager = f"http://127.0.0.1:{alertmanager}"
        self.act = f"http://127.0.0.1:{act}"
        self.story_start = time.time() + START_UP
        self.player = Player(EXAMPLE / "logs", folder / "logs", factor, self.story_start)
        self.actions = folder / "actions"
        self._password = secrets.token_urlsafe()
        self.approver = Approver(self.act, self._password, THINKING * 60 / factor)
        self._write_specs(factor)
        self._write_actions(factor)

    def start(self) -> None:
        """Start everything in the order in which the one needs the other. Raises ChildError."""
        self.player.start()
        self._generate()
        self._start_alertmanager()
        self._start_act()
        self._start_exporter()
        self._start_prometheus()
        for name, url in (
            ("alertmanager", self.alertmanager),
            ("exporter", self.exporter),
            ("prometheus", self.prometheus),
        ):
            self._children.wait_ready(name, f"{url}/-/ready")
        self._children.wait_until("act", self.approver.is_served)
        self._children.wait_until("prometheus", self._is_scraping)

    def _is_scraping(self) -> bool:
        """Return whether Prometheus has seen the exporter and found Alertmanager."""
        up = get_json(f"{self.prometheus}/api/v1/query?query=ml_exporter_build_info")["data"]["result"]
        return bool(up and get_json(f"{self.prometheus}/api/v1/alertmanagers")["data"]["activeAlertmanagers"])

    def stop(self) -> None:
        """Write no more records; the programs are the children's to end."""
        self.player.stop()

    def _write_specs(self, factor: float) -> None:
        folder = self._folder / "secrets"
        folder.mkdir(parents=True)
        (folder / "pagerduty").write_text("0123456789abcdef" * 2)
        (folder / "slack").write_text(self._standins.slack_url)
        (folder / "act").write_text(secrets.token_urlsafe())
        urls = {
            "pagerduty_configs": self._standins.pagerduty_url,
            "webhook_configs": self._standins.webhook_url,
            "actions": f"{self.act}/alerts",
        }
        routing = compress.routing(EXAMPLE / "routing.yaml", factor, urls, folder)
        self._interval = Duration(routing["spec"]["evaluationInterval"])
        self._resend = Duration.of_seconds(max(60 / factor, 2 * self._interval.seconds))
        compress.write(routing, self._folder / "routing.yaml")
        compress.write(compress.slo(EXAMPLE / "slo.yaml", factor), self._folder / "slo.yaml")
        monitor = compress.monitor(EXAMPLE / "monitor.yaml", factor)
        self.window: str = monitor["spec"]["windows"][0]
        compress.write(monitor, self._folder / "monitor.yaml")

    def _write_actions(self, factor: float) -> None:
        token = self._folder / "secrets" / "act"
        actions = compress.actions(EXAMPLE / "actions.yaml", factor, self._standins.deployer_url, token)
        compress.write(actions, self._folder / "actions.yaml")
        # The least work that bcrypt knows: the password is random, and the machine has the story to play.
        hashed = bcrypt.hashpw(self._password.encode(), bcrypt.gensalt(4)).decode()
        people = dict.fromkeys((NAME, "ben"), hashed)
        compress.write({"basic_auth_users": people}, self._folder / "people.yaml")

    def _generate(self) -> None:
        """The reference and the rules, from the programs that a user runs."""
        (self._folder / "references").mkdir()
        reference = self._folder / "references" / "validation.json"
        self._children.start(
            "mlslo-exporter baseline",
            [
                *(self._bin / "mlslo-exporter", "baseline", self._folder / "monitor.yaml"),
                *("--data", EXAMPLE / "reference-data.jsonl", "--out", reference),
            ],
        )
        specs = [self._folder / name for name in ("slo.yaml", "routing.yaml", "monitor.yaml")]
        self._children.start(
            "mlslo-rulegen generate",
            [self._bin / "mlslo-rulegen", "generate", *specs, "--out", self._folder / "generated"],
        )
        self._children.finish("mlslo-exporter baseline")
        self._children.finish("mlslo-rulegen generate")

    def _start_exporter(self) -> None:
        self._children.start(
            "exporter",
            [
                *(self._bin / "mlslo-exporter", "run", self._folder / "monitor.yaml"),
                f"--web.listen-address={_address(self.exporter)}",
                f"--state-dir={self._folder / 'state'}",
            ],
        )

    def _start_act(self) -> None:
        self._children.start(
            "act",
            [
                *(self._bin / "mlslo-exporter", "act", self._folder / "actions.yaml"),
                f"--web.listen-address={_address(self.act)}",
                f"--web.config.file={self._folder / 'people.yaml'}",
                f"--state-dir={self.actions}",
            ],
        )

    def _start_alertmanager(self) -> None:
        command = [
            str(TOOLS / "alertmanager"),
            f"--config.file={self._folder / 'generated' / 'alertmanager' / 'alertmanager.yaml'}",
            f"--storage.path={self._folder / 'alertmanager'}",
            f"--web.listen-address={_address(self.alertmanager)}",
            f"--web.external-url={self.alertmanager}",
            "--cluster.listen-address=",
        ]
        if _needs_pages(command[0]):
            command.append(f"--web.ui-path={PAGES}")
        self._children.start("alertmanager", command)

    def _start_prometheus(self) -> None:
        rules = sorted((self._folder / "generated" / "rules").glob("*.yaml"))
        configuration = {
            "global": {"scrape_interval": str(self._interval), "evaluation_interval": str(self._interval)},
            "rule_files": [str(path) for path in rules if not path.name.endswith("_test.yaml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [_address(self.alertmanager)]}]}]},
            "scrape_configs": [
                {"job_name": "mlslo", "static_configs": [{"targets": [_address(self.exporter)]}]},
                {
                    "job_name": "act",
                    "basic_auth": {"username": NAME, "password": self._password},
                    "static_configs": [{"targets": [_address(self.act)]}],
                },
            ],
        }
        compress.write(configuration, self._folder / "prometheus.yaml")
        command = [
            str(TOOLS / "prometheus"),
            f"--config.file={self._folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self._folder / 'prometheus'}",
            f"--web.listen-address={_address(self.prometheus)}",
            f"--web.external-url={self.prometheus}",
            f"--rules.alert.resend-delay={self._resend}",
        ]
        self._children.start("prometheus", command)


def _needs_pages(alertmanager: str) -> bool:
    """Debian's Alertmanager has a flag for a folder of pages, and no pages; upstream's has pages, and no flag."""
    asked = subprocess.run([alertmanager, "--help"], capture_output=True, text=True, timeout=30, check=False)
    return "--web.ui-path" in asked.stdout + asked.stderr


def _address(url: str) -> str:
    return url.removeprefix("http://")
