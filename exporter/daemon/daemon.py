"""The daemon: one cycle of each model per schedule, reload, orderly end."""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from exporter.daemon.cycle import Cycle, CycleError
from exporter.daemon.models import Model, PushedLog, load_all
from exporter.daemon.process import give_back_memory
from exporter.measure.exposition import Snapshot, render
from exporter.measure.gauges import Gauges
from exporter.state import StoreError
from mlslo.version import VERSION
from mlslo.yamlfile import InputError

logger = logging.getLogger(__name__)


@dataclass
class _Watched:
    model: Model
    cycle: Cycle
    due: float = 0.0
    snapshot: Snapshot | None = None


class ModelStatus(NamedTuple):
    """Model, file and snapshot for the status page. ``snapshot``: of its last good cycle, None before it."""

    name: str
    file: str
    snapshot: Snapshot | None


class Daemon:
    """Runs the cycles of all models in one thread; everybody else reads what it last published.

    ``page``: the exposition text of the last good snapshots. ``alive``: False once no cycle is run any more.
    """

    def __init__(self, paths: Sequence[Path], state_directory: Path) -> None:
        """Raises InputError or StoreError where a monitor file or a state file cannot be used."""
        self._paths = list(paths)
        self._state_directory = state_directory
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._reloads: SimpleQueue[threading.Event] = SimpleQueue()
        self._reload_error: str | None = None
        self._reloaded_at = time.time()
        self.alive = True
        models = load_all(self._paths)
        self._watched: dict[str, _Watched] = {}
        try:
            for model in models:
                self._watched[model.name] = _Watched(model, model.open(state_directory))
        except StoreError:
            self._close()
            raise
        self.page = b""
        self._publish()

    def run(self) -> None:
        """Run cycles until ``stop``; returns once the transaction under way is finished."""
        try:
            while not self._stopping.is_set():
                if not self._reloads.empty():
                    self._do_reload()
                for watched in list(self._watched.values()):
                    if not self._stopping.is_set() and time.monotonic() >= watched.due:
                        self._run_cycle(watched)
                due = [watched.due for watched in self._watched.values()]
                self._wake.wait(max(0.0, min(due) - time.monotonic()))
                self._wake.clear()
        finally:
            self.alive = False
            self._close()

    def stop(self) -> None:
        """End ``run``; from any thread, but not from a signal handler: it takes locks."""
        self._stopping.set()
        self._wake.set()

    def request_reload(self) -> threading.Event:
        """Reload the monitor files before the next cycle; from any thread, as ``stop``. Returns what is set then."""
        done = threading.Event()
        self._reloads.put(done)
        self._wake.set()
        return done

    def reload(self, timeout: float = 60.0) -> str | None:
        """Reload and wait for it; returns what was wrong, or None."""
        if not self.request_reload().wait(timeout):
            return "the reload waits for a cycle that is still running"
        return self._reload_error

    def ready(self) -> bool:
        """Return True once every model has had a good cycle: before it, there is nothing of it to scrape."""
        return all(watched.snapshot is not None for watched in list(self._watched.values()))

    def status(self) -> list[ModelStatus]:
        """Return what the status page shows."""
        return [
            ModelStatus(name, str(watched.model.monitor.document.path), watched.snapshot)
            for name, watched in sorted(self._watched.copy().items())
        ]

    def pushed_logs(self) -> list[PushedLog]:
        """Return the logs of all models that come over HTTP; from any thread."""
        return [
            log
            for _, watched in sorted(self._watched.copy().items())
            for log in watched.model.pushed_logs(self._state_directory)
        ]

    def _run_cycle(self, watched: _Watched) -> None:
        schedule = watched.model.monitor.spec.schedule.seconds
        watched.due = time.monotonic() + schedule
        try:
            snapshot = watched.cycle.run(stopped=self._stopping.is_set)
        except CycleError as error:
            logger.error("%s; its gauges keep their last values", error)  # noqa: TRY400 - said in one line
        except Exception:
            # A bug in one model's cycle must not silence the others.
            logger.exception("model %s: cycle failed", watched.model.name)
        else:
            if snapshot is not None:
                watched.snapshot = snapshot
                self._publish()
                give_back_memory()

    def _publish(self) -> None:
        gauges = Gauges("")
        gauges.set("ml_exporter_build_info", 1.0, version=VERSION, python_version=platform.python_version())
        gauges.set("ml_exporter_config_last_reload_successful", float(self._reload_error is None))
        gauges.set("ml_exporter_config_last_reload_success_timestamp_seconds", self._reloaded_at)
        snapshots = [watched.snapshot for watched in self._watched.values() if watched.snapshot]
        self.page = render(snapshots, gauges.series)

    def _do_reload(self) -> None:
        waiting = [self._reloads.get() for _ in range(self._reloads.qsize())]
        try:
            self._replace(load_all(self._paths))
        except (InputError, StoreError) as error:
            self._reload_error = str(error)
            logger.error("reload failed, the old files stay in force: %s", error)  # noqa: TRY400
        except Exception as error:
            # A bug that a new file brings to light must not end the watch over the old ones.
            self._reload_error = repr(error)
            logger.exception("reload failed, the old files stay in force")
        else:
            self._reload_error = None
            self._reloaded_at = time.time()
            logger.info("reloaded %d monitor file(s)", len(self._paths))
        self._publish()
        for done in waiting:
            done.set()

    def _replace(self, models: list[Model]) -> None:
        for model in models:
            before = self._watched.get(model.name)
            if before is None:
                self._watched[model.name] = _Watched(model, model.open(self._state_directory))
            elif before.model.content != model.content:
                self._watched[model.name] = self._reopened(before, model)
        for name in self._watched.keys() - {model.name for model in models}:
            self._watched.pop(name).cycle.close()

    def _reopened(self, before: _Watched, model: Model) -> _Watched:
        """Open ``model`` instead of what it was ``before``, whose last gauges stay until the next cycle."""
        # The state file has one holder at a time.
        before.cycle.close()
        try:
            cycle = model.open(self._state_directory)
        except Exception:
            before.cycle = before.model.open(self._state_directory)
            raise
        return _Watched(model, cycle, snapshot=before.snapshot)

    def _close(self) -> None:
        for watched in self._watched.values():
            watched.cycle.close()
