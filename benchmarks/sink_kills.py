"""Kill readers of a log at random moments, and count: ``python -m benchmarks.sink_kills postgresql --kills 100``.

Counted are ids; with ``--joins``, all gauges of an exporter over two such logs, predictions and labels.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.sinks import SERVERS, SinkServer, server_class
from tests.support.sinks.joins import Joins
from tests.support.sinks.kills import kill

_KILLS_EACH = 20


def main() -> None:
    """Kill as often as asked for; the end is an AssertionError where a record is counted twice, or not at all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("kind", choices=sorted(SERVERS))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--joins", action="store_true")
    given = parser.parse_args()
    if given.joins and given.kind == "push":
        parser.error("pushed events have no second server: expected another kind with --joins")
    for begun in range(0, given.kills, _KILLS_EACH):
        kills = min(_KILLS_EACH, given.kills - begun)
        with TemporaryDirectory() as name, ExitStack() as opened:
            folder = Path(name)
            server = _started(given.kind, folder / "server", opened)
            if given.joins:
                labels = _started(given.kind, folder / "labels", opened)
                result = _joined(server, labels, folder, kills, given.seed + begun)
            else:
                log = kill(server, folder, kills, given.seed + begun)
                result = f"{log.expected.total()} records, each counted once"
        sys.stdout.write(f"{begun + kills} kills: {result}\n")
        sys.stdout.flush()


def _started(kind: str, folder: Path, opened: ExitStack) -> SinkServer:
    folder.mkdir()
    return opened.enter_context(closing(server_class(kind)(folder)))


def _joined(predictions: SinkServer, labels: SinkServer, folder: Path, kills: int, seed: int) -> str:
    joins = Joins(predictions, labels, folder, seed)
    for _ in range(kills):
        joins.kill()
    joins.recount()
    return f"{joins.records} predictions and {joins.outcomes} labels, each joined once"


if __name__ == "__main__":
    main()
