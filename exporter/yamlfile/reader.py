"""Read one YAML document and remember where everything in it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

import yaml

from exporter.yamlfile import lines
from exporter.yamlfile.errors import InputError, Problem
from exporter.yamlfile.scalar import place_within

Location = tuple[str | int, ...]
Place = tuple[int, int]

_LARGEST = 32 << 20
_MOST_NODES = 200_000
_DEEPEST = 60


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2's core scalars: ``no`` and ``22:00`` are text, not False and 1320."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute
    _depth = 0
    _nodes = 0

    def descend_resolver(self, parent: yaml.Node | None, index: Any) -> None:
        """LibYAML builds nodes by recursion, and dies of a file that is nested deep enough."""
        self._depth += 1
        self._nodes += index is not None
        if self._nodes > _MOST_NODES and parent is not None:
            problem = f"more than {_MOST_NODES} values"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=parent.start_mark)
        if self._depth > _DEEPEST + 1 and parent is not None:
            problem = f"nested deeper than {_DEEPEST} levels"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=parent.start_mark)
        super().descend_resolver(parent, index)

    def ascend_resolver(self) -> None:
        self._depth -= 1
        super().ascend_resolver()


_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(rf"^{_INTEGER.pattern}$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(rf"^({_FLOAT.pattern})$"), list("-+0123456789.")
)


class Document:
    """The data of one file, and the place of each key and value in it."""

    def __init__(
        self,
        path: Path,
        content: str,
        data: Any,
        keys: dict[Location, Place],
        values: dict[Location, Place],
    ):
        self.path = path
        self._content = content
        self.data = data
        self._keys = keys
        self._values = values

    def problem(self, location: Location, message: str, *, key: bool = False) -> Problem:
        """A problem at ``location`` (a path of keys and indices), or at its nearest ancestor in the file.

        ``key=True`` points at the key itself instead of its value.
        """
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
    node = _compose(path, content)
    return _Constructor(path).document(node, content)


def _compose(path: Path, content: str) -> yaml.Node:
    try:
        loader = _Loader(content)
        try:
            node: yaml.Node | None = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or "not valid YAML"
        position = 0
        if mark is not None:
            # LibYAML puts the end of a file that lacks its last line end on a line of its own.
            begins = [*lines.starts(content), len(content)]
            position = min(begins[mark.line] + mark.column, len(content))
        if content[position : position + 1] == "\t":
            problem = "a tab, expected spaces: YAML is not indented by tabs"
        if "expected a single document" in str(error.context):
            problem = "expected one YAML document per file, found another"
        raise InputError([Problem(str(path), *lines.place_of(content, position), problem)]) from None
    except yaml.YAMLError as error:
        # LibYAML counts bytes.
        before = content.encode()[: getattr(error, "position", 0)].decode(errors="ignore")
        reason = getattr(error, "reason", "not valid YAML")
        raise InputError([Problem(str(path), *lines.place_of(content, len(before)), str(reason))]) from None
    if node is None:
        raise InputError([Problem(str(path), 1, 1, "expected a YAML mapping, the file is empty")])
    return node


class _Constructor:
    """Nodes to plain data, with the places of keys and values."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[Location, Place] = {}
        self._values: dict[Location, Place] = {}
        self._open: list[yaml.Node] = []

    def document(self, node: yaml.Node, content: str) -> Document:
        return Document(self._path, content, self._construct(node, ()), self._keys, self._values)

    def _fail(self, node: yaml.Node, message: str) -> NoReturn:
        raise InputError([Problem(str(self._path), *_place(node), message)])

    def _construct(self, node: yaml.Node, location: Location) -> Any:
        self._values[location] = _place(node)
        if len(self._values) > _MOST_NODES:
            self._fail(node, f"more than {_MOST_NODES} values once its aliases are expanded")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if any(node is parent for parent in self._open):
            self._fail(node, "an alias that contains itself")
        if len(self._open) >= _DEEPEST:
            self._fail(node, f"nested deeper than {_DEEPEST} levels")
        self._open.append(node)
        if node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self._fail(node, f"unknown tag {node.tag}")
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self._construct(child, (*location, index)) for index, child in enumerate(node.value)]
            return self._mapping(node, location)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.Node, location: Location) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key in mapping:
                first = self._keys[(*location, key)]
                self._fail(key_node, f"duplicate key '{key}', first given at line {first[0]}")
            self._keys[(*location, key)] = _place(key_node)
            mapping[key] = self._construct(value_node, (*location, key))
        return mapping

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._fail(node, "expected a key that is plain text")
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        text: str = node.value
        match kind:
            case "str":
                return text
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int" if _INTEGER.fullmatch(text) and len(text) < 40:
                return int(text)
            case "float" if _FLOAT.fullmatch(text):
                return float(text)
            case "int" | "float" | "bool":
                self._fail(node, f"expected a value of type {kind}, got '{text}'")
        return self._fail(node, f"unknown tag {node.tag}")


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1
