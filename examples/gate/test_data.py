"""pytest: the training data passes the gate, and each check that fails is a line of the message.

MONITOR and DATA name the files; by default those of the example beside this folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent.parent / "diabetes"
MONITOR = os.environ.get("MONITOR", str(EXAMPLE / "monitor.yaml"))
DATA = os.environ.get("DATA", str(EXAMPLE / "reference-data.jsonl"))


def test_data_passes_the_gate(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "exporter", "gate", MONITOR, "--data", DATA, "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    verdict = json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))
    failed = [check for check in verdict["checks"] if not check["passed"]]
    assert not failed, "\n".join(
        f"{check['what']} {check['where']}: expected {check['expected']}, found {check['found']}"
        for check in failed
    )
