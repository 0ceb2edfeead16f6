"""The generated files in the repository are what the example's specs say."""

from __future__ import annotations

import subprocess
import sys

from tests.support.paths import ROOT

SPECS = [f"examples/diabetes/{name}.yaml" for name in ("slo", "routing", "monitor")]


def test_rules_alertmanager_and_dashboards_are_current() -> None:
    command = [sys.executable, "-W", "error", "-m", "rulegen", "check", *SPECS, "--out", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
