"""The command lines of both programs: commands imported when called, one line for wrong input and for full output."""

import os
import sys
import traceback
from collections import UserDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any, NoReturn

import click

from mlslo.yamlfile import InputError, Problem

PATH = click.Path(path_type=Path)

WRONG = 1
"""Exit code where the thing checked is wrong."""

BAD_INPUT = 2
"""Exit code where the input is wrong."""


class Program(click.Group):
    """A command line that says in one line that its output cannot be written."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **named: Any) -> Any:
        """Run with ``args``, or with those of the process."""
        try:
            try:
                return super().main(args, *others, **named)
            finally:
                _flush()
        except OSError as error:
            *_, (frame, _) = traceback.walk_tb(error.__traceback__)
            if frame.f_code not in (click.echo.__code__, _flush.__code__):
                raise
            # Python would try once more when it ends, and print a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            with suppress(OSError):
                click.echo(f"standard output: cannot be written: {error.strerror}", err=True)
            raise SystemExit(BAD_INPUT) from None


def _flush() -> None:
    # None where it is closed.
    if sys.stdout is not None:
        sys.stdout.flush()


class LazyCommands(UserDict[str, click.Command | None]):
    """Commands of ``package``, each imported from the module of its name when it is asked for."""

    def __init__(self, package: str, names: Sequence[str]) -> None:
        super().__init__(dict.fromkeys(names))
        self._package = package

    def __getitem__(self, name: str) -> click.Command:
        command = super().__getitem__(name)
        if command is None:
            module = f"{name}_" if iskeyword(name) else name
            command = self.data[name] = getattr(import_module(f"{self._package}.{module}"), module)
        assert command is not None
        return command


def refuse(message: str, code: int = BAD_INPUT) -> NoReturn:
    """Print ``message`` on standard error and exit with ``code``."""
    click.echo(message, err=True)
    raise SystemExit(code)


@contextmanager
def input_errors() -> Iterator[None]:
    """End the command with one line per problem and exit code 2 where input cannot be used."""
    try:
        yield
    except InputError as error:
        click.echo(str(error), err=True)
        raise SystemExit(BAD_INPUT) from None
    except OSError as error:
        # A pipe that nobody reads any more has no name; click knows it.
        if error.filename is None:
            raise
        problem = Problem(str(error.filename), 0, 0, f"cannot be used: {error.strerror}")
        click.echo(str(problem), err=True)
        raise SystemExit(BAD_INPUT) from None
