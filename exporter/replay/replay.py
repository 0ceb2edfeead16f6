"""Replay of models: read once, then measured step after step, in as many processes as there are cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np

from exporter.daemon.models import Model
from exporter.measure.exposition import Series, Snapshot
from exporter.replay import history
from exporter.replay.phases import NewReading, Phases, Progress
from exporter.replay.reading import Reading
from exporter.replay.steps import Grid
from exporter.summary.windows import CLOCK_SKEW, MICROSECONDS

Stretch = tuple[int, list[int]]
"""When a stretch of time begins (Unix seconds), and the steps in it."""


class ReplayError(Exception):
    """A replay that cannot be made, with the reason."""


class Replay:
    """The steps of one replay. ``steps``: the first and the last of ``grid``, once the logs are read."""

    def __init__(
        self,
        models: Sequence[Model],
        first: int | None,
        last: int | None,
        step: int,
        work: Path,
        reading: NewReading = Reading,
    ) -> None:
        """``first`` and ``last``: epoch µs; None for those of the logs. ``step``: µs. ``work``: a folder for its own.

        Raises StoreError where that cannot be written.
        """
        self.grid = Grid(first or 0, step)
        self._since, self._until = first, last
        self._models = [
            Phases(model, self.grid, work / str(place), reading) for place, model in enumerate(models)
        ]
        self.steps = (0, 0)

    def read(self, now: int, progress: Progress) -> None:
        """Read the logs. ``now``: epoch µs; what is later is from the future.

        Raises ReplayError where a log cannot be read or has nothing, StoreError where what is read cannot be kept.
        """
        latest = now + CLOCK_SKEW
        until = latest if self._until is None else min(self._until, latest)
        for model in self._models:
            # Buckets of before the first step's windows are needed by none.
            model.read(0 if self._since is None else self._since, until, latest, progress)
            if not model.main.up["predictions"]:
                raise ReplayError(f"model {model.main.model.name}: the predictions could not be read")
        begun = [model.main.first for model in self._models if model.main.first is not None]
        ended = [model.main.last for model in self._models if model.main.last is not None]
        if not begun and (self._since is None or self._until is None):
            raise ReplayError("the logs hold no prediction; nothing can be replayed")
        edges = [
            min(begun, default=0) if self._since is None else self._since,
            max(ended, default=0) if self._until is None else self._until,
        ]
        first, last = self.grid.first_from(np.array(edges)).tolist()
        if self._until is not None and self.grid.time(last) > self._until:
            last -= 1
        self.steps = first, last
        if last < first:
            raise ReplayError("there is no step between --from and --to")
        for model in self._models:
            model.read_again(*self.steps, progress)

    def join(self, progress: Progress) -> None:
        """Join the labels to their predictions, as they came."""
        for model in self._models:
            model.join(*self.steps, progress)

    @property
    def number(self) -> int:
        """How many steps there are."""
        return self.steps[1] - self.steps[0] + 1

    def snapshots(self, steps: Sequence[int]) -> Iterator[list[Snapshot]]:
        """Yield what the daemon would have exported at each of ``steps``, which ascend, by model."""
        for found in zip(*(model.snapshots(steps) for model in self._models), strict=True):
            yield list(found)

    def _stretch(self, steps: Sequence[int], process: Series) -> Iterator[bytes]:
        """Return the file of OpenMetrics of ``steps``."""
        stretch = history.StretchFile()
        for step, found in zip(steps, self.snapshots(steps), strict=True):
            stretch.add(self.grid.time(step) / MICROSECONDS, found, process)
        return stretch.text()

    def write(self, folder: Path, process: Series, promtool: Path | None, progress: Progress) -> None:
        """Write the files of OpenMetrics into ``folder``, and blocks of them where there is ``promtool``.

        ``process``: series of the exporter itself. Raises OSError, or ReplayError where promtool fails.
        """
        by_stretch = groupby(
            range(self.steps[0], self.steps[1] + 1),
            key=lambda step: self.grid.time(step) // (history.STRETCH * MICROSECONDS),
        )
        stretches = [(start * history.STRETCH, list(steps)) for start, steps in by_stretch]

        def write(start: int, steps: list[int]) -> None:
            path = folder / history.OPENMETRICS / history.file_name(start)
            with path.open("wb") as file:
                file.writelines(self._stretch(steps, process))
            if promtool is not None:
                _make_blocks(promtool, path, folder / history.BLOCKS)

        done = 0
        for number in _each(stretches, write):
            done += number
            progress(done, self.number)


def _make_blocks(promtool: Path, file: Path, folder: Path) -> None:
    length = f"--max-block-duration={history.STRETCH // 3600}h"
    command = [
        str(promtool),
        "tsdb",
        "create-blocks-from",
        length,
        "openmetrics",
        "--quiet",
        str(file),
        str(folder),
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        said = made.stderr.strip().splitlines()
        raise ReplayError(f"{promtool}: {said[-1] if said else 'failed'}")


def _each(stretches: Sequence[Stretch], write: Callable[[int, list[int]], None]) -> Iterator[int]:
    """Write every stretch, in processes where there are several cores; yield the number of steps of each.

    Each process has every so manieth stretch: it inherits what was read, and ends by itself.
    """
    count = min(len(stretches), len(os.sched_getaffinity(0)))
    if count == 1:
        for stretch in stretches:
            write(*stretch)
            yield len(stretch[1])
        return
    forking = multiprocessing.get_context("fork")
    processes, pipes = [], []
    try:
        for place in range(count):
            mine, theirs = forking.Pipe(duplex=False)
            process = forking.Process(
                target=_work, args=(stretches[place::count], write, theirs), daemon=True
            )
            process.start()
            theirs.close()
            processes.append(process)
            pipes.append(mine)
        while pipes:
            for pipe in wait(pipes):
                assert isinstance(pipe, Connection)
                try:
                    said = pipe.recv()
                except EOFError:
                    pipes.remove(pipe)
                    continue
                if isinstance(said, BaseException):
                    raise said
                yield said
        for process in processes:
            process.join()
            if process.exitcode:
                raise ReplayError(
                    f"a process of the replay ended with {process.exitcode}; is there too little memory?"
                )
    finally:
        for process in processes:
            process.kill()
            process.join()


def _work(stretches: Sequence[Stretch], write: Callable[[int, list[int]], None], pipe: Connection) -> None:
    # A terminal interrupts all; whoever started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = os.getppid()
    try:
        for stretch in stretches:
            if os.getppid() != parent:
                return
            write(*stretch)
            pipe.send(len(stretch[1]))
    except Exception as error:
        pipe.send(error)
