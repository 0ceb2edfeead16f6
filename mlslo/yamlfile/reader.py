"""Read one YAML document and remember where everything in it stands."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mlslo.yamlfile.construct import DEEPEST, MOST_VALUES, Constructed, Location, construct
from mlslo.yamlfile.errors import InputError, Problem
from mlslo.yamlfile.places import place_of, place_within, starts

# LibYAML's parser, where PyYAML was built with it.
_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LARGEST = 32 << 20
# Two of a pair, or three of one that is empty.
_MOST_EVENTS = 3 * MOST_VALUES


class Document:
    """The data of one file, and the place of each key and value in it."""

    def __init__(self, path: Path, content: str, constructed: Constructed) -> None:
        self.path = path
        self._content = content
        self.data: Any = constructed.data
        self._keys = constructed.keys
        self._values = constructed.values
        self._others: dict[Location, Location] = {}

    def stand_in(self, added: Location, for_: Location) -> None:
        """Let what is said of ``added``, which is not in the file, be said of the place ``for_``."""
        self._others[added] = for_

    def problem(self, location: Location, message: str, *, key: bool = False) -> Problem:
        """A problem at ``location`` (a path of keys and indices), or at its nearest ancestor in the file.

        ``key=True`` points at the key itself instead of its value.
        """
        for added, place_of_it in self._others.items():
            if location[: len(added)] == added:
                location = place_of_it
        place = self._keys.get(location) if key else None
        while place is None and location not in self._values:
            location = location[:-1]
        line, column = place or self._values[location]
        return Problem(str(self.path), line, column, message)

    def problem_within(self, location: Location, offset: int, message: str) -> Problem:
        """A problem at a character of the text at ``location``, ``offset`` from its beginning."""
        text = self.data
        for part in location:
            text = text[part]
        line, column = place_within(self._content, self._values[location], text, offset)
        return Problem(str(self.path), line, column, message)

    def has(self, location: Location) -> bool:
        """Whether the file gives a value at ``location``."""
        return location in self._values

    def error(self, location: Location, message: str, *, key: bool = False) -> InputError:
        """``problem`` as an exception of its own."""
        return InputError([self.problem(location, message, key=key)])


def read(path: Path | str) -> Document:
    """Read the one YAML document in ``path``.

    Raises InputError where the file cannot be read, is very large, is not UTF-8 text, is not YAML, is empty, holds
    several documents, a duplicate key, a key that is not text, an unknown tag or an alias to itself.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            # Some files never end.
            raw = stream.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise InputError.of_file(path, f"cannot be read: larger than {_LARGEST >> 20} MB")
        content = raw.decode("utf-8-sig")
    except OSError as error:
        raise InputError.of_file(path, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise InputError([Problem(str(path), line, column, "expected UTF-8 text")]) from None
    return parse(path, content)


def parse(path: Path, content: str) -> Document:
    """The one YAML document in ``content``, which stands in ``path``. Raises InputError as ``read`` does."""
    return Document(path, content, construct(path, _events(path, content)))


def _events(path: Path, content: str) -> list[yaml.Event]:
    """What LibYAML reports of the nodes of the one document, in their order."""
    try:
        parser = _Parser(content)
        try:
            found = list(_nodes(parser))
        finally:
            parser.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or "not valid YAML"
        position = 0
        if mark is not None:
            # LibYAML puts the end of a file that lacks its last line end on a line of its own.
            begins = [*starts(content), len(content)]
            position = min(begins[mark.line] + mark.column, len(content))
        if content[position : position + 1] == "\t":
            problem = "a tab, expected spaces: YAML is not indented by tabs"
        raise InputError([Problem(str(path), *place_of(content, position), problem)]) from None
    except yaml.YAMLError as error:
        # LibYAML counts bytes.
        before = content.encode()[: getattr(error, "position", 0)].decode(errors="ignore")
        reason = getattr(error, "reason", "not valid YAML")
        raise InputError([Problem(str(path), *place_of(content, len(before)), str(reason))]) from None
    if not found:
        raise InputError([Problem(str(path), 1, 1, "expected a YAML mapping, the file is empty")])
    return found


def _nodes(parser: Any) -> Iterator[yaml.Event]:
    depth = documents = count = 0
    while (event := parser.get_event()) is not None:
        kind = type(event)
        count += 1
        if count > _MOST_EVENTS:
            raise yaml.MarkedYAMLError(
                problem=f"more than {MOST_VALUES} values", problem_mark=event.start_mark
            )
        if kind is yaml.ScalarEvent or kind is yaml.AliasEvent:
            yield event
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            depth += 1
            if depth > DEEPEST:
                problem = f"nested deeper than {DEEPEST} levels"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
            yield event
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            depth -= 1
            yield event
        elif kind is yaml.DocumentStartEvent:
            documents += 1
            if documents > 1:
                problem = "expected one YAML document per file, found another"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
