"""`python -m examples.demo`: see `scripts/demo`."""

import signal
import sys


def _start() -> int:
    # A Ctrl-C while the rest is still being imported ends it without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from examples.demo.command import main

    return main()


if __name__ == "__main__":
    sys.exit(_start())
