"""Data as YAML with comments, for files that people go on writing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

_COLUMN = 44


class Noted(NamedTuple):
    """A value with a comment behind it."""

    value: Any
    note: str


@dataclass(frozen=True, eq=False)
class Comment:
    """A key that stands for a line of its own: a comment, or an alternative that is commented out."""

    text: str


class Block(dict[Any, Any]):
    """A mapping that is written with a key a line; any other is written in one line, and so is an item of a list."""

    def comment(self, text: str = "") -> None:
        """Add a line of its own: a comment, or an empty one."""
        self[Comment(text)] = None


class _Dumper(yaml.SafeDumper):
    """Everything in one line, text with line breaks and the like in escapes."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's interface
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = text.isprintable() and not _reads_as_number(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


def _reads_as_number(text: str) -> bool:
    """Return whether some reader takes ``text`` for a number, though PyYAML itself does not: 1e3."""
    try:
        float(text)
    except ValueError:
        return False
    return True


_Dumper.add_representer(str, _represent_text)


def dump(data: Block) -> str:
    """Return ``data`` as one YAML document. Raises yaml.YAMLError for what YAML has no form for."""
    return "".join(f"{line}\n" for line in _lines(data, ""))


def one_line(value: Any) -> str:
    """Return ``value`` as YAML in one line."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 30
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _lines(data: Mapping[Any, Any], indent: str) -> Iterator[str]:
    for key, value in data.items():
        if isinstance(key, Comment):
            yield f"{indent}# {_printable(key.text)}" if key.text else ""
            continue
        value, note = value if isinstance(value, Noted) else (value, "")
        begin = f"{indent}{one_line(key)}:"
        if isinstance(value, Block):
            yield _with_note(begin, note)
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            yield _with_note(begin, note)
            for item in value:
                lines = _lines(item, f"{indent}    ") if isinstance(item, Block) else iter([one_line(item)])
                yield f"{indent}  - {next(lines).lstrip()}"
                yield from lines
        elif isinstance(value, str) and _is_text(value):
            yield _with_note(f"{begin} |{'' if value.endswith(chr(10)) else '-'}", note)
            yield from (f"{indent}  {line}" for line in value.splitlines())
        else:
            yield _with_note(f"{begin} {one_line(value)}", note)


def _is_text(value: str) -> bool:
    """Return whether text of several lines reads the same as they stand."""
    lines = value.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and all(line.isprintable() and line.strip() for line in lines)
        and not lines[0].startswith(" ")
    )


def _with_note(line: str, note: str) -> str:
    return f"{line:<{_COLUMN}} # {_printable(note)}" if note else line


def _printable(text: str) -> str:
    """Text of a user's log in a comment: a line break would end it."""
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode() for part in text)
