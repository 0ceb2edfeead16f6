"""The data of a YAML document as most are: nothing is wrong with it, and it has no anchors, aliases and tags.

Each event of the parser is used and forgotten, which takes a fifth less time than to keep them all. Hundreds of files
may be read at once.
"""

from __future__ import annotations

from typing import Any

import yaml

from mlslo.yamlfile import coreschema
from mlslo.yamlfile.construct import DEEPEST, MOST_VALUES

# LibYAML's parser, where PyYAML was built with it.
Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotPlainError(Exception):
    """The document is anything else; `construct` says what is wrong, if anything is."""


def plain_data(content: str) -> Any:
    """The data of the one document in ``content``, the same as `construct` makes. Raises NotPlainError."""
    try:
        parser = Parser(content)
        try:
            return _data(parser)
        finally:
            parser.dispose()
    except (yaml.YAMLError, ValueError) as error:
        raise NotPlainError from error


def _data(parser: Any) -> Any:
    get_event = parser.get_event
    _expect(get_event(), yaml.StreamStartEvent)
    _expect(get_event(), yaml.DocumentStartEvent)
    # Mappings and lists that are open, and the key under which each goes on in the one around it.
    around: list[tuple[Any, str | None]] = []
    inner: Any = None
    key: str | None = None
    count = 0
    while True:
        event = get_event()
        kind = type(event)
        if kind is yaml.ScalarEvent:
            if event.anchor is not None or event.tag is not None:
                raise NotPlainError
            value = event.value
            if key is None and type(inner) is dict:
                if value in inner:
                    raise NotPlainError
                key = value
                continue
            if event.implicit[0] and (not value or value[0] in coreschema.NOT_TEXT):
                value = coreschema.plain(value)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            if event.anchor is not None or event.tag is not None or len(around) >= DEEPEST:
                raise NotPlainError
            if key is None and type(inner) is dict:
                raise NotPlainError
            around.append((inner, key))
            inner = {} if kind is yaml.MappingStartEvent else []
            key = None
            continue
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            value = inner
            inner, key = around.pop()
        else:
            raise NotPlainError
        count += 1
        if count > MOST_VALUES:
            raise NotPlainError
        if type(inner) is dict:
            inner[key] = value
            key = None
        elif inner is not None:
            inner.append(value)
        else:
            break
    _expect(get_event(), yaml.DocumentEndEvent)
    _expect(get_event(), yaml.StreamEndEvent)
    return value


def _expect(event: yaml.Event, kind: type[yaml.Event]) -> None:
    if type(event) is not kind:
        raise NotPlainError
