"""What a replay costs: 90 days of the example model, a step every 5 minutes, against reading the log once.

    .venv/bin/python -m benchmarks.replay [--quick]

CPU is that of all processes; steps are measured on all cores.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import quarter
from benchmarks.process import python
from benchmarks.table import Row, finish

MOST_AGAINST_READING, MOST_WALL = 1.3, 120.0
_STEP = 300


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="2 days")
    options = parser.parse_args()
    days = 2 if options.quick else 90
    story = quarter.Story(
        days=days, delay=240.0, deployments=(days / 3, days * 2 / 3), shifts=((days * 5 / 6, days / 30),)
    )
    end = datetime.fromtimestamp(story.start + days * quarter.DAY, UTC).isoformat()
    steps = int(days * quarter.DAY / _STEP)
    with tempfile.TemporaryDirectory(prefix="mlslo-replay-") as name:
        folder = Path(name)
        python("-m", "benchmarks.quarter", folder, "--days", days, "--as-example", "--label-delay", "4m",
               "--deploy", *story.deployments, "--shift", f"{story.shifts[0][0]}+{story.shifts[0][1]}")  # fmt: skip
        monitor = folder / "monitor.yaml"
        size = sum(path.stat().st_size for path in (folder / "logs").iterdir())
        once = python("-m", "exporter", "once", monitor, "--as-of", end)
        of_one = python(
            "-m", "exporter", "replay", monitor, "--from", end, "--to", end, "--out", folder / "one"
        )
        out = folder / "history"
        of_all = python("-m", "exporter", "replay", monitor, "--to", end, "--out", out, timeout=3600)
        written = sum(path.stat().st_size for path in (out / "openmetrics").iterdir())
    measuring = of_all.cpu - of_one.cpu
    finish(
        f"Replay: {days} days of the example, {steps:,} steps of 5 minutes",
        [
            Row("the logs", size / 1e6, "MB"),
            Row("once --as-of the end, CPU", once.cpu, "s"),
            Row("replay of that step alone, CPU", of_one.cpu, "s"),
            Row("against once", of_one.cpu / once.cpu, "x", MOST_AGAINST_READING),
            Row("replay of all steps, CPU", of_all.cpu, "s"),
            Row("measuring and writing one step, CPU", 1000 * measuring / steps, "ms"),
            Row("replay of all steps, wall", of_all.wall, "s", MOST_WALL),
            Row("peak memory of one process", of_all.memory, "MiB"),
            Row(
                "OpenMetrics", written / 1e6, "MB", note="without blocks, where there is no promtool on PATH"
            ),
        ],
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
