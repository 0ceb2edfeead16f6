"""Data as block YAML, text for text what PyYAML makes of it, in a fraction of the time.

PyYAML takes half a second for the files of one model, and there may be a thousand models. What is not everyday text
(control characters, lines that end in spaces) is still left to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

# No indicator where it would be one: YAML 1.1, 5.3; PyYAML's Emitter.analyze_scalar.
_PLAIN = re.compile(
    r"""(?!---|\.\.\.)                   # not the end of a document
    (?:[^\s\#,\[\]{}&*!|>'"%@`?:-]|[?:-](?=\S))
    (?:[^:\#]++|:(?=\S)|(?<!\ )\#)*+
    (?<!\ )""",
    re.VERBOSE,
)
# Line ends of YAML beside the usual one.
_ODD = re.compile("[\x85\u2028\u2029]")
_NOT_EMPTY = re.compile(r"\n(?!\n)")
# Beyond this PyYAML writes a key of a mapping in another form.
_LONGEST_KEY = 120
_MOST_KEPT = 20_000


class _Dumper(yaml.SafeDumper):
    """Plain block YAML: no aliases, and text of several lines as it reads."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's interface
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represented)
_RESOLVERS: dict[str, list[tuple[str, re.Pattern[str]]]] = _Dumper.yaml_implicit_resolvers


def by_pyyaml(data: Any) -> str:
    """``data`` as PyYAML dumps it."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000))


class _TooHardError(Exception):
    """What is left to PyYAML: it looks different where it stands than alone."""


class _Texts(dict[str, str]):
    """How each text is written after its key or dash at the left margin, without the end of its last line."""

    def __missing__(self, text: str) -> str:
        written = _written(text)
        if len(self) > _MOST_KEPT:
            self.clear()
        self[text] = written
        return written


def _written(text: str) -> str:
    # What Python calls printable, PyYAML writes as it is.
    if text.isprintable() and text:
        if _PLAIN.fullmatch(text) and not any(
            resolver.match(text) for _, resolver in _RESOLVERS.get(text[0], ())
        ):
            return text
        return "'" + text.replace("'", "''") + "'"
    inner = text[:1] + text[-1:]
    if inner.strip(" \n") == inner and " \n" not in text and text.replace("\n", "").isprintable() and text:
        return "|-\n  " + _NOT_EMPTY.sub("\n  ", text)
    written = by_pyyaml({"k": text})[3:-1]
    if _ODD.search(text) or written.endswith("\n..."):
        raise _TooHardError
    return written


class _Keys(dict[str, str]):
    """How each key is written, with its colon."""

    def __missing__(self, key: str) -> str:
        if type(key) is not str or not key.isprintable() or not 0 < len(key) <= _LONGEST_KEY:
            raise _TooHardError
        written = self[key] = by_pyyaml({key: ""})[:-4]
        return written


_texts, _keys = _Texts(), _Keys()


def dump(data: Mapping[str, Any] | Sequence[Any]) -> str:
    """``data`` as one block of YAML: mappings, lists, texts, numbers, booleans, None.

    Raises yaml.YAMLError for anything else.
    """
    out: list[str] = []
    try:
        _block(data, "\n", out)
    except _TooHardError:
        return by_pyyaml(data)
    return "".join(out)[1:] + "\n"


def as_text(text: str) -> str:
    """How ``text`` is written as the value of a key at the left margin."""
    return _texts[text]


def items(values: Sequence[Any]) -> str:
    """The lines of a list below a key at the left margin; nothing for an empty one."""
    return dump({"k": values})[len("k:\n") :] if values else ""


def _block(value: Any, line: str, out: list[str], inline: bool = False) -> None:
    """Append what follows a key or a dash. ``line``: what each line of the block starts with.

    ``inline``: the block's first line is what is left of the line that the dash is on.
    """
    write = out.append
    start = " " if inline else line
    kind = type(value)
    if kind is dict and value:
        deeper = line + "  "
        for key, child in value.items():
            if type(child) is str:
                text = _texts[child]
                if "\n" in text:
                    text = _NOT_EMPTY.sub(line, text)
                write(f"{start}{_keys[key]} {text}")
            else:
                write(start + _keys[key])
                if child:
                    _block(child, deeper, out)
                else:
                    write(_nothing(child))
            start = line
    elif kind is list and value:
        deeper = line + "  "
        dash = start + "-"
        for child in value:
            if type(child) is str:
                text = _texts[child]
                if "\n" in text:
                    text = _NOT_EMPTY.sub(line, text)
                write(f"{dash} {text}")
            else:
                write(dash)
                if child:
                    _block(child, deeper, out, inline=True)
                else:
                    write(_nothing(child))
            dash = line + "-"
    elif kind is int:
        write(f" {value}")
    else:
        # A boolean, a float, or nothing at all at the top.
        write(by_pyyaml({"k": value})[2:-1])


def _nothing(value: Any) -> str:
    """An empty list or mapping, or the number 0: most lists of alerts that a test expects are empty."""
    kind = type(value)
    return " []" if kind is list else " {}" if kind is dict else by_pyyaml({"k": value})[2:-1]
