"""Cycles of one model over a state file that may fail: paused on a full disk, begun anew where the file is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import duckdb

from exporter.daemon.cycle import CycleError
from exporter.daemon.models import Model
from exporter.measure.exposition import Snapshot
from exporter.references.reference_file import parse
from exporter.state import SET_ASIDE, Fault, Store, StoreError, explained
from exporter.state.sent import Asked, Sent
from exporter.state.set_aside import found_aside, number_aside, references_in, set_aside
from mlslo.yamlfile import InputError

logger = logging.getLogger(__name__)

_COUNTER = "ml_state_set_aside_total"


class Runnable(Protocol):
    """A cycle of one model over a store that it closes."""

    def run(
        self, *, at: float | None, as_of: bool, final: bool, stopped: Callable[[], bool]
    ) -> Snapshot | None: ...

    def page(self, asked: Asked) -> Sent: ...

    def trouble(self) -> Sequence[str]: ...

    def close(self) -> None: ...


Build = Callable[[Model, Store], Runnable]


class RecoveringCycle:
    """The cycle of one model, and what becomes of it when its state file fails.

    ``writable``: False from a cycle that could not use the state file to the next that could.
    """

    def __init__(self, model: Model, state_directory: Path | None, build: Build = Model.cycle) -> None:
        """Raises StoreError where the state is in use by another process, or cannot be written and will not be soon.

        ``build``: what is run over a store.
        A full disk may have room again: the cycle waits for it.
        """
        self._model = model
        self._build = build
        self._path = None if state_directory is None else model.state_file(state_directory)
        self._cycle: Runnable | None = None
        # What was set aside last, until a new state is begun in its place.
        self._aside: Path | None = None
        self.writable = True
        try:
            self._cycle = self._opened()
        except StoreError as error:
            if error.fault is not Fault.FULL:
                raise
            self.writable = False
            logger.error("model %s: %s", model.name, _paused(error))  # noqa: TRY400 - said in one line

    def close(self) -> None:
        """Release files, parsers and store."""
        if self._cycle is not None:
            self._cycle.close()
            self._cycle = None

    def run(
        self,
        *,
        at: float | None = None,
        as_of: bool = False,
        final: bool = False,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Snapshot | None:
        """Run one cycle as ``Cycle.run`` does. Raises CycleError; the next call goes on, or begins anew."""
        try:
            if self._cycle is None:
                self._cycle = self._opened()
            snapshot = self._cycle.run(at=at, as_of=as_of, final=final, stopped=stopped)
        except (StoreError, CycleError) as error:
            cause = error if isinstance(error, StoreError) else error.__cause__
            if not isinstance(cause, StoreError):
                raise
            self.writable = False
            raise CycleError(self._given_up(cause)) from cause
        if not self.writable:
            logger.info("model %s: %s: in use again", self._model.name, self._path)
        self.writable = True
        return snapshot

    def page(self, asked: Asked) -> Sent:
        """Return summaries as ``Cycle.page`` does. Raises CycleError, ValueError."""
        if self._cycle is None:
            raise CycleError("the state file cannot be used")
        return self._cycle.page(asked)

    def trouble(self) -> list[str]:
        """Return what a person should know of the state and of a fleet's exporters, a line each."""
        cycle = self._cycle
        lines = [] if cycle is None else [*cycle.trouble()]
        if not self.writable:
            lines.append(
                "The state file cannot be used: nothing is read, and all values are those of the last good cycle."
            )
        if self._path is not None:
            lines += [
                f"A state file ({item.reason.replace('_', ' ')}) was set aside on {item.at:%Y-%m-%d at %H:%M} UTC: "
                f"counts before it are in {item.path.name} alone. Remove that file when you do not need it."
                for item in found_aside(self._path)
            ]
        return lines

    def _opened(self) -> Runnable:
        """Open the state; where its content cannot be used, set it aside and begin a new one. Raises StoreError."""
        try:
            return self._open()
        except StoreError as error:
            if not self._set_aside(error):
                raise
            logger.error("model %s: %s", self._model.name, self._begun_anew(error))  # noqa: TRY400
        return self._open()

    def _open(self) -> Runnable:
        store = Store(self._path)
        try:
            if self._path is not None:
                _take_over(store, self._path, self._aside)
            cycle = self._build(self._model, store)
        except (OSError, duckdb.Error) as error:
            store.close()
            raise explained(error, self._path) from error
        except BaseException:
            store.close()
            raise
        self._aside = None
        return cycle

    def _given_up(self, error: StoreError) -> str:
        """Return what is said of an error in mid-cycle, once what can be done about it is done."""
        if error.fault in (Fault.FULL, Fault.UNWRITABLE):
            return _paused(error)
        if error.fault in SET_ASIDE:
            self.close()
            try:
                if self._set_aside(error):
                    return self._begun_anew(error)
            except StoreError as refused:
                return str(refused)
        return str(error)

    def _begun_anew(self, error: StoreError) -> str:
        assert self._aside is not None
        return f"{error}; set aside as {self._aside.name}: begins anew from what the logs still hold"

    def _set_aside(self, error: StoreError) -> bool:
        """Set the state aside where that helps. Raises StoreError where it cannot be."""
        if self._path is None or error.fault not in SET_ASIDE:
            return False
        if not any(Path(f"{self._path}{ending}").exists() for ending in ("", "-wal")):
            return False
        self._aside = set_aside(self._path, error)
        return True


def _take_over(store: Store, path: Path, instead_of: Path | None) -> None:
    """Count what was set aside, and take what cannot be learnt again from the file that ``store`` is instead of."""
    known = store.counters.totals(_COUNTER)
    with store.transaction():
        for reason, number in number_aside(path).items():
            store.counters.add(_COUNTER, (reason,), max(0.0, number - known.get((reason,), 0.0)))
        if instead_of is not None:
            for sampled, content in references_in(instead_of):
                try:
                    parse(content, Path(sampled.reference))
                except InputError:
                    continue
                store.samples.keep(sampled, content)


def _paused(error: StoreError) -> str:
    return f"{error}; nothing is read until it can be written"
