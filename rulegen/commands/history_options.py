"""Options of `backtest` and `tune` that name a history, and the errors of reading it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from mlslo.command_line import PATH, input_errors, refuse
from mlslo.yamlfile import InputError
from rulegen.alertmanager.silence import credentials
from rulegen.backtest import history, store
from rulegen.backtest.history import Source, moment
from rulegen.backtest.judgement import Judge
from rulegen.backtest.programs import ProgramError, Progress, Workshop
from rulegen.backtest.ruleset import RuleSet


def _time(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    try:
        return None if value is None else moment(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def takes_history(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the command gets them as one ``stretch``."""

    @wraps(command)
    def taking(**options: Any) -> None:
        own = {item.name: options.pop(item.name) for item in fields(Stretch)}
        command(**options, stretch=Stretch(**own))

    for option in (
        click.option(
            "--tools", type=PATH, help="Folder of prometheus and promtool.  [default: those on PATH]"
        ),
        click.option(
            "--to", "end", metavar="RFC3339", callback=_time, help="Until then.  [default: its end]"
        ),
        click.option(
            "--from",
            "begin",
            metavar="RFC3339",
            callback=_time,
            help="From then on.  [default: its beginning]",
        ),
        click.option(
            "--prometheus", metavar="URL", help="A Prometheus that runs, with --from; it is only read."
        ),
        click.option(
            "--basic-auth-file",
            "secret",
            type=PATH,
            help="For --prometheus: a file of one line, user:password.",
        ),
        click.option("--history", "folder", type=PATH, help="A folder that mlslo-exporter replay wrote."),
    ):
        taking = option(taking)
    return taking


@dataclass(frozen=True)
class Stretch:
    """The history that the command line names. Raises click's UsageError unless there is exactly one."""

    folder: Path | None
    prometheus: str | None
    begin: int | None
    end: int | None
    tools: Path | None
    secret: Path | None

    def source(self, rules: RuleSet) -> Source:
        """Return the history. Raises InputError where it has none of the models."""
        if (self.folder is None) == (self.prometheus is None):
            raise click.UsageError("expected one of --history and --prometheus")
        if self.prometheus is not None:
            if not self.prometheus.startswith(("http://", "https://")):
                raise InputError.of_file(self.prometheus, "expected a URL such as http://localhost:9090")
            secret = credentials(self.secret) if self.secret else None
            return history.Server(self.prometheus.rstrip("/"), secret)
        assert self.folder is not None
        found = history.Folder.read(self.folder)
        if not rules.models & set(found.models):
            have, want = (", ".join(sorted(names)) for names in (found.models, rules.models))
            raise InputError.of_file(self.folder, f"it is a history of {have}, and the specs are of {want}")
        return found

    @contextmanager
    def opened(self, rule_sets: Sequence[RuleSet]) -> Iterator[tuple[Judge, Source]]:
        """Yield what judges rules by it; what goes wrong ends the command with one line."""
        with input_errors(), ExitStack() as stack:
            source = self.source(rule_sets[0])
            now = round(datetime.now(UTC).timestamp() * 1000)
            begin, end = store.checked(source, self.begin, self.end, now)
            alerts = [alert for rules in rule_sets for alert in rules.alerts]
            # What looks back needs the past before the beginning.
            past = round(1000 * max((alert.look_back for alert in alerts), default=0.0))
            first = begin - past if source.begin is None else max(begin - past, source.begin)
            span = store.Span.within(first, end, rule_sets[0].interval)
            workshop = stack.enter_context(Workshop(self.tools))
            try:
                kept = stack.enter_context(store.Store(workshop, span, _progress()))
                kept.pull(source, alerts)
                judged = store.Span.within(begin, end, span.interval)
                yield Judge(kept, judged.begin, judged.end), source
            except ProgramError as error:
                refuse(str(error))


def _progress() -> Progress:
    """Say on a terminal what is done meanwhile."""
    if not sys.stderr.isatty():
        return lambda _what, _share: None

    def show(what: str, share: float) -> None:
        click.echo(f"\r\033[K{what} {share:.0%}" if share < 1 else "\r\033[K", nl=False, err=True)

    return show
