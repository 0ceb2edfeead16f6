"""Kill replicas that share a topic, and count over all of them: ``python -m benchmarks.kafka_kills --kills 200``."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.sinks.replicas import Fleet

_SECONDS_A_KILL = 30


def main() -> None:
    """Kill as often as asked for; the end is an AssertionError where counts or joins are not exact."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with TemporaryDirectory() as folder, closing(Fleet(Path(folder), given.replicas, given.seed)) as fleet:
        fleet.live(given.kills, given.kills * _SECONDS_A_KILL)
        predictions, joined = fleet.counted()
        expected = fleet.expected()
        sys.stdout.write(f"{dict(fleet.events)}: {expected.total()} logged, counted {dict(predictions)}\n")
        sys.stdout.write(f"joined {dict(joined)}, expected {dict(expected)}\n")
        assert predictions.total() == expected.total()
        assert joined == expected


if __name__ == "__main__":
    main()
