"""Standard output that cannot be written: one line and exit code 2, from every command of both programs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import CONTRACT, ROOT

EXAMPLE = ROOT / "examples" / "diabetes"
SPECS = [str(CONTRACT / name) for name in ("fraud.slo.yaml", "routing.yaml")]
STORY = [str(EXAMPLE / name) for name in ("slo.yaml", "routing.yaml")]
SMALL = """\
apiVersion: mlslo/v1
kind: ModelMonitor
metadata: {name: any}
spec:
  task: binary
  windows: [1h]
  predictions:
    sink: {file: {path: log.jsonl}}
    fields: {timestamp: ts, score: score}
"""
COMMANDS = [
    *(["rulegen", *more] for more in (["--help"], ["schema"])),
    ["rulegen", "generate", *SPECS, "--out", "OUT"],
    ["rulegen", "check", *SPECS, "--out", "OUT"],
    ["rulegen", "silence", *SPECS, "--model", "fraud", "--for", "1h", "--comment", "x", "--dry-run"],
    ["rulegen", "simulate", *STORY, "--scenario", str(EXAMPLE / "outage.yaml")],
    *(["exporter", *more] for more in (["run", "--help"], ["metrics"])),
    ["exporter", "once", "MONITOR", "--at", "2026-01-01T00:10:00Z"],
    ["exporter", "check", "MONITOR"],
    [
        "exporter",
        "baseline",
        str(EXAMPLE / "monitor.yaml"),
        "--data",
        str(EXAMPLE / "reference-data.jsonl"),
        "--out",
        "OUT",
    ],
]


# What is unbuffered fails where it is written, the rest where it is flushed: both programs share that code.
BUFFERED = [(command, "") for command in COMMANDS]
UNBUFFERED = [
    (command, "1") for command in COMMANDS if command[1] in ("schema", "metrics", "generate", "once")
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "unbuffered"), BUFFERED + UNBUFFERED)
def test_a_full_standard_output_is_one_line(command: list[str], unbuffered: str, tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_text(SMALL)
    (tmp_path / "log.jsonl").write_text('{"ts": "2026-01-01T00:00:00Z", "score": 0.5}\n')
    places = {"OUT": str(tmp_path / "out"), "MONITOR": str(tmp_path / "monitor.yaml")}
    program, *arguments = [places.get(part, part) for part in command]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", program, *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False, cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if "warning: " not in line]
    assert (done.returncode, lines) == (2, ["standard output: cannot be written: No space left on device"])


@pytest.mark.parametrize("program", ["rulegen", "exporter"])
def test_a_closed_standard_output_is_no_traceback(program: str) -> None:
    command = f"exec {sys.executable} -m {program} --version >&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "Traceback" not in done.stderr
