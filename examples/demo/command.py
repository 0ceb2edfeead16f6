"""The command line of `scripts/demo`."""

import argparse
import queue
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from examples.demo.chain import START_UP, Chain
from examples.demo.processes import ChildError, Children
from examples.demo.showing import Deliveries, Showing
from examples.standins import Standins
from examples.story import END_MINUTES

DEFAULT_FACTOR = 60
SHORTEST, LONGEST = 60, 3600
_CLOSING = 2.0
_FACTORS = (3, 4, 5, 6, 10, 12, 15, 20, 25, 30, 36, 40, 45, 50, 60, 75, 90, 100, 120, 150, 180)
"""Speeds that make half an hour a round number of seconds, which the messages then name."""
_INTERRUPTED = 130


def factor_for(seconds: float) -> int:
    """Return how many times as fast the story must go to fit into `seconds`, the start of the programs included."""
    needed = END_MINUTES * 60 / (seconds - START_UP - _CLOSING)
    return next(factor for factor in _FACTORS if factor >= needed)


def run(seconds: float | None, folder: Path) -> int:
    """Play the story in `folder`, then stay until interrupted, unless it has to fit into `seconds`.

    Returns the exit code: 0 where it came out as told. Raises ChildError and KeyboardInterrupt.
    """
    factor = DEFAULT_FACTOR if seconds is None else factor_for(seconds)
    arrived: Deliveries = queue.SimpleQueue()
    with Standins(on_delivery=arrived.put) as standins, Children(folder / "output") as children:
        chain = Chain(folder, factor, children, standins)
        print("Starting exporter, Prometheus, Alertmanager and act ...", flush=True)
        try:
            chain.start()
            showing = Showing(chain, standins, arrived, factor)
            showing.introduce()
            showing.play(children, showing.end)
            status = 0 if showing.summarize() else 1
            if seconds is None:
                showing.stay()
                try:
                    showing.play(children, float("inf"))
                except KeyboardInterrupt:
                    return status
        finally:
            chain.stop()
    return status


def main() -> int:
    """Parse, play, and leave nothing behind."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Play the example model's story through exporter, Prometheus and Alertmanager.",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="N",
        help=f"fit the story into N seconds ({SHORTEST} or more) after the set-up, and end; without it the story "
        f"takes {END_MINUTES * 60 / DEFAULT_FACTOR:.0f} seconds, and everything stays up until Ctrl-C",
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with specs, rules and logs")
    arguments = parser.parse_args()
    if arguments.seconds is not None and not SHORTEST <= arguments.seconds <= LONGEST:
        parser.error(f"--seconds is from {SHORTEST} to {LONGEST}: in less time the story cannot be told")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="mlslo-demo-"))
    try:
        return run(arguments.seconds, folder)
    except ChildError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted before the end of the story", file=sys.stderr)
        return _INTERRUPTED
    finally:
        if arguments.keep:
            print(f"\nkept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # A second Ctrl-C must not cut the clearing up short: it takes a few seconds at most.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
