"""Histories to evaluate rules over: a folder that `mlslo-exporter replay` wrote, or a Prometheus that runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field

from mlslo.catalogue import METRICS
from mlslo.yamlfile import Duration, InputError, StrictModel, read, validate
from rulegen.backtest.programs import ProgramError, Query, Workshop

_REMOTE_WAIT = 60.0


class Source(Protocol):
    """Source of samples. ``begin``, ``end``: its first and last moment, in milliseconds; None where unknown.

    ``step``: milliseconds between two samples of a series, None where it is short.
    """

    @property
    def name(self) -> str: ...
    @property
    def begin(self) -> int | None: ...
    @property
    def end(self) -> int | None: ...
    @property
    def step(self) -> int | None: ...

    def opened(self, workshop: Workshop, /) -> AbstractContextManager[Query]:
        """Return what answers queries, while the `with` block lasts."""
        ...


def _moment(text: str) -> str:
    moment(text)
    return text


def moment(text: str) -> int:
    """Return milliseconds since 1970 of an RFC 3339 time. Raises ValueError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(f"expected a time such as 2026-10-25T01:30:00Z, got '{text}'")
    return round(found.timestamp() * 1000)


Moment = Annotated[str, AfterValidator(_moment)]


class _File(StrictModel):
    """``history.json``."""

    apiVersion: Literal["mlslo/v1"]
    kind: Literal["History"]
    models: Annotated[list[str], Field(min_length=1)]
    from_: Moment = Field(alias="from")
    to: Moment
    step: Duration


@dataclass(frozen=True)
class Folder:
    """A folder of `mlslo-exporter replay`."""

    path: Path
    models: Sequence[str]
    begin: int
    end: int
    step: int

    @property
    def name(self) -> str:
        return str(self.path)

    @classmethod
    def read(cls, path: Path) -> Folder:
        """Read what a history says of itself. Raises InputError."""
        document = read(path / "history.json")
        file = validate(document, _File)
        begin, end = moment(file.from_), moment(file.to)
        if begin >= end:
            raise document.error(("to",), f"expected a time after {file.from_}, got {file.to}")
        found = cls(path, file.models, begin, end, round(file.step.seconds * 1000))
        if not found._blocks() and not found._texts():
            raise InputError.of_file(path, "expected blocks/ or openmetrics/*.om beside history.json")
        return found

    def _blocks(self) -> list[Path]:
        return sorted(meta.parent for meta in self.path.glob("blocks/*/meta.json"))

    def _texts(self) -> list[Path]:
        return sorted(self.path.glob("openmetrics/*.om"))

    def opened(self, workshop: Workshop) -> AbstractContextManager[Query]:
        """Return a Prometheus over copies of its blocks: it would write into the folder that it serves."""
        data = workshop.folder / "history"
        for block in self._blocks():
            shutil.copytree(block, data / block.name, copy_function=_link)
        if not data.exists():
            for text in self._texts():
                workshop.add_blocks(text, data)
        # What is not there at the next step has ended.
        return workshop.serve(data, self.step / 1000, (self.step - 1) / 1000)


def _link(source: str, target: str) -> None:
    """Take a file over without copying it, where both are on one disk: blocks do not change."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@dataclass(frozen=True)
class Server:
    """A Prometheus that runs, and is only read. ``secret``: ``user:password``."""

    url: str
    secret: str | None = field(default=None, repr=False)
    begin: None = None
    end: None = None
    step: None = None

    @property
    def name(self) -> str:
        return self.url

    def opened(self, _workshop: Workshop) -> AbstractContextManager[Query]:
        """Return it, once it answers. Raises InputError where it does not."""
        query = Query(self.url, _REMOTE_WAIT, f"{self.name}: ", self.secret)
        try:
            query.range("vector(1)", 0, 0, 1000)
        except ProgramError as error:
            raise InputError.of_file(self.name, str(error).removeprefix(f"{self.name}: ")) from None
        return nullcontext(query)


def sampled(metric: str, labels: str, source: Source, step: int) -> str:
    """Return PromQL for the series of a metric, once each ``step`` milliseconds.

    A gauge keeps its value up to the next sample of the source. A counter grows evenly up to it: the exporter would
    have counted meanwhile. One that is not there yet grows from 0. The time of what happened last grows evenly, too:
    the exporter would have renewed it, and an age would else grow by a whole step.
    """
    series = f"{metric}{{{labels}}}"
    counts = _counts(metric)
    grows = counts or metric.endswith("_timestamp_seconds")
    if source.step is None or source.step <= step or not grows:
        return series
    assert source.begin is not None
    length = f"{source.step}ms"
    share = f"((time() - {source.begin / 1000}) % {source.step / 1000} / {source.step / 1000})"
    later = f"{series} offset -{length}"
    grown = f"({series} + clamp_min({later} - {series}, 0) * {share}) or {series}"
    # Before its first sample, the counter is not there at the present.
    return f"{grown} or ({later} * {share})" if counts else grown


def _counts(metric: str) -> bool:
    known = METRICS.get(metric)
    if known is not None:
        return known.type == "counter"
    return metric.endswith(("_total", "_bucket", "_count", "_sum"))
