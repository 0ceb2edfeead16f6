"""The daemon: one cycle of each model per schedule, reload, orderly end."""

from __future__ import annotations

import logging
import platform
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from exporter.daemon.cycle import CycleError
from exporter.daemon.models import Model, PushedLog, load_all
from exporter.daemon.process import give_back_memory
from exporter.daemon.recovery import Build, RecoveringCycle
from exporter.daemon.watchdog import STUCK_AFTER, Watchdog
from exporter.daemon.watched_files import WatchedFiles
from exporter.measure.exposition import Page, Series, Snapshot
from exporter.measure.gauges import Gauges
from exporter.state import StoreError
from exporter.state.sent import Asked, Sent
from mlslo.version import VERSION
from mlslo.yamlfile import InputError

logger = logging.getLogger(__name__)

_SAY_AGAIN = 3600.0
LOOK_EVERY = 5.0
"""Seconds between two looks at the monitor files and references; what differs for two of them is loaded."""


@dataclass
class _Watched:
    model: Model
    cycle: RecoveringCycle
    due: float = 0.0
    cycles: int = 0
    snapshot: Snapshot | None = None
    # What was said last of a cycle that failed, and when; nothing since one that did not.
    said: str = ""
    said_at: float = 0.0

    def is_news(self, reason: str) -> bool:
        """Return whether a failure is to be logged: it was another one before, or it is long ago."""
        now = time.monotonic()
        if reason == self.said and now - self.said_at < _SAY_AGAIN:
            return False
        self.said, self.said_at = reason, now
        return True


class ModelStatus(NamedTuple):
    """Model, file and snapshot for the status page. ``snapshot``: of its last good cycle, None before it.

    ``trouble``: what a person should know of its state file.
    """

    name: str
    file: str
    snapshot: Snapshot | None
    trouble: Sequence[str] = ()


