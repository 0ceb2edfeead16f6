"""Measure all that has a limit, and print the tables.

    .venv/bin/python -m benchmarks [--quick] [--no-peers]

Each benchmark runs alone as well: python -m benchmarks.cold, and so on. The exit code is 1 where a limit is not kept.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.process import ROOT

BENCHMARKS = (
    "cold",
    "steady",
    "memory",
    "shapes",
    "series",
    "pending",
    "privacy",
    "replay",
    "push",
    "sinks",
    "pages",
    "alarms",
    "streams",
    "launch",
    "generate",
    "rules",
)
WITH_PEERS = ("cold", "alarms", "streams")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it runs, not how it does")
    parser.add_argument("--no-peers", action="store_true", help="without other programs")
    options = parser.parse_args()
    failed = []
    for name in BENCHMARKS:
        arguments = ["--quick"] * options.quick + ["--no-peers"] * (options.no_peers and name in WITH_PEERS)
        if subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *arguments], cwd=ROOT, check=False
        ).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"\nlimits not kept, or not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
