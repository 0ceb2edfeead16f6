"""The command reference, from click's own objects: what --help says, as a page."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from docs.generate.markdown import table

# click has no help for arguments.
ARGUMENTS = {
    "ACTIONS": "An AlertActions file.",
    "LOG...": "Files of a prediction log.",
    "openslo|sloth": "Whose files they are.",
    "FILE...": "Files with one or more YAML documents.",
    "MONITOR": "A ModelMonitor file.",
    "MONITOR...": "One or more ModelMonitor files.",
    "STATE...": "State files, or folders of them (`--state-dir`).",
    "SPEC...": "ModelSLO, ModelMonitor and AlertActions files, one AlertRouting file; a folder stands for all in it.",
}

_INTRODUCTION = """\
# Commands

After this page you know every command and flag. `scripts/docs` writes it from the commands themselves.

| exit code | meaning |
| --- | --- |
| 0 | fine |
| 1 | the thing checked is wrong |
| 2 | the input is wrong: standard error has a line per problem, with file:line:column where there is one |

Files are written whole or not at all. A flag that takes several files takes them in a row, `--data a.jsonl b.jsonl`, or
repeated.
"""


def render(programs: Mapping[str, click.Group]) -> tuple[str, list[str]]:
    """The page, and every command, argument and flag that has no description."""
    sections = [_INTRODUCTION]
    problems: list[str] = []
    variables: list[str] = []
    for program, group in programs.items():
        sections.append(f"## {program}\n\n{_help(group)}\n")
        problems += [] if group.help else [f"command {program}: no help"]
        for full, command in _commands(program, group):
            problems += [] if command.help else [f"command {full}: no help"]
            problems += [
                f"{full}: {_names(parameter)}: no help"
                for parameter in _parameters(command)
                if not _description(parameter)
            ]
            variables += [
                f"`{variable}` ({full}: {_names(parameter)})"
                for parameter in _parameters(command)
                for variable in _variables(parameter)
            ]
            sections.append(_section(full, command))
    environment = ", ".join(variables) if variables else "neither command reads any"
    sections.append(f"## Environment variables\n\n{environment[0].upper()}{environment[1:]}.\n")
    return "\n".join(sections), problems


def _commands(program: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """Yield each command by its full name, and those of a group after it."""
    for name, command in group.commands.items():
        yield f"{program} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(f"{program} {name}", command)


def _section(full: str, command: click.Command) -> str:
    context = click.Context(command, info_name=full)
    arguments = [item for item in _parameters(command) if isinstance(item, click.Argument)]
    options = [item for item in _parameters(command) if isinstance(item, click.Option)]
    usage = " ".join([full, *(item.make_metavar(context) for item in arguments)])
    usage += "".join(f" {_flag(item)}" for item in options if item.required)
    usage += " COMMAND" if isinstance(command, click.Group) else ""
    usage += " [OPTIONS]" if any(not item.required for item in options) else ""
    parts = [f"### {full}", f"```text\n{usage}\n```", _help(command)]
    if arguments:
        rows = [(f"`{item.make_metavar(context)}`", _description(item)) for item in arguments]
        parts.append(table(("argument", "meaning"), rows))
    if options:
        rows_of_options = [
            (f"`{_flag(item)}`", _default(item, context), _description(item)) for item in options
        ]
        parts.append(table(("flag", "default", "meaning"), rows_of_options))
    return "\n\n".join(parts) + "\n"


def _parameters(command: click.Command) -> Iterator[click.Parameter]:
    """Arguments without a metavar only catch more values of a flag before them."""
    for parameter in command.params:
        if not (isinstance(parameter, click.Argument) and parameter.metavar == ""):
            yield parameter


def _help(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").replace("\b\n", "")


def _names(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return ", ".join([*parameter.opts, *parameter.secondary_opts])
    return parameter.make_metavar(click.Context(click.Command("")))


def _flag(option: click.Option) -> str:
    names = _names(option)
    if option.is_flag or option.count:
        return names
    metavar = option.metavar or option.type.name.upper()
    if isinstance(option.type, click.Choice):
        metavar = "|".join(str(choice) for choice in option.type.choices)
    return f"{names} {metavar}"


def _description(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return (parameter.help or "").strip()
    return ARGUMENTS.get(_names(parameter), "")


def _default(option: click.Option, context: click.Context) -> str:
    if option.required:
        return "required"
    if isinstance(option.show_default, str):
        return option.show_default
    if option.is_flag and not option.secondary_opts:
        return "off"
    value = option.get_default(context)
    return f"`{value}`" if isinstance(value, (str, int, float, Path)) else ""


def _variables(parameter: click.Parameter) -> list[str]:
    if not parameter.envvar:
        return []
    return [parameter.envvar] if isinstance(parameter.envvar, str) else list(parameter.envvar)
