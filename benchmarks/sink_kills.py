"""Kill readers of a log at random moments, and count: ``python -m benchmarks.sink_kills sql --kills 100``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.sinks import SERVERS, server_class
from tests.support.sinks.kills import kill

_KILLS_EACH = 20


def main() -> None:
    """Kill as often as asked for; the end is an AssertionError where a record is counted twice, or not at all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("kind", choices=sorted(SERVERS))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for begun in range(0, given.kills, _KILLS_EACH):
        kills = min(_KILLS_EACH, given.kills - begun)
        with TemporaryDirectory() as folder:
            (at := Path(folder, "server")).mkdir()
            server = server_class(given.kind)(at)
            try:
                log = kill(server, Path(folder), kills, given.seed + begun)
            finally:
                server.close()
        sys.stdout.write(f"{begun + kills} kills: {log.expected.total()} records, each counted once\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