class Daemon:
    """Runs the cycles of all models in one thread; everybody else reads what it last published.

    ``reload_error``: what is wrong with the files on disk, None where they are in force. ``page``: of the last good
    snapshots. ``alive``: False once no cycle is run any more.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        state_directory: Path,
        *,
        look_every: float = LOOK_EVERY,
        stuck_after: float = STUCK_AFTER,
        build: Build = Model.cycle,
    ) -> None:
        """Raises InputError or StoreError where a monitor file or a state file cannot be used.

        ``build``: what is run of a model over its store.
        ``look_every``: seconds between two looks for changed files. ``stuck_after``: seconds after which a cycle
        without a commit is stuck.
        """
        self._paths = list(paths)
        self._state_directory = state_directory
        self._build = build
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._reloads: SimpleQueue[threading.Event] = SimpleQueue()
        self._pages: SimpleQueue[tuple[str, Asked, Future[Sent]]] = SimpleQueue()
        self._epoch = secrets.token_hex(8)
        self.reload_error: str | None = None
        self._reloaded_at = time.time()
        self.alive = True
        self._files = WatchedFiles(self._paths)
        self._look_every = look_every
        self._look_at = time.monotonic() + look_every
        self._watchdog = Watchdog(stuck_after)
        self._files.take()
        models = load_all(self._paths)
        self._watched: dict[str, _Watched] = {}
        try:
            for model in models:
                self._watched[model.name] = _Watched(model, self._opened(model))
        except StoreError:
            self._close()
            raise
        self.page = Page([], {})
        self._publish()

    def run(self) -> None:
        """Run cycles until ``stop``; returns once the transaction under way is finished."""
        self._watchdog.start()
        try:
            while not self._stopping.is_set():
                with self._watchdog.watching("loading monitor files and references"):
                    if not self._reloads.empty():
                        self._do_reload()
                    self._look_at_files()
                for watched in list(self._watched.values()):
                    self._answer_pages()
                    if not self._stopping.is_set() and time.monotonic() >= watched.due:
                        self._run_cycle(watched)
                self._answer_pages()
                due = [watched.due for watched in self._watched.values()]
                self._wake.wait(max(0.0, min(self._look_at, *due) - time.monotonic()))
                self._wake.clear()
        finally:
            self.alive = False
            self._watchdog.stop()
            self._close()

    def running(self) -> Series:
        """Return for how long the cycle of each model has run by now, as gauges."""
        name = "ml_monitor_cycle_running_seconds"
        return {name: {(model,): self._watchdog.running(model) for model in list(self._watched)}}

    def unhealthy(self) -> str | None:
        """Return why the process should be restarted: no cycle is run any more, or one is stuck. None where none."""
        return self._watchdog.stuck() if self.alive else "No cycles are run any more."

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
        return self.reload_error

    def ready(self) -> bool:
        """Return True once every model has had a good cycle: before it, there is nothing of it to scrape."""
        return all(watched.snapshot is not None for watched in list(self._watched.values()))

    def status(self) -> list[ModelStatus]:
        """Return what the status page shows."""
        return [
            ModelStatus(
                name, str(watched.model.monitor.document.path), watched.snapshot, watched.cycle.trouble()
            )
            for name, watched in sorted(self._watched.copy().items())
        ]

    def summaries_tag(self, model: str) -> str | None:
        """Return what changes with each cycle of a model; None where there is no such model. From any thread."""
        watched = self._watched.get(model)
        return None if watched is None else f"{self._epoch}-{id(watched):x}-{watched.cycles}"

    def summaries(self, model: str, asked: Asked, timeout: float = 20.0) -> Sent:
        """Return what a model has counted, by the thread that counts; from any other thread.

        Raises CycleError where it cannot be had, or not within ``timeout`` seconds, ValueError for a wrong ``asked``.
        """
        answer: Future[Sent] = Future()
        self._pages.put((model, asked, answer))
        self._wake.set()
        try:
            return answer.result(timeout)
        except TimeoutError:
            answer.cancel()
            raise CycleError("a cycle is still running") from None

    def _answer_pages(self) -> None:
        for _ in range(self._pages.qsize()):
            model, asked, answer = self._pages.get()
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                with self._watchdog.watching(f"model {model}: its summaries"):
                    answer.set_result(self._watched[model].cycle.page(asked))
            except KeyError:
                answer.set_exception(CycleError("no such model any more"))
            except Exception as error:
                if not isinstance(error, CycleError | ValueError):
                    logger.exception("model %s: its summaries cannot be had", model)
                answer.set_exception(error)

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
        watched.cycles += 1
        try:
            with self._watchdog.watching(f"model {watched.model.name}: its cycle", watched.model.name):
                snapshot = watched.cycle.run(stopped=self._is_stopped)
        except CycleError as error:
            if watched.is_news(str(error)):
                # In one line: what went wrong is in the message.
                message = "model %s: %s; its gauges keep their last values"
                logger.error(message, watched.model.name, error)  # noqa: TRY400
            self._publish()
        except Exception as error:
            # A bug in one model's cycle must not silence the others.
            if watched.is_news(repr(error)):
                logger.exception("model %s: cycle failed", watched.model.name)
        else:
            if snapshot is not None:
                if watched.said:
                    watched.said = ""
                    logger.info("model %s: measured again", watched.model.name)
                watched.snapshot = snapshot
                self._publish()
                give_back_memory()

    def _is_stopped(self) -> bool:
        """Return whether the cycle under way should end; it asks after each commit."""
        self._watchdog.progress()
        return self._stopping.is_set()

    def _look_at_files(self) -> None:
        """Load files that have changed since they were loaded; a wrong one is loaded, and said, once."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + self._look_every
        if changed := self._files.changed():
            logger.info("%s: changed", ", ".join(map(str, changed)))
            self._do_reload()

    def _publish(self) -> None:
        gauges = Gauges("")
        gauges.set("ml_exporter_build_info", 1.0, version=VERSION, python_version=platform.python_version())
        gauges.set("ml_exporter_config_last_reload_successful", float(self.reload_error is None))
        gauges.set("ml_exporter_config_last_reload_success_timestamp_seconds", self._reloaded_at)
        for name, watched in self._watched.items():
            gauges.model = name
            gauges.set("ml_state_writable", float(watched.cycle.writable))
        snapshots = [watched.snapshot for watched in self._watched.values() if watched.snapshot]
        self.page = Page(snapshots, gauges.series, like=self.page)

    def _do_reload(self) -> None:
        waiting = [self._reloads.get() for _ in range(self._reloads.qsize())]
        try:
            self._files.take()
            self._replace(load_all(self._paths))
        except (InputError, StoreError) as error:
            self.reload_error = str(error)
            logger.error("reload failed, the old files stay in force: %s", error)  # noqa: TRY400
        except Exception as error:
            # A bug that a new file brings to light must not end the watch over the old ones.
            self.reload_error = repr(error)
            logger.exception("reload failed, the old files stay in force")
        else:
            self.reload_error = None
            self._reloaded_at = time.time()
            logger.info("reloaded %d monitor file(s)", len(self._paths))
        self._publish()
        for done in waiting:
            done.set()

    def _replace(self, models: list[Model]) -> None:
        for model in models:
            before = self._watched.get(model.name)
            if before is None:
                self._watched[model.name] = _Watched(model, self._opened(model))
            elif before.model.content != model.content:
                self._watched[model.name] = self._reopened(before, model)
        for name in self._watched.keys() - {model.name for model in models}:
            self._watched.pop(name).cycle.close()

    def _opened(self, model: Model) -> RecoveringCycle:
        return RecoveringCycle(model, self._state_directory, self._build)

    def _reopened(self, before: _Watched, model: Model) -> _Watched:
        """Open ``model`` instead of what it was ``before``, whose last gauges stay until the next cycle."""
        # The state file has one holder at a time.
        before.cycle.close()
        try:
            cycle = self._opened(model)
        except Exception:
            before.cycle = self._opened(before.model)
            raise
        return _Watched(model, cycle, snapshot=before.snapshot)

    def _close(self) -> None:
        for watched in self._watched.values():
            watched.cycle.close()
